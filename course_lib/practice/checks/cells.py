"""An exercise as the cells of a notebook: task, stub, check; and the reference under the reader's own name.

The exercise's file is the one source; authors generate cells from it, and a test compares.
"""

from __future__ import annotations

import inspect
import io
import tokenize

from course_lib.practice.checks import finding
from course_lib.practice.checks.exercise import Answer, Exercise
from course_lib.practice.desk.place import CourseError


def exercise(exercise_id: str) -> Exercise:
    """Return the exercise with this id; raise CourseError where there is none."""
    found = finding.by_id(exercise_id)
    if found is None:
        raise CourseError(f"There is no exercise {exercise_id!r}: the ids are {', '.join(finding.names())}.")
    return found


def task_markdown(exercise_id: str) -> str:
    """Return the Markdown cell above a stub: heading, difficulty, minutes, budget, task."""
    found = exercise(exercise_id)
    return (
        f"### {found.id} · {found.title}\n\n"
        f"Difficulty {found.difficulty} of 3 · {found.minutes} minutes · budget: {found.budget}\n\n"
        f"{found.task.strip()}"
    )


def stub_source(exercise_id: str) -> str:
    """Return the code cell of a stub."""
    return inspect.getsource(exercise(exercise_id).stub).rstrip()


def check_source(exercise_id: str) -> str:
    """Return the code cell below a stub."""
    return f"check({exercise(exercise_id).name})"


def cells(chapter: str) -> list[tuple[str, str]]:
    """Return ("markdown" | "code", source) for all exercises of a chapter ("06"), three cells each."""
    found = []
    for one in sorted(finding.exercises(chapter), key=lambda one: one.place):
        found += [
            ("markdown", task_markdown(one.id)),
            ("code", stub_source(one.id)),
            ("code", check_source(one.id)),
        ]
    return found


def reference_source(found: Exercise) -> str:
    """Return the reference with what it needs, under the names that the reader's own code has."""
    parts = [*found.reference_needs, found.reference]
    return "\n\n\n".join(_renamed(part, found.reference.__name__, found.name) for part in parts)


def _renamed(code: Answer, old: str, new: str) -> str:
    """Return the source of `code` with the name `old` replaced wherever it is a name (not in text or comments)."""
    source = inspect.getsource(code).rstrip()
    lines = source.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token in reversed(tokens):
        if token.type == tokenize.NAME and token.string == old:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + new + lines[row - 1][column + len(old) :]
    return "".join(lines)
