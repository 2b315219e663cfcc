"""The one error in which a fault of a run ends."""

from __future__ import annotations

from typing import Any, Literal

Cause = Literal["exception", "signal", "exit", "mismatch", "no progress", "limit", "interrupt", "payload"]


class GangError(RuntimeError):
    """A run of a gang failed.

    `rank` is the rank at fault (None where it is the whole run), `cause` one of "exception", "signal", "exit",
    "mismatch", "no progress", "limit", "interrupt" and "payload" (a function, argument or result that cannot travel).
    `str()` says what happened, on which line, and where each other rank stood. `output` holds what each rank printed.
    """

    def __init__(
        self, message: str, *, rank: int | None = None, cause: Cause, output: dict[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.rank = rank
        self.cause: Cause = cause
        self.output = output or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (str(self), self.rank, self.cause, self.output)

    def _render_traceback_(self) -> list[str]:
        """Show in a notebook the message alone: IPython asks for this instead of the supervisor's frames."""
        return [f"{type(self).__name__}: {self}"]


def _rebuild(message: str, rank: int | None, cause: Cause, output: dict[int, str]) -> GangError:
    return GangError(message, rank=rank, cause=cause, output=output)
