"""Finding an exercise by the name of the reader's function, or by its id; importing only the file that has it.

Exercises live in course_lib/exercises/chNN_THEME/NAME.py. Nothing here imports them statically.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from course_lib.practice.checks.exercise import Exercise
from course_lib.practice.desk.place import CourseError

_PACKAGE = "course_lib.exercises"


def folder() -> Path:
    """Return the folder of the exercises."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise CourseError("This installation has no exercises: run `make lab` in the course's folder.")
    return Path(next(iter(spec.submodule_search_locations)))


def files(chapter: str | None = None) -> Iterator[Path]:
    """Yield the exercises' files in reading order; chapter: two digits, or None for all."""
    for path in sorted(folder().glob(f"ch{chapter or '[0-9][0-9]'}_*/*.py")):
        if not path.name.startswith("_") and "\nEXERCISE = " in path.read_text(encoding="utf-8"):
            yield path


def load(path: Path) -> Exercise:
    """Import an exercise's file and return its object."""
    return import_module(f"{_PACKAGE}.{path.parent.name}.{path.stem}").EXERCISE


def exercises(chapter: str | None = None) -> list[Exercise]:
    """Return all exercises, or those of one chapter ("06")."""
    return [load(path) for path in files(chapter)]


def by_name(name: str) -> Exercise | None:
    """Return the exercise whose function or class has this name."""
    defines = re.compile(rf"^(def|class) {re.escape(name)}\b", re.MULTILINE)
    for path in files():
        if defines.search(path.read_text(encoding="utf-8")) and load(path).name == name:
            return load(path)
    return None


def by_id(exercise_id: str) -> Exercise | None:
    """Return the exercise with an id like "06.tree_broadcast"."""
    return next((load(path) for path in files() if _id(path) == exercise_id), None)


def names() -> list[str]:
    """Return the ids of all exercises, read from their paths without importing anything."""
    return [_id(path) for path in files()]


def nearest(word: str) -> str | None:
    """Return the exercise's function name or id that a misspelt word most resembles."""
    known = [exercise.name for exercise in exercises()] + names()
    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), None)


def _id(path: Path) -> str:
    return f"{path.parent.name[2:4]}.{path.stem}"
