"""`check`, `hint` and `solution`: what a reader calls below an exercise. Each answers in a panel and never raises."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

from course_lib.practice.checks.answer import NotAnAnswer, exercise_of
from course_lib.practice.checks.buttons import WithButtons
from course_lib.practice.checks.exercise import Exercise
from course_lib.practice.desk.panel import Panel, Row

_seen_here: Counter[tuple[str, str]] = Counter()  # (kind, id): what happened in this kernel, should progress not open


def _in_a_panel(function: Callable[..., Panel]) -> Callable[..., Panel]:
    """Turn whatever goes wrong into a panel, so that the next cell runs."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Panel:
        try:
            return function(*args, **kwargs)
        except NotAnAnswer as problem:
            return Panel(f"{function.__name__}: no exercise found", [Row("note", str(problem))])
        except Exception as error:
            return Panel(
                f"{function.__name__}: no result",
                [
                    Row(
                        "note",
                        f"The course's own code failed ({type(error).__name__}: {error}).",
                        "This is a fault of the course and says nothing about your answer. `course doctor` shows "
                        "whether something is missing on this machine.",
                    )
                ],
            )

    return call


@_in_a_panel
def check(answer: Any) -> Panel:
    """Judge your function or class, found by its name, and show what passed, what failed and what it cost.

    It runs in processes of its own, on a gang where the exercise is about ranks, with new inputs at each call. A stub
    that you have not touched is "not attempted" and is not recorded.
    """
    from course_lib.practice.checks.judging import judge

    exercise = exercise_of(answer, names=_callers_names())
    verdict = judge(exercise, answer)
    rows = [Row("passed" if one.ok else "failed", _said(one.text), _said(one.why)) for one in verdict.findings]
    if verdict.where:
        rows.append(Row("note", "Where it happened:", code=verdict.where))
    if verdict.printed:
        more = "" if verdict.printed_bytes <= len(verdict.printed) + 1 else ", from the beginning"
        rows.append(Row("note", f"Your code printed {verdict.printed_bytes:,} bytes{more}:", code=verdict.printed))
    if verdict.status == "not attempted":
        rows.append(Row("not attempted", "Write the body of the stub, run its cell, then check it."))
    elif verdict.status == "note":
        rows.append(Row("note", "You interrupted the check: nothing was recorded."))
    else:
        _record("attempt", exercise, passed=verdict.status == "passed")
    footer = f"hint({exercise.name}) gives a hint." if verdict.status == "failed" else ""
    if verdict.status == "passed":
        footer = f"solution({exercise.name}) shows the course's own solution, to compare."
    outcome = "interrupted" if verdict.status == "note" else verdict.status
    return WithButtons(Panel(f"{_title(exercise)}: {outcome}", rows, footer), exercise.id, hint, solution)


@_in_a_panel
def hint(answer: Any, number: int | None = None) -> Panel:
    """Show the next of an exercise's three hints; number: 1 to 3, to see one again.

    A hint that is shown for the first time counts in your progress, one that you read again does not.
    """
    exercise = exercise_of(answer, ids=True, names=_callers_names())
    if number is not None and (type(number) is not int or number not in (1, 2, 3)):
        raise NotAnAnswer(f"There are three hints: hint({exercise.name}, {number!r}) is none of them; give 1, 2 or 3.")
    seen = _hints_seen(exercise)
    stage = number or next((stage for stage in (1, 2, 3) if stage not in seen), 3)
    if stage not in seen:
        _seen_here[f"hint {stage}", exercise.id] += 1
        _record("hint", exercise, number=stage)
    footer = (
        f"hint({exercise.name}) gives the next one."
        if stage < 3
        else f"That was the last. solution({exercise.name}) shows the solution after an attempt."
    )
    return Panel(f"{_title(exercise)}: hint {stage} of 3", [Row("note", _said(exercise.hints[stage - 1]))], footer)


@_in_a_panel
def solution(answer: Any, show: bool = False) -> Panel:
    """Show the course's solution and explain it, after an attempt, or at once with `show=True`. It is recorded."""
    from course_lib.practice.checks.cells import reference_source

    exercise = exercise_of(answer, ids=True, names=_callers_names())
    if not show and not _count("attempt", exercise):
        text = f"Check an attempt of your own first, or ask for it: solution({exercise.name}, show=True)."
        return Panel(f"{_title(exercise)}: solution", [Row("not attempted", text)])
    _record("solution", exercise, asked=show)
    rows = [Row("note", _said(exercise.explanation), code=reference_source(exercise))]
    return Panel(f"{_title(exercise)}: solution", rows, "Close it, write your own, and check that.")


def content_hash(exercise: Exercise) -> str:
    """Return a short hash of the task and its stub: progress knows by it which version of an exercise was passed."""
    text = f"{exercise.task}\n{inspect.getsource(exercise.stub)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _said(text: str) -> str:
    """Return a text of the course for a panel, which shows no Markdown: names without their backticks."""
    return text.replace("`", "")


def _callers_names() -> dict[str, Any]:
    """Return the variables where `check`, `hint` or `solution` was called: the first frame outside this file."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}


def _hints_seen(exercise: Exercise) -> set[int]:
    """Return which hints the reader has seen, by the progress kept and in this kernel."""
    seen = {stage for stage in (1, 2, 3) if _seen_here[f"hint {stage}", exercise.id]}
    with suppress(Exception):
        from course_lib.practice.record.progress import Progress

        seen |= {event.data.get("number") for event in Progress.open().events("hint", exercise.id)}
    return seen


def _title(exercise: Exercise) -> str:
    return f"Exercise {exercise.id} · {exercise.title}"


def _record(kind: str, exercise: Exercise, **data: Any) -> None:
    """Keep an event; a progress file that cannot be written never spoils a check."""
    _seen_here[kind, exercise.id] += 1
    with suppress(Exception):
        from course_lib.practice.record.progress import Progress

        Progress.open().record(kind, exercise.id, content_hash=content_hash(exercise), **data)


def _count(kind: str, exercise: Exercise) -> int:
    """Return how often something happened, by the progress kept, or in this kernel alone."""
    with suppress(Exception):
        from course_lib.practice.record.progress import Progress

        return max(len(Progress.open().events(kind, exercise.id)), _seen_here[kind, exercise.id])
    return _seen_here[kind, exercise.id]
