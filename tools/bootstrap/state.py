"""What is there and what is to do: the Python, the .venv, its stamp, the lock."""

import hashlib
import re
import subprocess
from pathlib import Path
from typing import IO, Callable, Optional, Tuple

OLDEST = (3, 11)
INPUTS = ("requirements.lock", "pyproject.toml")
MARKER = "course-setup.txt"


def answers(name: str) -> bool:
    """Tell whether a Python of this name runs; a version manager's shim may be on the path and still refuse."""
    try:
        return not subprocess.call([name, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return False


def too_old(version: Tuple[int, ...], runs: Callable[[str], bool] = answers) -> Optional[str]:
    """Say in one sentence that `version` is too old, naming a newer Python that is already here; None if it is not."""
    if tuple(version[:2]) >= OLDEST:
        return None
    names = ["python3.%d" % minor for minor in (13, 12, 11)]
    newer = next((name for name in names if runs(name)), None)
    remedy = (
        "run make lab PYTHON=%s." % newer if newer else "install one and name it, as in make lab PYTHON=python3.12."
    )
    return "This is Python %d.%d and the course needs 3.11 or newer: %s" % (version[0], version[1], remedy)


def stamp_text(root: Path, version: str, build: str) -> str:
    """Return what a finished .venv holds: the hash of what it was made from, its Python, its place, its torch."""
    digest = hashlib.sha256(b"".join((root / name).read_bytes() for name in INPUTS)).hexdigest()
    return "inputs %s\npython %s\nroot %s\ntorch %s\ndone\n" % (digest, version, root, build)


def stamped_build(root: Path) -> Optional[str]:
    """Return the build of torch that `root`/.venv was made with, "cpu", "cuda" or "default"; None if none is told."""
    try:
        found = re.search(r"^torch (\w+)$", (root / ".venv" / MARKER).read_text(), re.MULTILINE)
    except OSError:
        return None
    return found.group(1) if found else None


def venv_version(venv: Path) -> Optional[str]:
    """Return the Python version that `venv` was made with, such as "3.11.7"; None if there is no usable one."""
    if not (venv / "bin" / "python").exists():  # also a link to a Python that has gone
        return None
    try:
        found = re.search(r"^version\s*=\s*(\S+)", (venv / "pyvenv.cfg").read_text(), re.MULTILINE)
    except OSError:
        return None
    return found.group(1) if found else None


def plan(root: Path, running: Tuple[int, ...], asked: bool, build: Optional[str] = None) -> str:
    """Decide what is to do: "nothing", "update" (another lock, the venv is sound), "create" or "foreign" (not ours).

    `asked` says that the reader named the running Python: a .venv of another minor version is then made anew.
    `build` is the build of torch that the reader named, if so: a .venv with another one is made anew.
    """
    venv = root / ".venv"
    if not venv.exists():
        return "create"
    marker = venv / MARKER
    if not marker.exists():
        return "foreign" if any(venv.iterdir()) else "create"
    version = venv_version(venv)
    state = marker.read_text()
    if not state.endswith("done\n") or ("root %s\n" % root) not in state:
        return "create"
    if ("python %s\n" % version) not in state or (asked and version.split(".")[:2] != [str(n) for n in running[:2]]):
        return "create"
    stamped = stamped_build(root)
    if build is not None and stamped is not None and build != stamped:
        return "create"
    return "nothing" if state == stamp_text(root, version, stamped or "") else "update"


def pins(root: Path) -> str:
    """Return the text of the lock."""
    return (root / "requirements.lock").read_text()


def count_pins(lock: str) -> int:
    """Count the packages that a lock names."""
    return len(re.findall(r"^[A-Za-z0-9]\S*==", lock, re.MULTILINE))


def alone(root: Path, out: IO[str]) -> IO[str]:
    """Hold the set-up's lock file: of two set-ups in one folder the second waits for the first."""
    import fcntl

    (root / "build").mkdir(exist_ok=True)
    held = (root / "build" / "setup.lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        out.write("Another set-up is running in this folder: waiting for it.\n")
        out.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
    return held
