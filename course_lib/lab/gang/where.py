"""Where a rank stands: the reader's frames of its main thread, and whether it waits for other ranks.

Used in a rank: by its control thread while the main thread may be deep inside C++, and on an exception.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import time
import traceback
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from course_lib.lab.gang.flight import Call

# A clone reached through a link has two paths: the one that Python imported it by, and the real one.
_LABS = {Path(__file__).absolute().parents[1], Path(__file__).resolve().parents[1]}
_COURSE = tuple(str(lab.parent) + os.sep for lab in _LABS)
_MACHINERY = tuple(str(lab / name) for lab in _LABS for name in (f"gang{os.sep}", "spans.py", "traffic.py"))
_LIBRARIES = tuple(
    {path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_paths().get(name))}
)
_SAMPLE = 0.02  # seconds over which a rank's use of the processor is measured
_IDLE = 0.2  # share of a core below which a rank inside autograd or a parallel wrapper is taken to wait for others
_COLLECTIVES = ("distributed_c10d.py", "c10d_logger.py", "_functional_collectives.py")


@dataclass(frozen=True)
class Frame:
    """One frame of the reader's code."""

    filename: str
    line: int
    function: str
    source: str


@dataclass(frozen=True)
class Stand:
    """Where one rank stood when it was asked."""

    state: (
        str  # "starting", "running", "sending" (its result), "returned"; by the supervisor: "cut off", "raised", "dead"
    )
    frames: tuple[Frame, ...] = ()  # the reader's, innermost last
    call: str | None = None  # the torch.distributed function that it is in
    waiting: bool = False  # in a collective, a receive or a wait
    span: str | None = None
    progress: int = 0  # collectives, sends, receives, spans and reports so far
    calls: int = 0  # collectives, sends and receives since the function began
    group_destroyed: bool = False
    record: tuple[Call, ...] = ()  # its collectives; only where the run is about to end


def is_readers(filename: str) -> bool:
    """Say whether a source file is the reader's: a cell, a script, the course's code; no library's, not the gang's."""
    if filename.startswith("<"):
        return filename.startswith(("<ipython", "<string", "<stdin"))
    if filename.startswith(_COURSE):
        return not filename.startswith(_MACHINERY)
    return not (filename.startswith(_LIBRARIES) or "site-packages" in filename or "dist-packages" in filename)


def frames_of_exception(error: BaseException) -> tuple[Frame, ...]:
    """Return the reader's frames of an exception's traceback, innermost last."""
    summary = traceback.extract_tb(error.__traceback__)
    readers = [frame for frame in summary if is_readers(frame.filename)]
    return tuple(Frame(f.filename, f.lineno or 0, f.name, (f.line or "").strip()) for f in readers)


def _chain(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames  # innermost first


def _is_server(frame: FrameType) -> bool:
    """Say whether this is the `python -c` line of the fork server, under which every rank runs."""
    return frame.f_back is None and frame.f_code.co_filename == "<string>"


def _segment(frame: FrameType) -> str:
    """Return the source of the expression that a frame is evaluating."""
    code: CodeType = frame.f_code
    position = next(islice(code.co_positions(), max(frame.f_lasti, 0) // 2, None), None)
    if position is None:
        return ""
    line, end_line, column, end_column = position
    if line is None or column is None or end_column is None:
        return ""
    source = linecache.getline(code.co_filename, line)
    return source[column : end_column if end_line == line else None]


class Observer:
    """Looks at the main thread of a rank from its control thread."""

    def __init__(self, main_thread: int) -> None:
        self._main_thread = main_thread
        torch = str(Path(sys.modules["torch"].__file__ or "").parent)
        self._parallel = tuple(
            os.path.join(torch, part) + os.sep for part in ("distributed", "autograd", "nn/parallel")
        )

    def look(self) -> tuple[tuple[Frame, ...], str | None, bool]:
        """Return the reader's frames, the torch.distributed function entered, and whether the thread waits for others.

        It waits when it is inside a collective, a send, a receive or a `wait()`. Inside autograd or a parallel wrapper
        (DistributedDataParallel communicates from C++ there) it waits when it uses no processor.
        """
        chain = _chain(sys._current_frames().get(self._main_thread))
        readers = [frame for frame in chain if is_readers(frame.f_code.co_filename) and not _is_server(frame)]
        inner = chain[: chain.index(readers[0])] if readers else chain
        frames = tuple(self._describe(frame) for frame in reversed(readers))
        files = [frame.f_code.co_filename for frame in inner]
        calls = [f.f_code.co_name for f in inner if f.f_code.co_filename.endswith("distributed_c10d.py")]
        call = calls[-1] if calls else None
        if files and files[0].endswith(_COLLECTIVES):
            return frames, call, True
        if not files:
            in_wait = bool(readers) and ".wait(" in _segment(readers[0])
            return frames, "wait()" if in_wait else None, in_wait
        return frames, call, any(name.startswith(self._parallel) for name in files) and self._idle()

    @staticmethod
    def _idle() -> bool:
        before = time.perf_counter(), time.process_time()
        time.sleep(_SAMPLE)
        return time.process_time() - before[1] < _IDLE * (time.perf_counter() - before[0])

    @staticmethod
    def _describe(frame: FrameType) -> Frame:
        code, line = frame.f_code, frame.f_lineno or 0
        return Frame(code.co_filename, line, code.co_name, linecache.getline(code.co_filename, line).strip())


def calls_so_far() -> int:
    """Return how many collectives, sends and receives this process has issued over all its groups."""
    c10d: Any = sys.modules.get("torch.distributed.distributed_c10d")
    if c10d is None:
        return 0
    total = 0
    for group in list(c10d._world.pg_map):
        try:
            total += group._get_sequence_number_for_group()
        except RuntimeError:
            continue  # a backend that does not count
    return total


def group_alive() -> bool:
    """Say whether this process's default process group exists."""
    dist: Any = sys.modules.get("torch.distributed")
    return bool(dist is not None and dist.is_initialized())
