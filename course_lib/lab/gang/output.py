"""What the ranks print: streamed into the cell line by line with a `[rank 0]` prefix, or grouped by rank at the end."""

from __future__ import annotations

import codecs
import os
import sys
from typing import Any


def is_ordered() -> bool:
    """Say whether outputs are compared (COURSE_ORDERED=1): then they are grouped by rank, with nothing that varies."""
    return os.environ.get("COURSE_ORDERED", "") not in ("", "0")


KEPT = 4_000_000  # characters of each rank: an endless print must fill neither the kernel's memory nor the notebook


class Output:
    """Collects the bytes that each rank writes to its standard output and error."""

    def __init__(self, world_size: int) -> None:
        self.live = not is_ordered()
        self.received = 0  # bytes
        self._texts: list[list[str]] = [[] for _ in range(world_size)]
        self._partial = ["" for _ in range(world_size)]
        self._room = [KEPT for _ in range(world_size)]
        self._decoders = [codecs.getincrementaldecoder("utf-8")("replace") for _ in range(world_size)]

    def feed(self, rank: int, data: bytes) -> None:
        """Take what a rank wrote; whole lines are shown at once."""
        self.received += len(data)
        if self._room[rank] <= 0:
            return
        *lines, self._partial[rank] = (self._partial[rank] + self._decoders[rank].decode(data)).split("\n")
        if len(self._partial[rank]) > self._room[rank]:  # a line without an end
            lines.append(self._partial[rank][: self._room[rank]])
        if lines:
            self._keep(rank, lines)

    def close(self) -> None:
        """Show what is left: unfinished lines, and everything where outputs are grouped by rank."""
        for rank, rest in enumerate(self._partial):
            if rest:
                self._keep(rank, [rest])
        self._partial = ["" for _ in self._partial]
        if not self.live:
            self.live = True
            self._show([(rank, line) for rank, lines in enumerate(self._texts) for line in lines])

    def text(self, rank: int) -> str:
        """Return all that a rank printed."""
        return "".join(f"{line}\n" for line in self._texts[rank])

    def last_lines(self, rank: int, count: int = 3) -> list[str]:
        """Return the last lines with words in them that a rank has printed so far, an unfinished one included."""
        lines = [*self._texts[rank], self._partial[rank].rsplit("\r", 1)[-1]]
        return [line for line in lines[-10 * count :] if line.strip()][-count:]

    def _keep(self, rank: int, lines: list[str]) -> None:
        lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines]  # a bar redrawn in place: its last state
        self._room[rank] -= sum(len(line) + 1 for line in lines)
        if self._room[rank] <= 0:
            lines.append(f"(printed more than {KEPT // 10**6} MB: the rest is not shown)")
            self._partial[rank] = ""
        self._texts[rank].extend(lines)
        if self.live:
            self._show([(rank, line) for line in lines])

    @staticmethod
    def _show(lines: list[tuple[int, str]]) -> None:
        if lines:
            sys.stdout.write("".join(f"[rank {rank}] {line}\n" for rank, line in lines))
            sys.stdout.flush()


def in_notebook() -> Any:
    """Return IPython's shell if this process is a notebook's kernel, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if shell is not None and hasattr(shell, "kernel") else None
