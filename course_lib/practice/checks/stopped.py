"""A trial that did not end by itself: what stopped it, and where."""

from __future__ import annotations

from dataclasses import dataclass

_WAITS = ("no progress", "mismatch", "limit")


@dataclass(frozen=True)
class Stopped:
    """A trial that did not end by itself. cause: GangError's; head: what happened; where: the reader's lines."""

    cause: str
    head: str
    where: str = ""

    @property
    def waited(self) -> bool:
        """Whether ranks waited for each other or met in different calls, or did not come to an end; else it raised."""
        return self.cause in _WAITS or "SIGABRT" in self.head
