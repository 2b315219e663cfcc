"""Parameters that say which chapter they belong to: `pytest --chapter 06` keeps those of chapter 06."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

Thing = TypeVar("Thing")


def by_chapter(
    things: Iterable[Thing], chapter: Callable[[Thing], str | Iterable[str]], name: Callable[[Thing], str] = str
) -> list[Any]:
    """One parameter per thing, with its chapters as marks and the first of them in its id: "06-c06-q01".

    chapter: of a thing its chapter in two digits, or several; name: the rest of the id.
    """
    found = []
    for thing in things:
        of = chapter(thing)
        chapters = [of] if isinstance(of, str) else list(of)
        marks = [pytest.mark.chapter(number) for number in chapters]
        own = name(thing)
        found.append(
            pytest.param(thing, id=own if own.startswith(chapters[0]) else f"{chapters[0]}-{own}", marks=marks)
        )
    return found
