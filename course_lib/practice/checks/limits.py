"""Running an answer where it can do no harm: in ranks of their own, with a limit on time, memory and printing."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from course_lib.practice.checks.exercise import Answer, Exercise, Trial
from course_lib.practice.checks.in_rank import Seen, run

NO_PROGRESS = 4.0  # seconds in which no rank gets further; the trials take a fraction of a second
STRAGGLER = 2.0  # seconds that a rank waits for one that has returned


@dataclass(frozen=True)
class Stopped:
    """A trial that did not end by itself. cause: GangError's; head: what happened; where: the reader's lines."""

    cause: str
    head: str
    where: str = ""


def run_trial(exercise: Exercise, answer: Answer, trial: Trial) -> list[Seen] | Stopped:
    """Run one trial of an answer on its own ranks and return what each saw, or why it stopped."""
    from course_lib.lab import Gang, GangError

    with redirect_stdout(io.StringIO()):  # the gang's own lines: the panel says what matters
        # Ranks that wait for each other are seen early; a function alone has its whole time.
        patience = exercise.limit + 1 if trial.world_size == 1 else min(NO_PROGRESS, exercise.limit)
        gang = Gang(trial.world_size, timeout=patience, straggler=STRAGGLER, backend="gloo")
        try:
            seen: list[Any] = gang.run(
                run, exercise.drive, answer, dict(trial.given), exercise.forbidden, limit=exercise.limit
            )
        except GangError as error:
            return _stopped(error, exercise)
    if not all(type(one) is Seen for one in seen):
        return Stopped("exception", "A rank brought back something else than what the check had asked for.")
    return list(seen)


def _stopped(error: Any, exercise: Exercise) -> Stopped:
    """Turn a GangError into the reader's terms: without the frames of the check itself."""
    head, *rest = str(error).splitlines()
    own, skip = [], False
    for line in rest:
        machinery = any(f"course_lib/{place}" in line for place in ("practice", "lab"))
        drives = f", in {exercise.drive.__name__}" in line and "course_lib/exercises" in line
        if line.strip().startswith("Where the") and error.cause in ("exception", "signal", "exit"):
            break
        if (machinery or drives) and ", in " in line and not line.strip().startswith("rank"):
            skip = True  # the frame's line, and its source below it
            continue
        if skip and line.startswith(" " * 8):
            skip = False
            continue
        skip = False
        own.append(line.strip() if not line.startswith("     ") else line[4:])
    heads = {
        "limit": f"Your code did not return within {exercise.limit:g} s and was stopped: is there an endless loop?",
        "no progress": "No rank got any further, and the run was stopped: an endless loop, or ranks that wait for each "
        "other.",
        "interrupt": "You interrupted the check.",
    }
    own = [line for line in own if "lab.report" not in line]  # advice for who runs a gang
    return Stopped(error.cause, heads.get(error.cause, _sentence(head)), "\n".join(own))


def _sentence(text: str) -> str:
    text = text if len(text) <= 240 else text[:240] + " …"
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
