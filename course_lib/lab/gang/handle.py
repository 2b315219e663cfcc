"""The kernel's side of one rank: its process, its control socket, the pipe of its output."""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Literal

from course_lib.lab.gang import family
from course_lib.lab.gang.flight import Call
from course_lib.lab.gang.where import Stand

CHUNK = 1 << 20  # bytes read at once


@dataclass(eq=False)
class RankHandle:
    """One rank as the supervisor sees it."""

    rank: int
    process: ForkServerProcess
    control: Connection
    output: Connection
    state: Literal["starting", "ready", "running", "returned", "failed", "dead"] = "starting"
    stand: Stand | None = None  # the last answer
    progress: int = 0  # of the last answer; a rank that does not answer has not got further
    asked: bool = False  # an answer is under way
    end: float = 0.0  # seconds from the common start to this rank's return
    peak_memory: int = 0  # bytes
    record: tuple[Call, ...] = ()  # its collectives, where it told them
    closed: bool = False

    def __post_init__(self) -> None:
        os.set_blocking(self.output.fileno(), False)
        _handles.add(self)

    @property
    def living(self) -> bool:
        """Whether the rank still runs the function, or is on its way to it."""
        return self.state in ("starting", "ready", "running")

    def send(self, *message: Any) -> None:
        """Send a message; a rank that is gone is noticed by its process handle."""
        with contextlib.suppress(OSError):
            self.control.send(message)

    def take(self, stand: Stand) -> None:
        """Take the rank's answer to `ask`."""
        self.stand, self.progress, self.record = stand, stand.progress, stand.record
        self.asked = False

    def ask(self, with_record: bool = False) -> None:
        """Ask where the rank stands, unless an answer is under way; `with_record` asks for its collectives too."""
        if not self.asked:
            self.asked = True
            self.send("stand", with_record)

    def read_output(self) -> bytes | None:
        """Return what the rank has written; b"" at the end, None when there is nothing now."""
        try:
            return os.read(self.output.fileno(), CHUNK)
        except BlockingIOError:
            return None

    def kill(self) -> None:
        """Kill the rank and the processes it started; one that has been closed is gone already."""
        if not self.closed and self.process.pid is not None:
            family.kill(self.process.pid)

    def close(self) -> None:
        """Wait for the end of the process and close what was open; a rank left alone ends by itself at this."""
        self.control.close()
        self.process.join()
        self.output.close()
        self.process.close()
        self.closed = True


_handles: weakref.WeakSet[RankHandle] = weakref.WeakSet()


@atexit.register
def _kill_all() -> None:
    """Let no rank outlive an interpreter that exits during a run in another thread."""
    for handle in list(_handles):
        handle.kill()
