"""What faulthandler wrote when a rank crashed or was asked: read back as the reader's frames."""

from __future__ import annotations

import contextlib
import linecache
import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from course_lib.lab.gang.handle import RankHandle
from course_lib.lab.gang.where import Frame, is_readers

_FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def frames_of_crash(path: Path) -> tuple[Frame, ...]:
    """Read the reader's frames from what faulthandler wrote when a process crashed or was asked; innermost last.

    Threads come one after another; the main thread is the one that has frames of the reader's.
    """
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ()
    for thread in re.split(r"\n(?=Thread |Current thread )", text):
        found = [_FRAME.match(line) for line in thread.splitlines()]
        named = [(_unescaped(m[1]), int(m[2]), _unescaped(m[3])) for m in found if m]
        frames = [frame for frame in named if is_readers(frame[0]) and frame[0] != "<string>"]
        if frames:
            return tuple(
                Frame(name, line, function, linecache.getline(name, line).strip())
                for name, line, function in reversed(frames)
            )
    return ()


def _unescaped(text: str) -> str:
    """Undo faulthandler's writing of everything beyond ASCII as an escape; a backslash of the path's own stays."""
    if os.path.exists(text):
        return text
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2] or m[3], 16)), text)


def frames_of_silent(handles: Sequence[RankHandle], folder: Path) -> list[tuple[Frame, ...]]:
    """Ask ranks that do not answer, because C code holds Python's lock: faulthandler can still say where they are."""
    for handle in handles:
        with contextlib.suppress(OSError):
            os.kill(handle.process.pid or 0, signal.SIGUSR1)
    time.sleep(0.1)
    return [frames_of_crash(folder / f"crash_{handle.rank}.txt") for handle in handles]
