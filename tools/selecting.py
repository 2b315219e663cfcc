"""Which chapter a test belongs to: `pytest --chapter 06` keeps those of chapter 06 alone.

A test of a chapter lies in a file named after it (`test_06_…`, or in a folder `06_…` or `ch06_…`), has the mark
`chapter("06")` (tests/chapters.py sets it with a parameter), or takes one of its things as a parameter: an exercise, a
question, an exhibit, a known answer, a notebook. Tests of shared machinery belong to no chapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

NAMED = re.compile(r"(?:^|/)(?:test_|ch)?(\d\d)_")
OF_EXERCISE = re.compile(r"(\d\d)\.[a-z]\w*")


def chapters_of(item: pytest.Item, root: Path) -> set[str]:
    """Return the chapters, as two digits, that a test belongs to."""
    named = NAMED.findall(item.path.relative_to(root).as_posix()) if item.path.is_relative_to(root) else []
    if named:
        return set(named)
    found = {number for mark in item.iter_markers("chapter") for number in mark.args}
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    for name, value in parameters.items():
        found |= set(_of_parameter(name, value, item))
    return found


def _of_parameter(name: str, value: Any, item: pytest.Item) -> Iterator[str]:
    if name == "chapter" and "checks" in item.path.parts and isinstance(value, str) and re.fullmatch(r"\d\d", value):
        yield value
    elif name == "number" and "museum" in item.path.parts and isinstance(value, str):
        yield from _of_exhibit(value)
    elif name == "key" and isinstance(value, str):
        yield from _of_key(value)
    elif isinstance(value, Path) and value.suffix == ".ipynb":
        yield from NAMED.findall(value.name)
    elif isinstance(value, str):
        yield from (m[1] for m in [OF_EXERCISE.fullmatch(value)] if m)
    elif isinstance(value, Mapping):
        yield from _digits(value.get("chapter"))
    elif not isinstance(value, type):
        yield from _digits(getattr(value, "chapter", None))
        yield from _digits(getattr(value, "number", None)) if hasattr(value, "mutants") else ()
        given = getattr(value, "id", None)
        yield from (m[1] for m in [OF_EXERCISE.fullmatch(given) if isinstance(given, str) else None] if m)


def _digits(chapter: Any) -> Iterator[str]:
    if isinstance(chapter, int | str) and not isinstance(chapter, bool) and re.fullmatch(r"\d{1,2}", str(chapter)):
        yield str(chapter).zfill(2)


def _of_exhibit(number: str) -> Iterator[str]:
    from course_lib.museum import exhibits

    for exhibit in exhibits():
        if exhibit.number == number:
            yield from exhibit.chapters


def _of_key(key: str) -> Iterator[str]:
    from course_lib.practice.knowledge.known import load

    yield from _digits(load().get(key, {}).get("chapter"))
