"""What this machine has and what is missing, each with its remedy: behind `course doctor` and the start page.

A finding is "ok", "note" (the course runs, something in it does not or is slower) or "missing" (the course needs it).
"""

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from course_lib.lab import doctor_torch
from course_lib.lab.device import available_cores, available_memory
from course_lib.lab.finding import Finding, Findings

OLDEST_PYTHON = (3, 11)
GIB = 2**30


def findings(requirements: Path | None = None, workspace: Path | None = None) -> Findings:
    """Look at this machine. Takes about two seconds where torch is not yet imported.

    requirements: a file of `name==version` lines to compare with what is installed; left out, it is not looked at.
    workspace: the folder that must be writable; left out, the current one stands for it where disk space is read.
    """
    looks: list[Callable[[], Finding | None]] = [
        _python,
        lambda: _requirements(requirements) if requirements else None,
        _jupyterlab,
        _cores,
        _memory,
        lambda: _disk(workspace or Path.cwd()),
        _shared_memory,
        doctor_torch.torch_itself,
        doctor_torch.accelerator,
        _loopback,
        doctor_torch.gloo,
        _socket_folder,
        _compiler,
        lambda: _writable(workspace) if workspace else None,
        _git,
    ]
    return Findings(found for look in looks if (found := look()) is not None)


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("Python", "missing", version, "Install Python 3.11 or newer and set up again with it.")
    return Finding("Python", "ok", f"{version} ({platform.system()} {platform.machine()})")


def unsatisfied(lines: Iterable[str]) -> list[str]:
    """Return the pins among `lines` that the running environment does not meet, as "name 1.0 (has 0.9)".

    A pin whose marker excludes this machine is met. A local part of an installed version (2.13.0+cpu) does not count.
    """
    from packaging.requirements import Requirement

    wrong = []
    for line in lines:
        text = line.split("#")[0].strip()
        if not text:
            continue
        pin = Requirement(text)
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            installed = metadata.version(pin.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{pin.name}{pin.specifier} (not installed)")
            continue
        if not pin.specifier.contains(installed, prereleases=True):
            wrong.append(f"{pin.name}{pin.specifier} (has {installed})")
    return wrong


def _requirements(lock: Path) -> Finding:
    remedy = "Run make lab, or pip install -r requirements.lock in this environment."
    try:
        lines = lock.read_text().splitlines()
    except OSError as error:
        return Finding("requirements", "missing", f"{lock.name}: {error.strerror}", "Restore it with git checkout.")
    if find_spec("packaging") is None:
        return Finding("requirements", "missing", "packaging is not installed", remedy)
    wrong = unsatisfied(lines)
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return Finding("requirements", "missing", f"differs from the lock: {', '.join(wrong[:3])}{more}", remedy)
    return Finding("requirements", "ok", f"as pinned in {lock.name}")


def _jupyterlab() -> Finding:
    try:
        return Finding("JupyterLab", "ok", metadata.version("jupyterlab"))
    except metadata.PackageNotFoundError:
        return Finding("JupyterLab", "missing", "not installed", "Run make lab, or pip install -e . in the clone.")


def _cores() -> Finding:
    cores = available_cores()
    if cores < 2:
        remedy = "Everything runs; ranks take turns, so that no overlap or scaling can be seen in the timings."
        return Finding("cores", "note", f"{cores}", remedy)
    return Finding("cores", "ok", f"{cores}")


def _memory() -> Finding:
    size = available_memory() / GIB
    remedy = "Close other kernels before a chapter's largest runs." if size < 4 else ""
    return Finding("memory", "note" if remedy else "ok", f"{size:.1f} GiB", remedy)


def _disk(folder: Path) -> Finding:
    present = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(present).free / GIB
    remedy = "Free some space: notebooks and checkpoints need about 1 GiB." if free < 1 else ""
    return Finding("disk", "note" if remedy else "ok", f"{free:.1f} GiB free", remedy)


def _shared_memory(folder: Path = Path("/dev/shm")) -> Finding | None:
    if not folder.is_dir():
        return None  # macOS has none and needs none
    size = shutil.disk_usage(folder).total / GIB
    remedy = "A DataLoader's workers may die: start the container with --shm-size=1g." if size < 0.25 else ""
    return Finding("shared memory", "note" if remedy else "ok", f"{size:.2f} GiB in {folder}", remedy)


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5):
            return Finding("loopback", "ok", "127.0.0.1 accepts connections")
    except OSError as error:
        remedy = "Bring the loopback interface up, or let this process open sockets on 127.0.0.1."
        return Finding("loopback", "missing", f"127.0.0.1 refuses ({error.strerror or error})", remedy)


def _socket_folder() -> Finding | None:
    """Lay a socket where multiprocessing lays that of the ranks' server; nothing is said where that works."""
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(prefix="pymp-") as own, socket.socket(socket.AF_UNIX) as probe:
            probe.bind(os.path.join(own, "listener-abcdefgh"))
    except OSError as error:
        if len(os.fsencode(folder)) < 64:
            what = f"{folder} takes no socket ({error.strerror or error})"
        else:
            what = f"TMPDIR has {len(os.fsencode(folder))} bytes, which is too long for the path of a socket"
        remedy = "Set TMPDIR to another folder with a short path, such as /tmp: ranks meet at a socket in it."
        return Finding("temporary folder", "note", what, remedy)
    return None


def _compiler() -> Finding:
    skipped = "Only the cells with torch.compile are skipped without it."
    mac = sys.platform == "darwin"
    candidates = (os.environ.get("CXX", ""), "g++", "clang++", "c++")
    path = next((found for name in candidates if name and (found := shutil.which(name.split()[0]))), None)
    if path is None:
        remedy = "xcode-select --install" if mac else "install g++ (on Debian and Ubuntu: sudo apt install g++)"
        return Finding("compiler", "note", "no C++ compiler", f"For torch.compile, {remedy}. {skipped}")
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    if answer.returncode:  # on macOS, c++ is there before its tools are
        return Finding(
            "compiler", "note", f"{path} does not run", f"For torch.compile, repair or reinstall it. {skipped}"
        )
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        remedy = f"For torch.compile, install Python's headers (on Debian and Ubuntu: python3-dev). {skipped}"
        return Finding("compiler", "note", f"{path}, and no Python.h", remedy)
    version = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout)
    return Finding("compiler", "ok", f"{Path(path).name} {version.group() if version else ''}".strip())


def _writable(folder: Path) -> Finding:
    present = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=present):
            # The name alone: a notebook that shows this must not store a path of somebody's machine.
            return Finding("workspace", "ok", f"{folder.name}/ can be written")
    except OSError as error:
        remedy = "Make the folder yours to write, or choose another with --work DIR."
        return Finding("workspace", "missing", f"{folder} cannot be written ({error.strerror})", remedy)


def _git() -> Finding:
    if shutil.which("git") is None:
        return Finding("git", "note", "not found", "Install it: an update of the course is git pull.")
    answer = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False)
    return Finding("git", "ok", answer.stdout.removeprefix("git version ").strip() or "found")
