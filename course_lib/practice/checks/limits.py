"""Running an answer where it can do no harm: in ranks of their own, with a limit on time, memory and printing."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

from course_lib.practice.checks import leftovers
from course_lib.practice.checks.exercise import Answer, Exercise, Trial
from course_lib.practice.checks.in_rank import Seen, run, seen_of
from course_lib.practice.checks.plain import PlainConnection, Unreadable, read_result
from course_lib.practice.checks.stopped import Stopped

NO_PROGRESS = 4.0  # seconds in which no rank gets further; the trials take a fraction of a second
STRAGGLER = 2.0  # seconds that a rank waits for one that has returned


def run_trial(exercise: Exercise, answer: Answer, trial: Trial) -> list[Seen] | Stopped:
    """Run one trial of an answer on its own ranks and return what each saw, or why it stopped."""
    from course_lib.lab import GangError

    mark = leftovers.new_mark()
    with redirect_stdout(io.StringIO()):  # the gang's own lines: the panel says what matters
        # Ranks that wait for each other are seen early; a function alone has its whole time.
        patience = exercise.limit + 1 if trial.world_size == 1 else min(NO_PROGRESS, exercise.limit)
        gang = _gang(trial.world_size, timeout=patience, straggler=STRAGGLER, backend="gloo")
        given = dict(trial.given)
        try:
            found: list[Any] = gang.run(
                run, exercise.drive, answer, given, exercise.forbidden, mark, limit=exercise.limit
            )
            return [seen_of(one) for one in found]
        except GangError as error:
            return _stopped(error, exercise)
        except Unreadable:
            return Stopped("exception", "Your code brought back something else than what the check had asked for.")
        finally:
            leftovers.end_all(mark)


def _gang(world_size: int, **settings: Any) -> Any:
    """Return a gang whose ranks' messages and results are read as plain values."""
    from course_lib.lab import Gang

    class CheckedGang(Gang):
        def _fork(self, *args: Any) -> Any:
            handle = super()._fork(*args)
            handle.control = PlainConnection(handle.control)
            return handle

        def _collect(self, supervisor: Any, folder: Any, began: float) -> Any:
            return [read_result(folder / f"result_{handle.rank}.pkl") for handle in supervisor.ranks]

    return CheckedGang(world_size, **settings)


def _stopped(error: Any, exercise: Exercise) -> Stopped:
    """Turn a GangError into the reader's terms: without the frames of the check itself."""
    head, *rest = str(error).splitlines()
    own, notes, skip = [], [], False
    for line in rest:
        machinery = any(f"course_lib/{place}" in line for place in ("practice", "lab"))
        drives = line.endswith((", in act", f", in {exercise.drive.__name__}")) and "course_lib/exercises" in line
        if line.strip().startswith("Where the") and error.cause in ("exception", "signal", "exit"):
            break
        if line.startswith("In the call "):  # a note of the form that made the call
            notes.append(line)
            continue
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
    said = heads.get(error.cause, _sentence(head))
    return Stopped(error.cause, " ".join([said, *dict.fromkeys(notes)]), "\n".join(own))


def _sentence(text: str) -> str:
    text = text if len(text) <= 240 else text[:240] + " …"
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
