"""Plan a mock interview, and keep what is too long for the progress file."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from course_lib.practice.cards.deck import part_name
from course_lib.practice.desk.place import CourseError
from course_lib.practice.knowledge.questions import BankError, Question, questions
from course_lib.practice.record.progress import Progress, data_folder

VERSION = 1  # what an interview's events mean; one that a newer version began is left as it is
MINUTES_EACH = 6.0  # an answer of three minutes, a number, follow-ups, the points
KEPT = 100_000  # characters of one reply in the progress file; a longer one is written to a text file beside it
LONGEST_MIN = 480.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What an interview asks. questions: ids, near-duplicates included; session: names it in the progress."""

    session: str
    minutes: float
    language: str
    questions: tuple[str, ...]
    began: datetime


def pick(
    progress: Progress,
    part: str | int | None = None,
    minutes: float = 30.0,
    language: str = "en",
    seed: int | None = None,
) -> Plan:
    """Choose questions: due or never asked before others, of these the weakest first; which of equals is by chance.

    Weak is a low product of predicted recall (fsrs) and the share of points said last time. CourseError for bad input.
    """
    from course_lib.practice.cards.schedule import schedule

    found = check(part, minutes, language)
    now, plan, chance = datetime.now(UTC), schedule(progress), random.Random(seed)

    def order(record: Any) -> tuple[bool, float, float]:
        due = plan.due(record.id)
        return (due is not None and due > now, round(plan.strength(record.id, now), 2), chance.random())

    chosen = sorted(found, key=order)[: max(1, round(minutes / MINUTES_EACH))]
    ids = tuple(chance.choice(record.ids) for record in chosen)
    return Plan(f"{now:%Y-%m-%d-%H%M%S}-{chance.randrange(16**4):04x}", float(minutes), language, ids, now)


def check(part: str | int | None, minutes: float, language: str) -> tuple[Question, ...]:
    """The answered questions of a part; CourseError in one sentence for a part, time or language that cannot be."""
    if not 0 < minutes <= LONGEST_MIN:
        raise CourseError(f"An interview of {minutes:g} minutes is not possible: give more than 0, at most 480.")
    if language not in ("en", "zh"):
        raise CourseError(f"There is no interview in {language!r}: take en or zh.")
    try:
        answered = questions(status="answered")
    except BankError as error:
        raise CourseError(str(error)) from error
    wanted = None if part is None else part_name(part)
    found = tuple(record for record in answered if wanted in (None, record.part))
    if not found:
        there = " or ".join(sorted({record.part for record in answered}))
        raise CourseError(f"Part {wanted} has no answered question yet, all are planned: take {there}.")
    return found


def keep_whole(text: str, session: str, name: str) -> tuple[str, list[str]]:
    """What of a reply goes into the progress file, and what to tell; an enormous one is kept whole in a file."""
    from course_lib.practice.interview.coverage import JUDGED

    told = []
    if len(text) > JUDGED:
        told.append(f"That is {len(text):,} characters: only the first {JUDGED:,} are compared with the points.")
    if len(text) > KEPT:
        folder = data_folder() / "interviews"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{session}-{name}.txt"
            file.write_text(text, encoding="utf-8")
            told.append(f"The whole text is kept in {file}.")
        except OSError as error:
            told.append(f"The first {KEPT:,} are kept: the rest cannot be written ({error.strerror}).")
    return text[:KEPT], told
