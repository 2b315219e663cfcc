"""The start page's diagnostic: 20 numbers that show where to begin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from course_lib.practice.desk.house import written
from course_lib.practice.knowledge.known import evaluate

TOLERANCE = 0.05


@dataclass(frozen=True)
class Item:
    """A question with a number for an answer. number: 1 to 20; chapter: where the course measures it."""

    number: int
    chapter: str
    ask: str
    answer: float
    unit: str
    why: str

    def right(self, given: float) -> bool:
        """Whether a given number is within 5 % of the answer."""
        return math.isclose(given, self.answer, rel_tol=TOLERANCE)


@lru_cache(maxsize=1)
def items() -> tuple[Item, ...]:
    """The 20 questions in order, answers computed."""
    import yaml

    text = (files("course_lib") / "bank" / "diagnostic.yaml").read_text(encoding="utf-8")
    found = []
    for number, row in enumerate(yaml.safe_load(text), start=1):
        answer = float(evaluate(str(row["expression"]), {}))
        found.append(Item(number, row["chapter"], row["ask"], answer, row["unit"], row["why"]))
    return tuple(found)


@dataclass(frozen=True)
class Route:
    """What the answers say.

    right, missed, blank: numbers of the items; chapters: to work through, in this order; planned: chapters that would
    be, and are not written yet.
    """

    right: tuple[int, ...]
    missed: tuple[int, ...]
    blank: tuple[int, ...]
    chapters: tuple[str, ...]
    planned: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.right and not self.missed:
            return "No answers yet. Write a number in the place of a None and run the cell again."
        score = f"{len(self.right)} right, {len(self.missed)} missed, {len(self.blank)} left out."
        if not self.chapters and not self.planned:
            return f"{score} Take the exercises of the chapters that your next interview is about."
        route = (
            f"Your route: chapters {', '.join(self.chapters)}." if self.chapters else "No chapter on it is written yet."
        )
        lines = [f"{score} {route}"]
        if self.planned:
            lines.append(f"Planned, and not written yet: {', '.join(self.planned)}.")
        for item in (item for item in items() if item.number in self.missed):
            answer = f"{item.answer:,.6g} {item.unit}".rstrip()
            lines.append(f"{item.number}. {answer}: {item.why} ({_where(item.chapter, self.planned)})")
        return "\n".join(lines)

    __repr__ = __str__


def _where(chapter: str, planned: tuple[str, ...]) -> str:
    return f"chapter {chapter}, planned" if chapter in planned else f"chapter {chapter}"


def route(answers: Mapping[int, Any]) -> Route:
    """Score answers (item number -> a number, or None for "do not know") and propose chapters in reading order.

    Missed and left-out items count alike: their chapters are proposed where they are written. ValueError for an item
    that is not there or an answer that is no number.
    """
    by_number = {item.number: item for item in items()}
    for number, given in answers.items():
        if number not in by_number:
            raise ValueError(f"There is no item {number!r}: the items are 1 to {len(by_number)}.")
        if given is not None and (isinstance(given, bool) or not isinstance(given, (int, float))):
            raise ValueError(f"Item {number}: {given!r} is no number; write a number, or None if you do not know.")
    blank = tuple(number for number in by_number if answers.get(number) is None)
    right = tuple(n for n, item in by_number.items() if n not in blank and item.right(float(answers[n])))
    missed = tuple(n for n in by_number if n not in blank and n not in right)
    wanted, there = sorted({by_number[n].chapter for n in (*missed, *blank)}), written()
    chapters = tuple(chapter for chapter in wanted if chapter in there)
    return Route(right, missed, blank, chapters, tuple(chapter for chapter in wanted if chapter not in there))
