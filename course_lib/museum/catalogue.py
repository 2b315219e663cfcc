"""Find exhibits by number; importing them all loads neither torch nor any other heavy library."""

from __future__ import annotations

import difflib
import pkgutil
from functools import cache
from importlib import import_module

from course_lib.museum.exhibit import Exhibit
from course_lib.practice.place import CourseError

_MACHINERY = {"catalogue", "cli", "exhibit", "panel"}


@cache
def _by_number() -> dict[str, Exhibit]:
    package = import_module("course_lib.museum")
    names = [found.name for found in pkgutil.iter_modules(package.__path__) if found.name not in _MACHINERY]
    every = [import_module(f"course_lib.museum.{name}").EXHIBIT for name in names]
    ordered = sorted(every, key=lambda exhibit: _order(exhibit.number))
    by_number = {exhibit.number: exhibit for exhibit in ordered}
    if len(by_number) < len(every):
        raise ValueError("Two exhibits have the same number.")
    return by_number


def _order(number: str) -> tuple[bool, int]:
    return number.startswith("E"), int(number.removeprefix("E"))


def exhibits(chapter: int | None = None) -> list[Exhibit]:
    """All exhibits, code before numbers; or those of one chapter."""
    return [each for each in _by_number().values() if chapter is None or chapter in each.chapters]


def find(number: int | str) -> Exhibit:
    """The exhibit with this number, 7, "7", "#7" or "E4"; CourseError names near numbers where there is none."""
    key = str(number).strip().lstrip("#").upper()
    known = _by_number()
    if key in known:
        return known[key]
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.4) or [*list(known)[-1:]]
    names = near[0] if len(near) == 1 else f"{', '.join(near[:-1])} and {near[-1]}"
    raise CourseError(
        f"There is no exhibit {str(number)!r}: they are numbered 1 to 25 (code) and E1 to E13 (numbers), "
        f"near yours {'is' if len(near) == 1 else 'are'} {names}; `course museum` lists them all."
    )
