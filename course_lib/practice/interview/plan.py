"""Plan a mock interview, find one that was interrupted, keep what is too long for the progress file."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from course_lib.practice.cards.deck import part_name
from course_lib.practice.desk.place import CourseError
from course_lib.practice.knowledge.questions import BankError, Question, question, questions
from course_lib.practice.record.progress import Event, Progress, data_folder

if TYPE_CHECKING:
    from course_lib.practice.interview.interview import Interview

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


def begin(progress: Progress, plan: Plan, **more: Any) -> Interview:
    """Begin an interview and record its plan. more: for Interview."""
    from course_lib.practice.interview.interview import Interview

    data = {"minutes": plan.minutes, "language": plan.language, "questions": list(plan.questions)}
    progress.record("mock", plan.session, act="begin", session=plan.session, version=VERSION, **data)
    return Interview(plan, progress, **more)


def unfinished(progress: Progress) -> Event | None:
    """The last interview that was begun and not ended."""
    events = progress.events("mock")
    ended = {event.data.get("session") for event in events if event.data.get("act") == "end"}
    open_ones = [e for e in events if e.data.get("act") == "begin" and e.data.get("session") not in ended]
    return open_ones[-1] if open_ones else None


def resume(progress: Progress, **more: Any) -> Interview:
    """Go on with the last interview that was interrupted. CourseError where there is none, or it cannot be read."""
    from course_lib.practice.interview.interview import Interview
    from course_lib.practice.interview.result import Result

    first = unfinished(progress)
    if first is None:
        raise CourseError("There is no interrupted interview: begin one with course mock.")
    plan = _plan(first)
    interview = Interview(plan, progress, **more)
    by_question, reached = {name: Result(name) for name in plan.questions}, 0
    for event in progress.events("mock"):
        act, name = event.data.get("act"), event.key.partition("/")[0]
        if event.data.get("session") != plan.session or name not in by_question:
            continue
        result, reached = by_question[name], max(reached, plan.questions.index(name) + 1)
        try:
            if act == "draft":
                interview.draft = str(event.data["text"])
            else:
                result.apply(event.data)
                interview.draft = ""
            interview._spent = max(interview._spent, float(event.data["spent"]))
            interview._opened = interview._opened if act == "draft" else interview._spent
        except (KeyError, TypeError, ValueError):
            continue  # a reply that somebody edited is asked again; it stays in the file
    interview.results = [by_question[name] for name in plan.questions[:reached]]
    return interview


def end(progress: Progress, interview: Interview) -> None:
    """Record that the interview is over: it is not resumed again."""
    progress.record("mock", interview.plan.session, act="end", session=interview.plan.session, version=VERSION)


def _plan(event: Event) -> Plan:
    data: Mapping[str, Any] = event.data
    name = data.get("session")
    if isinstance(data.get("version"), int) and data["version"] > VERSION:
        raise CourseError(
            f"The interview {name} was begun by a newer version of the course: it is kept; update the course to go on "
            "with it, or begin a new one with course mock."
        )
    try:
        ids = tuple(each for each in map(str, data["questions"]) if question(each).answered)
        minutes, language = float(data["minutes"]), data["language"]
        if not ids or not 0 < minutes <= LONGEST_MIN or language not in ("en", "zh"):
            raise ValueError("nothing to ask")
    except (KeyError, TypeError, ValueError) as error:
        raise CourseError(
            f"The interview {name} cannot be read ({error}): what it holds is kept; begin a new one with course mock."
        ) from error
    return Plan(str(name), minutes, language, ids, event.time)


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
