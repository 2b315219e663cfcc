"""Where the reader stands: exercises, predictions and questions of each chapter, joined with the recorded events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from course_lib.practice.desk import place
from course_lib.practice.desk.place import CourseError
from course_lib.practice.predictions.calibration import Point, points
from course_lib.practice.record.progress import Event, Progress


@dataclass(frozen=True)
class ExerciseStanding:
    """One exercise. status: "passed" once an attempt passed, "failed" while none did, "not attempted"."""

    id: str
    attempts: int = 0
    hints: int = 0
    passed: bool = False
    solution_seen: bool = False

    @property
    def status(self) -> str:
        """One of the panel's words."""
        return "passed" if self.passed else "failed" if self.attempts else "not attempted"


@dataclass(frozen=True)
class QuestionStanding:
    """One question of the bank. practised: how often it was asked in a quiz or a mock interview."""

    id: str
    text: str
    answered: bool
    practised: int = 0


@dataclass
class ChapterStanding:
    """One chapter. part: its folder's name, "2_parallelism"; guesses: ids of predictions not yet
    revealed; late: ids of those whose answer was shown without a score."""

    number: str
    part: str
    title: str
    exercises: list[ExerciseStanding] = field(default_factory=list)
    predictions: list[Point] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    questions: list[QuestionStanding] = field(default_factory=list)

    @property
    def here(self) -> bool:
        """Whether there is anything to do in this version of the course."""
        return bool(self.exercises or any(question.answered for question in self.questions))

    @property
    def begun(self) -> bool:
        """Whether anything of this chapter is recorded."""
        practised = any(question.practised for question in self.questions)
        tried = any(one.attempts or one.hints or one.solution_seen for one in self.exercises)
        return bool(tried or practised or self.predictions or self.guesses or self.late)


def standing() -> list[ChapterStanding]:
    """Return every chapter that has a notebook, an exercise, a question or a recorded event, in order.

    A part of the course that cannot be read is left out: this only looks.
    """
    chapters = _chapters()
    events: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in Progress.open().events():
        events[event.kind, event.key].append(event)

    def chapter(key: str, part: str = "") -> ChapterStanding:
        number = key[:2]
        if number not in chapters:
            chapters[number] = ChapterStanding(number, part, f"Chapter {number}")
        return chapters[number]

    recorded = {key for kind, key in events if kind in ("attempt", "hint", "solution")}
    for name in [*_tolerant(_exercises, []), *sorted(recorded)]:
        if re.match(r"\d\d\.", name) and name not in {one.id for one in chapter(name).exercises}:
            chapter(name).exercises.append(_exercise(name, events))
    shown = points()
    for point in shown:
        chapter(point.id).predictions.append(point)
    for key in sorted({key for kind, key in events if kind == "prediction"} - {point.id for point in shown}):
        (chapter(key).late if events["reveal", key] else chapter(key).guesses).append(key)
    for record in _tolerant(_questions, ()):
        asked = sum(len(events[kind, name]) for kind in ("quiz", "mock") for name in record.ids)
        text = " ".join(record.text.en.split())
        question = QuestionStanding(record.id, text, record.answered, asked)
        chapter(record.chapter, record.part).questions.append(question)
    return [chapters[number] for number in sorted(chapters)]


def _exercise(name: str, events: dict[tuple[str, str], list[Event]]) -> ExerciseStanding:
    attempts = events["attempt", name]
    passed = any(event.data.get("passed") is True for event in attempts)
    return ExerciseStanding(name, len(attempts), len(events["hint", name]), passed, bool(events["solution", name]))


def _chapters() -> dict[str, ChapterStanding]:
    """Return the chapters that have a notebook, by number; the folder names the part, the first heading the title."""
    from course_lib.practice.desk.house import chapters

    found = {}
    for notebook in _tolerant(lambda: chapters(place.workspace()), []):
        folder, _, name = notebook.name.rpartition("/")
        title = re.sub(r"^\d\d\s*", "", notebook.title)
        found[name[:2]] = ChapterStanding(name[:2], folder, title)
    return found


def _tolerant(read: Callable[[], Any], otherwise: Any) -> Any:
    with suppress(CourseError, ImportError, OSError, ValueError, KeyError):
        return read()
    return otherwise


def _exercises() -> list[str]:
    from course_lib.practice.checks.finding import names

    return names()


def _questions() -> tuple:
    from course_lib.practice.knowledge.questions import load

    return load()
