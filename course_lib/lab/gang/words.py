"""What a GangError says: which rank, what it raised on which line, where the others stood. Plain text."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from course_lib.lab.gang.errors import Cause
from course_lib.lab.gang.failure import UNPICKLING
from course_lib.lab.gang.output import in_notebook, is_ordered
from course_lib.lab.gang.where import Frame, Stand

INTERRUPTED = "the cell was interrupted; all ranks were stopped"
_SHOWN_FRAMES = 6
_UNWRAP = "Return `model.module`, or its `state_dict()`: the wrapper needs the process group, which ended with the run."
_RETURN = "Return tensors, numbers, text or lists of them."
_SHOWN_CHARACTERS = 300  # of a printed line
_DOING = {"cut off": "lost its connection to another rank", "raised": "raised an exception too"}
_HINTS = {
    signal.SIGKILL: "the system kills so when memory runs out",
    signal.SIGSEGV: "C code touched memory that is not its own",
    signal.SIGABRT: "gloo aborts so when ranks pass tensors of different sizes to one collective",
    signal.SIGTERM: "something asked it to end",
}


def place(filename: str, line: int) -> str:
    """Name a line for the reader: a notebook's cell by its number, a file by its path from here."""
    shell = in_notebook()
    name = shell.compile.format_code_name(filename) if shell is not None else None
    if name is not None:
        return f"Cell, line {line}" if is_ordered() else f"{name[0]} {name[1]}, line {line}"
    for marker in ("site-packages/", "dist-packages/"):
        if marker in filename:
            return f"{filename.split(marker, 1)[1]}, line {line}"
    if filename.startswith("<") or "ipykernel_" in filename:
        return f"Cell, line {line}"
    relative = os.path.relpath(filename)
    course = str(Path(__file__).resolve().parents[3])
    if relative.startswith("..") and filename.startswith(course):
        relative = os.path.relpath(filename, course)
    return f"{relative if not relative.startswith('..') else Path(filename).name}, line {line}"


def traceback_of(frames: tuple[Frame, ...]) -> list[str]:
    """Return the lines of a short traceback, innermost frame last."""
    lines = ["    ..."] if len(frames) > _SHOWN_FRAMES else []
    for frame in frames[-_SHOWN_FRAMES:]:
        lines.append(f"    {place(frame.filename, frame.line)}, in {frame.function}")
        if frame.source:
            lines.append(f"        {frame.source}")
    return lines


def stood(rank: int, stand: Stand | None) -> str:
    """Say in one line where a rank stood."""
    if stand is None:
        return f"rank {rank} did not answer (it is stopped, or in C code that holds Python's lock)"
    if stand.state == "returned":
        return f"rank {rank} had returned after {_times(stand.calls)}"
    if stand.state == "sending" and not stand.waiting:
        return f"rank {rank} was writing its result after {_times(stand.calls)}"
    if stand.state == "starting":
        return f"rank {rank} had not begun"
    if stand.state == "dead":
        return f"rank {rank} was gone"
    if stand.state in _DOING:
        doing = _DOING[stand.state]
    elif stand.waiting:
        doing = f"waited in {stand.call}" if stand.call else "waited for other ranks"
    else:
        doing = f"ran in {stand.call}" if stand.call else "ran"
    span = f", {stand.span}" if stand.span else ""
    if not stand.frames:
        return f"rank {rank} {doing}{span}"
    frame = stand.frames[-1]
    source = f": {frame.source}" if frame.source else ""
    return f"rank {rank} {doing}{span}; {place(frame.filename, frame.line)}, in {frame.function}{source}"


def _times(calls: int) -> str:
    return f"{calls} call{'' if calls == 1 else 's'} to torch.distributed"


def others(stands: dict[int, Stand | None], *, all_ranks: bool) -> list[str]:
    """Return the lines on where the given ranks stood; `all_ranks` says that none is left out."""
    if not stands:
        return []
    head = "Where the ranks stood:" if all_ranks else "Where the other ranks stood:"
    return [head, *(f"    {stood(rank, stand)}" for rank, stand in sorted(stands.items()))]


def mismatch(stands: dict[int, Stand | None]) -> tuple[int, list[str]]:
    """Return the rank to blame and the lines for a collective that a returned rank skipped."""
    returned = {rank: stand for rank, stand in stands.items() if stand is not None and stand.state == "returned"}
    stuck = {rank: stand for rank, stand in stands.items() if stand is not None and stand.state != "returned"}
    culprit = min(returned, key=lambda rank: returned[rank].calls)
    call = next((stand.call for stand in stuck.values() if stand.call), "a collective")
    still = f"{_and(stuck)} still wait{'s' if len(stuck) == 1 else ''} in {call}"
    return culprit, [
        f"collective mismatch: {_and(returned)} returned, while {still}",
        "    Every rank must make the same collective calls, and each receive needs its send.",
    ]


def left_group(rank: int) -> list[str]:
    """Return the lines for a rank that destroyed its process group while others used it."""
    return [
        f"collective mismatch: rank {rank} destroyed its process group while other ranks still used it",
        "    Leave the group alone: it ends with the run.",
    ]


def no_progress(timeout: float, stands: dict[int, Stand | None]) -> list[str]:
    """Return the lines for a run in which nothing moved."""
    head = f"no progress for {timeout:g} s: no rank got further in a collective, send, span, report or print"
    if all(stand is not None and stand.waiting for stand in stands.values()):
        return [head, "    Every rank waits for another: a deadlock."]
    if any(stand is not None and stand.state == "sending" for stand in stands.values()):
        return [head, "    A rank that is still writing its result should return less, or write it to a file itself."]
    return [head, "    A rank that computes for longer than this needs lab.report, or the gang a longer timeout."]


def no_start(error: OSError, disk: bool) -> str:
    """Return the sentence for a run that the system refused."""
    reason = error.strerror or str(error)
    if disk:
        return f"the gang cannot write its temporary folder ({reason}): free some disk space, or set TMPDIR to a folder"
    return f"the ranks could not be started ({reason}): close other programs, or use a smaller gang"


def unsent(rank: int, reason: str, disk: str, kind: str) -> list[str]:
    """Return the lines for a result that cannot travel back; `disk` is what the system said of its disk, if it did."""
    if disk:
        return [
            f"rank {rank} could not write its result ({kind}): {disk}",
            "    Free some disk space, set TMPDIR to another folder, or return less.",
        ]
    return [f"rank {rank} returned something that cannot travel back ({kind}): {reason}", f"    {_RETURN}"]


def unread(rank: int, reason: str, wrapped: bool) -> list[str]:
    """Return the lines for a result that arrived and cannot be put together in the notebook."""
    remedy = _UNWRAP if wrapped else _RETURN
    return [f"rank {rank} returned something that cannot be read in the notebook: {reason}", f"    {remedy}"]


def _and(ranks: Iterable[int]) -> str:
    names = [f"rank {rank}" for rank in ranks]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def cause_of(failure: dict[str, Any]) -> Cause:
    """Return the cause that an exception of a rank stands for."""
    if failure["is_exit"]:
        return "exit"
    return "payload" if failure["during"] == UNPICKLING else "exception"


def raised(rank: int, failure: dict[str, Any]) -> list[str]:
    """Say what a rank raised, with the reader's own lines."""
    if failure["is_exit"]:
        head = f"rank {rank} called sys.exit({failure['exit']!r}); a rank ends by returning from its function"
    else:
        message = f": {failure['message']}" if failure["message"] else ""
        during = f" ({failure['during']})" if failure["during"] else ""
        head = f"rank {rank} raised {failure['type']}{message}{during}"
    lines = [head, *traceback_of(failure["frames"])]
    if failure["during"] == UNPICKLING:
        lines.append("    Something it carries cannot be rebuilt outside the notebook: make it inside, on each rank.")
    return [*lines, f"    caused by {failure['from']}"] if failure["from"] else lines


def died(
    rank: int, exitcode: int, frames: tuple[Frame, ...], last_lines: list[str]
) -> tuple[Literal["signal", "exit"], list[str]]:
    """Return the cause and the lines for a rank whose process ended by itself."""
    cause: Literal["signal", "exit"] = "signal" if exitcode < 0 else "exit"
    if exitcode < 0:
        try:
            number = signal.Signals(-exitcode)
            hint = f" ({_HINTS[number]})" if number in _HINTS else ""
            head = f"rank {rank} was killed by {number.name}{hint}"
        except ValueError:
            head = f"rank {rank} was killed by signal {-exitcode}"
    else:
        head = f"rank {rank} left with exit code {exitcode} before its function returned (os._exit or exit() in C code)"
    lines = [head, *traceback_of(frames)]
    if last_lines:
        lines += ["    it printed last:", *(f"        {line[:_SHOWN_CHARACTERS]}" for line in last_lines)]
    return cause, lines
