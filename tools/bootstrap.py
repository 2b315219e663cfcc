"""Make .venv with the locked requirements: what `make lab` and `make test` do before anything else.

Standard library only, and readable by Python 3.6, so that an old Python can say in one sentence that it is too old.
A stamp inside .venv says which lock it was made from; with a fresh stamp nothing is done. A set-up that was
interrupted leaves a marker without a stamp, and the next run starts .venv anew from pip's cache.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Callable, List, Optional, Tuple

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
INPUTS = ("requirements.lock", "pyproject.toml")
MARKER = "course-setup.txt"

# What pip writes when it fails, and what to tell the reader. The first that matches is told.
KNOWN_FAILURES = (
    (
        r"No space left on device|Disk quota exceeded",
        "the disk is full: free some space (about 3 GB, or 10 GB where torch comes with CUDA) and run it again.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "the package index's certificate was not accepted: behind a company proxy, point PIP_CERT at its certificate.",
    ),
    (
        r"Failed to establish a new connection|Temporary failure in name resolution|Name or service not known"
        r"|nodename nor servname|Network is unreachable|Connection refused|ReadTimeoutError|ConnectTimeoutError"
        r"|ProxyError|IncompleteRead|ConnectionResetError|RemoteDisconnected",
        "the package index could not be reached: check the network (or HTTPS_PROXY) and run it again.",
    ),
    (
        r"Permission denied",
        "a file could not be written: check who owns this folder and pip's cache, and run it again.",
    ),
    (
        r"No matching distribution found for torch",
        "there is no torch 2.13.0 for this machine and Python: take Python 3.11 to 3.13 on Linux or on a Mac with "
        "Apple silicon (on Windows, inside WSL).",
    ),
    (
        r"No matching distribution found for (\S+)",
        "the package index has no {0} for this machine and Python: take Python 3.11, 3.12 or 3.13.",
    ),
)


class SetupError(Exception):
    """Set-up cannot go on; the text is one sentence with its remedy."""


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


def stamp_text(root: Path, version: str) -> str:
    """Return what a finished .venv holds: the hash of what it was made from, its Python and its place."""
    digest = hashlib.sha256(b"".join((root / name).read_bytes() for name in INPUTS)).hexdigest()
    return "inputs %s\npython %s\nroot %s\ndone\n" % (digest, version, root)


def venv_version(venv: Path) -> Optional[str]:
    """Return the Python version that `venv` was made with, such as "3.11.7"; None if there is no usable one."""
    if not (venv / "bin" / "python").exists():  # also a link to a Python that has gone
        return None
    try:
        found = re.search(r"^version\s*=\s*(\S+)", (venv / "pyvenv.cfg").read_text(), re.MULTILINE)
    except OSError:
        return None
    return found.group(1) if found else None


def plan(root: Path, running: Tuple[int, ...], asked: bool) -> str:
    """Decide what is to do: "nothing", "update" (another lock, the venv is sound), "create" or "foreign" (not ours).

    `asked` says that the reader named the running Python: a .venv of another minor version is then made anew.
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
    return "nothing" if state == stamp_text(root, version) else "update"


def explain(log: str) -> Optional[str]:
    """Return the sentence for a failure that is known by its words in pip's output; None for any other."""
    for pattern, sentence in KNOWN_FAILURES:
        found = re.search(pattern, log)
        if found:
            return sentence.format(*found.groups())
    return None


def count_pins(lock: str) -> int:
    """Count the packages that a lock names."""
    return len(re.findall(r"^[A-Za-z0-9]\S*==", lock, re.MULTILINE))


def status_of(line: str, done: int, total: int) -> Optional[str]:
    """Turn a line of pip's output into one of progress; None where it says nothing new."""
    if line.startswith(("Collecting ", "Processing ")):
        return "package %d of %d: %s" % (min(done + 1, total), total, line.split()[1].rsplit("/")[-1])
    if line.startswith("Installing collected packages"):
        return "unpacking"
    found = re.match(r"\s+Downloading (\S+).*\((.*)\)", line)
    return "downloading %s (%s)" % (found.group(1).rsplit("/")[-1].split("-")[0], found.group(2)) if found else None


def run_logged(command: List[str], log: IO[str], total: int, out: IO[str]) -> int:
    """Run `command`, keep all it prints in `log`, show one line of progress on `out`; return its exit status."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX")}
    env.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PYTHONUNBUFFERED="1")
    log.write("$ %s\n" % " ".join(command))
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, errors="replace", env=env
    )
    done = 0
    live = out.isatty()
    try:
        for line in child.stdout or ():
            log.write(line)
            log.flush()
            said = status_of(line, done, total)
            done += line.startswith(("Collecting ", "Processing "))
            if said and live:
                out.write("\r\033[K  %s" % said[:76])
                out.flush()
        return child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        if live:
            out.write("\r\033[K")


def install(root: Path, fresh: bool, python: str, out: IO[str]) -> None:
    """Make or update `root`/.venv with `python`; raise SetupError with the sentence for what stopped it."""
    venv = root / ".venv"
    log_path = root / "build" / "setup.log"
    log_path.parent.mkdir(exist_ok=True)
    total = count_pins((root / "requirements.lock").read_text())
    inner = str(venv / "bin" / "python")
    commands = [
        [inner, "-m", "pip", "install", "-r", str(root / "requirements.lock")],
        [inner, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "-e", str(root)],
    ]
    if fresh:
        shutil.rmtree(str(venv), ignore_errors=True)
        venv.mkdir()
        commands.insert(0, [python, "-m", "venv", str(venv)])
    (venv / MARKER).write_text("being installed\n")
    with log_path.open("w") as log:
        for command in commands:
            status = run_logged(command, log, total, out)
            if status:
                stop(command, status, log_path)
    version = venv_version(venv)
    if version is None:
        raise SetupError("The new .venv has no Python in it: the log is %s." % log_path)
    partial = venv / (MARKER + ".new")
    partial.write_text(stamp_text(root, version))
    os.replace(str(partial), str(venv / MARKER))


def stop(command: List[str], status: int, log_path: Path) -> None:
    """Raise SetupError for a command that ended with `status`, in the words of what its output shows."""
    text = log_path.read_text(errors="replace")
    where = "(pip's own words are in %s)" % os.path.relpath(str(log_path))
    if command[2] == "venv" and ("ensurepip" in text or "No module named venv" in text):
        short = "%d.%d" % sys.version_info[:2]
        raise SetupError(
            "Python %s comes without its venv module here: install it (on Debian and Ubuntu: "
            "sudo apt install python%s-venv) and run it again %s." % (short, short, where)
        )
    known = explain(text)
    if known:
        raise SetupError("The set-up stopped because %s %s" % (known, where))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    raise SetupError("The set-up stopped with status %d: %s %s" % (status, errors[-1], where))


def set_up(root: Path, asked: bool, out: IO[str], python: Optional[str] = None) -> None:
    """Bring `root`/.venv to the state of the lock; raise SetupError with one sentence where that cannot be."""
    todo = plan(root, tuple(sys.version_info[:3]), asked)
    if todo == "nothing":
        return
    if todo == "foreign":
        raise SetupError(
            "There is a .venv here that the course did not make: move it away, "
            "or use it as it is with .venv/bin/pip install -e . and .venv/bin/course lab."
        )
    if todo == "create":
        old = too_old(tuple(sys.version_info[:3]))
        if old:
            raise SetupError(old)
    total = count_pins((root / "requirements.lock").read_text())
    what = "Setting up" if todo == "create" else "The course's requirements have changed: updating"
    out.write("%s .venv with %d pinned packages, once; this takes a few minutes.\n" % (what, total))
    out.flush()
    begin = time.time()
    # The base Python: when this runs in .venv itself, sys.executable goes with the old .venv.
    install(root, todo == "create", python or getattr(sys, "_base_executable", None) or sys.executable, out)
    size = sum(p.stat().st_size for p in (root / ".venv").rglob("*") if p.is_file() and not p.is_symlink())
    out.write("Set up in %.0f s, %.0f MB in .venv.\n" % (time.time() - begin, size / 1e6))
    out.flush()


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


def main(argv: Optional[List[str]] = None) -> int:
    """Set up .venv beside this file's folder; print one sentence and return 1 where that cannot be."""
    parser = argparse.ArgumentParser(description="Make .venv with the locked requirements.")
    parser.add_argument("--asked", action="store_true", help="the reader named this Python: rebuild a .venv of another")
    asked = parser.parse_args(argv).asked
    try:
        if sys.platform == "win32":
            raise SetupError("On Windows the course runs inside WSL: install it with wsl --install and clone it there.")
        with alone(ROOT, sys.stderr):
            set_up(ROOT, asked, sys.stderr)
    except SetupError as error:
        sys.stderr.write("%s\n" % error)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("The set-up was stopped; the next run repairs it.\n")
        return 130
    except OSError as error:
        known = explain(str(error)) or "of a file: %s; repair or remove it and run it again." % error
        sys.stderr.write("The set-up stopped because %s\n" % known)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
