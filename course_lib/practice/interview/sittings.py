"""Begin a mock interview, go on with one that was interrupted, end it: what the progress file says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from course_lib.practice.desk.place import CourseError
from course_lib.practice.interview.interview import Interview
from course_lib.practice.interview.plan import LONGEST_MIN, VERSION, Plan
from course_lib.practice.interview.result import Result
from course_lib.practice.knowledge.questions import question
from course_lib.practice.record.progress import Event, Progress


def begin(progress: Progress, plan: Plan, **more: Any) -> Interview:
    """Begin an interview and record its plan. more: for Interview."""
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
