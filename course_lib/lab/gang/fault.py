"""One failure of a run while its supervisor looks into it, and what makes an exception the trace of another's fault."""

from __future__ import annotations

import re

from course_lib.lab.gang.errors import Cause

_PEER_LOST = re.compile(
    r"closed by peer|reset by peer|broken pipe|socket closed|remote process exited|gloo.transport", re.IGNORECASE
)


class Fault(Exception):
    """A failure of the run, before the other ranks have been asked."""

    def __init__(self, cause: Cause, rank: int | None, lines: list[str]) -> None:
        super().__init__(lines[0])
        self.cause: Cause = cause
        self.rank = rank
        self.lines = lines


def tells_of_a_lost_peer(message: str) -> bool:
    """Say whether an exception's text tells only that another rank is gone."""
    return bool(_PEER_LOST.search(message))
