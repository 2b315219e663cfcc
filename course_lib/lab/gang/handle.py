"""The kernel's side of one rank: its process, its control socket, the pipe of its output."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Literal

from course_lib.lab.gang.where import Stand

CHUNK = 1 << 20  # bytes read at once


@dataclass
class RankHandle:
    """One rank as the supervisor sees it."""

    rank: int
    process: ForkServerProcess
    control: Connection
    output: Connection
    state: Literal["starting", "ready", "running", "returned", "failed", "dead"] = "starting"
    stand: Stand | None = None  # the last answer
    asked: bool = False  # an answer is under way
    end: float = 0.0  # seconds from the common start to this rank's return
    peak_memory: int = 0  # bytes

    def __post_init__(self) -> None:
        os.set_blocking(self.output.fileno(), False)

    @property
    def living(self) -> bool:
        """Whether the rank still runs the function, or is on its way to it."""
        return self.state in ("starting", "ready", "running")

    def send(self, *message: Any) -> None:
        """Send a message; a rank that is gone is noticed by its process handle."""
        with contextlib.suppress(OSError):
            self.control.send(message)

    def ask(self) -> None:
        """Ask where the rank stands, unless an answer is under way."""
        if not self.asked:
            self.asked = True
            self.send("stand")

    def read_output(self) -> bytes | None:
        """Return what the rank has written; b"" at the end, None when there is nothing now."""
        try:
            return os.read(self.output.fileno(), CHUNK)
        except BlockingIOError:
            return None

    def kill(self) -> None:
        """Kill the rank and the processes it started."""
        pid = self.process.pid
        if pid is None:
            return
        for kill in (os.killpg, os.kill):  # the group exists once the rank has made it
            with contextlib.suppress(OSError):
                kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait for the end of the process and close what was open; a rank left alone ends by itself at this."""
        self.control.close()
        self.process.join()
        self.output.close()
        self.process.close()
