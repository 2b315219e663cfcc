"""Where the course's own files are: its notebooks, its lock and the reader's workspace."""

import json
import os
from pathlib import Path

import course_lib

START_PAGE = "00_start_here.ipynb"
SERVED = "COURSE_WORK_DIR"  # set by `course lab` for its kernels and terminals: the workspace may be another than work/


class CourseError(Exception):
    """Something the reader can put right; the text is one sentence with its remedy."""


def root() -> Path:
    """Return the checkout that this package runs from; raise CourseError where there is none."""
    folder = Path(course_lib.__file__).resolve().parent.parent
    if not (folder / "notebooks").is_dir():
        raise CourseError(
            "The notebooks are not beside the installed package: clone the course and run make lab, "
            "or pip install -e . and course lab, inside the clone."
        )
    return folder


def notebooks() -> Path:
    """Return the folder of the course's own notebooks, outputs included."""
    return root() / "notebooks"


def is_planned(notebook: Path) -> bool:
    """Whether a notebook is laid out for its author alone: its metadata `course` has the status planned."""
    try:
        course = json.loads(notebook.read_bytes())["metadata"]["course"]
    except (OSError, ValueError, KeyError, TypeError):  # what cannot be read is for others to say
        return False
    return isinstance(course, dict) and course.get("status") == "planned"


def lock() -> Path:
    """Return the file with every pinned requirement."""
    return root() / "requirements.lock"


def workspace(chosen: str | os.PathLike[str] | None = None) -> Path:
    """Return the reader's workspace: `chosen` if given, else that which is served, else work/ in the checkout."""
    chosen = chosen or os.environ.get(SERVED)
    return Path(chosen).expanduser().resolve() if chosen else root() / "work"
