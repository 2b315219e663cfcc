"""The profile on which outputs are stored and compared: one Python, the CPU, one thread, and nobody's own settings."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from course_lib.practice.desk.place import is_planned

ROOT = Path(__file__).resolve().parent.parent
STORING_PYTHON = (3, 11)
PROFILE = "Python 3.11, CPU, one thread"

# What a reader's shell may hold that would change an output or touch the reader's own files.
_FOREIGN = ("COURSE_", "IPYTHON", "JPY_", "JUPYTER", "MPL", "PYTEST_", "COV_", "COVERAGE_", "XDG_")
_FOREIGN_NAMES = {
    "COLUMNS",
    "LINES",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
    "PYTHONOPTIMIZE",
    "PYTHONINSPECT",
    "FORCE_COLOR",
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def on_storing_python(version: tuple[int, ...] = tuple(sys.version_info[:2])) -> bool:
    """Whether this Python is the one whose outputs are stored."""
    return tuple(version[:2]) == STORING_PYTHON


def environment(scratch: Path, *, gpu: bool = False, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment in which notebooks are executed and tested.

    Args:
        scratch: A private folder that stands in for the home and data folders, so that no progress or
            setting of the person at this machine is read or written.
        gpu: Leave the accelerators visible; otherwise CUDA devices are hidden.
        base: The environment to start from, by default this process's.
    """
    start = os.environ if base is None else base
    env = {k: v for k, v in start.items() if not k.startswith(_FOREIGN) and k not in _FOREIGN_NAMES}
    for name in ("home", "data", "cache", "config", "runtime"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    (scratch / "runtime").chmod(0o700)
    env |= {
        "HOME": str(scratch / "home"),
        "XDG_DATA_HOME": str(scratch / "data"),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "XDG_CONFIG_HOME": str(scratch / "config"),
        "XDG_STATE_HOME": str(scratch / "data"),
        "COURSE_DATA_DIR": str(scratch / "data" / "course"),
        "IPYTHONDIR": str(scratch / "config" / "ipython"),
        "JUPYTER_CONFIG_DIR": str(scratch / "config" / "jupyter"),
        "JUPYTER_DATA_DIR": str(scratch / "data" / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        # Matplotlib's font cache takes seconds to build: kept between runs, in the build folder, without settings.
        "MPLCONFIGDIR": str(_font_cache(scratch)),
        # Ranks' lines grouped by rank, sets in one order, one spelling of numbers and dates: outputs can be compared.
        "COURSE_ORDERED": "1",
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        # c10d warns about names of hosts and addresses, which differ from machine to machine.
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        # A notebook's `!course run` finds the commands of this very Python, activated or not.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)]),
    }
    env |= dict.fromkeys(_THREADS, "1")
    if not gpu:
        env |= {"CUDA_VISIBLE_DEVICES": "", "COURSE_DEVICE": "cpu"}
    return env


def _font_cache(scratch: Path) -> Path:
    kept = ROOT / "build" / "cache" / "matplotlib"
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only checkout
        kept = scratch / "cache" / "matplotlib"
        kept.mkdir(parents=True, exist_ok=True)
    return kept


def source_hash(notebook: Mapping[str, Any]) -> str:
    """Return 16 hex digits that change when a code cell or its tags change: what the stored outputs were made from."""
    cells = [
        [_text(cell["source"]).strip(), sorted(cell.get("metadata", {}).get("tags", []))]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    return hashlib.sha256(json.dumps(cells, ensure_ascii=False).encode()).hexdigest()[:16]


def stored_hash(notebook: Mapping[str, Any]) -> str | None:
    """Return the source hash noted when the outputs were stored, None when they never were by this tool."""
    return notebook.get("metadata", {}).get("stored_outputs", {}).get("source")


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def chapter_files(wanted: list[str], root: Path = ROOT) -> list[Path]:
    """Find notebooks by chapter number, by path, or `all` (without those that are only planned).

    Raises:
        ValueError: Nothing matches; says what there is.
    """
    known = sorted(p for p in (root / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    planned = {p for p in known if is_planned(p)}
    found: list[Path] = []
    for name in wanted:
        if name == "all":
            match = [p for p in known if p not in planned]
        elif name.endswith(".ipynb") and Path(name).exists():
            match = [Path(name).resolve()]
        else:
            number = name.zfill(2)
            match = [p for p in known if p.stem == name or p.stem.split("_")[0] == number]
        if not match:
            there = ", ".join(p.stem for p in known) or "none yet"
            raise ValueError(f"No notebook '{name}'. Give a chapter number, a path or `all`; there are: {there}.")
        found += [p for p in match if p not in found]
    return found
