"""A folder of wheels: made once where there is a network (`make wheelhouse`), set up from where there is none."""

import platform
import re
import shutil
import sys
from pathlib import Path
from typing import IO, List, Optional, Tuple

from tools.bootstrap import torch_build
from tools.bootstrap.install import UV, Installer, stop
from tools.bootstrap.state import pins, stamped_build
from tools.bootstrap.words import SetupError


def here() -> str:
    """Name what a wheelhouse is for, such as "Python 3.11 on Linux x86_64"."""
    return "Python %d.%d on %s %s" % ((*sys.version_info[:2], platform.system(), platform.machine()))


def fits(wheel: str, minor: int = sys.version_info[1], system: str = sys.platform, machine: str = "") -> bool:
    """Tell whether a wheel's file name is one for this Python 3.`minor`, system and machine (PEP 425, in short)."""
    parts = wheel[: -len(".whl")].split("-")
    if len(parts) < 5:
        return False
    python, abi, place = parts[-3:]
    stable = re.match(r"cp3(\d+)$", python) if "abi3" in abi else None
    tags = python.split(".")
    if not ("py3" in tags or "cp3%d" % minor in tags or (stable and int(stable.group(1)) <= minor)):
        return False
    if place == "any":
        return True
    machine = machine or platform.machine()
    return ("linux" in place if system == "linux" else "macosx" in place) and (
        machine in place or "universal2" in place
    )


def needed(lock: str, minor: int = sys.version_info[1], system: str = sys.platform) -> List[Tuple[str, str]]:
    """Return name and version of the lock's pins for this Python and system; a marker not known here counts as met."""
    found = []
    for name, version, marker in re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+) *;?(.*)$", lock, re.MULTILINE):
        other = re.search(r'sys_platform == "(\w+)"', marker)
        older = re.search(r'python_version < "3\.(\d+)"', marker)
        if (other and other.group(1) != system) or (older and minor >= int(older.group(1))):
            continue
        found.append((name, version))
    return found


def lacks(folder: Path, lock: str) -> List[str]:
    """Return the lock's pins, as "torch==2.13.0", of which `folder` has no wheel for this machine and Python."""
    have = set()
    for path in folder.glob("*.whl"):
        if fits(path.name):
            name, version = path.name.split("-")[:2]
            have.add((re.sub(r"[-_.]+", "-", name).lower(), version.split("+")[0]))
    return ["%s==%s" % (n, v) for n, v in needed(lock) if (re.sub(r"[-_.]+", "-", n).lower(), v) not in have]


def check(folder: Path, lock: str) -> None:
    """Raise SetupError, before anything is touched, where `folder` cannot set up this lock here."""
    if not folder.is_dir():
        raise SetupError(
            "There is no folder %s: make one with make wheelhouse where there is a network, and copy it here." % folder
        )
    missing = lacks(folder, lock)
    if missing:
        more = " and %d more" % (len(missing) - 1) if len(missing) > 1 else ""
        raise SetupError(
            "The folder %s lacks %s%s for %s, and nothing was changed: run make wheelhouse where there is a network, "
            "in this version of the course and with the same Python and system, and copy the folder here."
            % (folder, missing[0], more, here())
        )


def build_in(folder: Path) -> str:
    """Return the build of torch that a wheelhouse holds."""
    if sys.platform != "linux":
        return "default"
    return "cpu" if any("+cpu" in path.name and fits(path.name) for path in folder.glob("torch-*.whl")) else "cuda"


def make(root: Path, out: IO[str]) -> Tuple[int, int]:
    """Fill `root`/wheelhouse with a wheel of each package of the lock, and of uv; return their number and bytes.

    .venv is there already: its pip looks where the reader's pip looks, its build of torch is the one taken. The old
    folder stays until the new one is complete.
    """
    new, folder = root / "build" / "wheelhouse", root / "wheelhouse"
    shutil.rmtree(str(new), ignore_errors=True)
    new.mkdir(parents=True)
    log_path = root / "build" / "wheelhouse.log"
    build = stamped_build(root) or "default"
    out.write("Fetching the wheels of the lock, %s, into wheelhouse/.\n" % torch_build.cost(build).split(" and")[0])
    out.flush()
    with log_path.open("w") as log:
        work = Installer(root, log, out)

        def wheel(arguments: List[str], index: Optional[str] = None) -> int:
            command = [work.python, "-m", "pip", "wheel", "-w", str(new), "--find-links", new.as_uri()]
            if folder.is_dir():
                command += ["--find-links", folder.resolve().as_uri()]
            return work.call(command + (["--extra-index-url", index] if index else []) + arguments)

        if build == "cpu":
            torch = ["--no-deps", "torch==%s+cpu" % torch_build.pinned(pins(root))]
            status = wheel(torch) and wheel(torch, torch_build.CPU_INDEX)
            if status:
                stop(["pip"], status, log_path)
        status = wheel(["-r", str(root / "requirements.lock")])
        if status:
            stop(["pip"], status, log_path)
        if wheel(["--no-deps", UV]):
            work.say("uv cannot be had here: a set-up from this folder goes with pip.")
    check(new, pins(root))
    shutil.rmtree(str(folder), ignore_errors=True)
    new.rename(folder)
    wheels = list(folder.glob("*.whl"))
    return len(wheels), sum(path.stat().st_size for path in wheels)
