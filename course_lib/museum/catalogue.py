"""Find exhibits by number; importing them all loads neither torch nor any other heavy library."""

from __future__ import annotations

import difflib
import pkgutil
import re
from functools import cache
from importlib import import_module

from course_lib.museum.exhibit import Exhibit
from course_lib.practice.desk.place import CourseError
from course_lib.practice.knowledge.curriculum import chapter_number

_MACHINERY = {"catalogue", "cli", "exhibit", "panel", "shown", "widget"}


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


def exhibits(chapter: str | int | None = None) -> list[Exhibit]:
    """All exhibits, code before numbers; or those of one chapter, "06" or 6."""
    wanted = None if chapter is None else chapter_number(chapter)
    return [each for each in _by_number().values() if wanted is None or wanted in each.chapters]


def find(number: int | str) -> Exhibit:
    """The exhibit with this number, 7, "7", "#7" or "E4"; CourseError names near ones where there is none."""
    key = str(number).strip().lstrip("#").upper()
    known = _by_number()
    if key in known:
        return known[key]
    near = " and ".join(f"{each.number} ({each.title})" for each in _near(key))
    raise CourseError(
        f"There is no exhibit {str(number)!r}: they are numbered 1 to 25 (code) and E1 to E13 (numbers)"
        + (f", near yours: {near}" if near else "")
        + "; `course museum` lists them all."
    )


def _near(key: str) -> list[Exhibit]:
    """The two exhibits whose numbers are nearest, or, where `key` is no number, those whose names are like it."""
    known = _by_number()
    if re.fullmatch(r"E?-?[0-9]+", key):
        letter, wanted = key.startswith("E"), int(key.removeprefix("E"))
        same = [each for each in known.values() if each.number.startswith("E") == letter]
        return sorted(same, key=lambda each: abs(_order(each.number)[1] - wanted))[:2]
    names = {each.slug: each for each in known.values()}
    word = key.lower().replace("-", "_").replace(" ", "_")
    inside = [name for name in names if word and word in name]
    return [names[name] for name in (inside or difflib.get_close_matches(word, names, n=2, cutoff=0.4))[:2]]
