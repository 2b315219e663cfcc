"""When is a run stuck? The rules of `timeout`, `straggler` and `limit`, apart from processes and sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ask", "limit", "mismatch", "no progress"]
_PROBES = 8  # times that the ranks are asked for their progress within `timeout` or `straggler`


@dataclass(frozen=True)
class Seen:
    """What is known of one rank: whether it returned, how far it came, whether it waits for other ranks."""

    returned: bool
    progress: int
    waiting: bool


class Watchdog:
    """Decides from what is seen of the ranks; times in seconds on one clock.

    `timeout`: no rank got further. `straggler`: a rank has returned, and all others wait inside torch.distributed
    without getting further: they wait for a call that will never come. `limit`: the run's whole time.
    """

    def __init__(self, *, timeout: float, straggler: float, limit: float | None, now: float) -> None:
        self._timeout = timeout
        self._straggler = straggler
        self._end = now + limit if limit is not None else float("inf")
        self._changed = now
        self._mark: tuple[int, ...] = ()
        self._stuck_since: float | None = None
        self._probe_every = timeout / _PROBES
        self._next_probe = now + self._probe_every

    def deadline(self) -> float:
        """Return when `look` must be called next, if nothing happens before."""
        stuck = self._stuck_since + self._straggler if self._stuck_since is not None else float("inf")
        return min(self._next_probe, self._changed + self._timeout, self._end, stuck)

    @staticmethod
    def _state(ranks: Sequence[Seen], printed: int) -> tuple[int, ...]:
        return (printed, *(rank.progress + rank.returned for rank in ranks))

    def moved(self, ranks: Sequence[Seen], printed: int) -> bool:
        """Say whether a rank got further, returned or printed since the last `look`."""
        return self._state(ranks, printed) != self._mark

    def forgive(self, seconds: float) -> None:
        """Leave out a time in which nobody looked: the supervisor was stopped, so it saw no rank get further."""
        self._changed += seconds
        self._next_probe += seconds
        if self._stuck_since is not None:
            self._stuck_since += seconds

    def look(self, now: float, ranks: Sequence[Seen], printed: int) -> Verdict | None:
        """Return what to do at this moment: ask the ranks, end the run, or nothing."""
        if now >= self._end:
            return "limit"
        some_returned = any(rank.returned for rank in ranks)
        if self.moved(ranks, printed):
            self._mark, self._changed, self._stuck_since = self._state(ranks, printed), now, None
        if not some_returned or not all(rank.returned or rank.waiting for rank in ranks):
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        elif now >= self._stuck_since + self._straggler:
            return "mismatch"
        if now >= self._changed + self._timeout:
            return "no progress"
        every = min(self._straggler, self._timeout) / _PROBES if some_returned else self._timeout / _PROBES
        if every < self._probe_every:
            self._probe_every, self._next_probe = every, min(self._next_probe, now + every)
        if now >= self._next_probe:
            self._next_probe = now + self._probe_every
            return "ask"
        return None
