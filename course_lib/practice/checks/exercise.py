"""What an exercise is: one typed object that carries the task, the way to judge an answer, and the proof that it can.

The code in it is ordinary Python of the exercise's file: the stub, the reference, wrong answers and other right ones.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from course_lib.practice.checks.changed import Answer, Changed, Wrong, resolved, traps, variant
from course_lib.practice.checks.stopped import Stopped
from course_lib.practice.checks.verdict import Finding

__all__ = ["Answer", "Changed", "Exercise", "Trial", "Wrong", "resolved", "signature_text", "traps", "variant"]


@dataclass(frozen=True)
class Trial:
    """One run of an answer: name begins a failure's sentence, "on 4 ranks"; given is plain data for `drive`."""

    name: str
    world_size: int = 1
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Exercise:
    """One exercise; its file keeps it as `EXERCISE`.

    id: chapter and name ("06.tree_broadcast"). difficulty: 1 to 3. place: its turn in the chapter. task: Markdown,
    without the title. budget: what a right answer may cost, in words. trials: from a source of randomness to the runs,
    new values at each check. drive: `drive(answer, rank, **given)`, called in a process of its own on each rank,
    returns plain data and tensors. judge: `judge(trial, values by rank)`, called in the kernel. explain_stop: from the
    trial and what stopped it, what usually stands behind it. forbidden: dotted names of what the task asks to write
    and not to call. reference_needs: functions that the reference calls, in the same file. limit: seconds for one
    trial. everywhere: why the same call gives the same result on every machine, where the task says so; then each trial
    runs once more in another interpreter, which has another hash seed, process id and host name. wrong, and
    cheats, which have the result without doing the work: a `Changed` is the reference with a text replaced.
    """

    id: str
    title: str
    difficulty: int
    minutes: int
    task: str
    place: int
    budget: str
    stub: Answer
    reference: Answer
    trials: Callable[[random.Random], Sequence[Trial]]
    drive: Callable[..., Any]
    judge: Callable[[Trial, list[Any]], Iterable[Finding]]
    hints: tuple[str, str, str]
    explanation: str
    wrong: Sequence[Wrong]
    alternatives: tuple[Answer, ...]
    cheats: Sequence[Wrong] = ()
    explain_stop: Callable[[Trial, Stopped], str] = lambda trial, stopped: ""
    forbidden: tuple[str, ...] = ()
    reference_needs: tuple[Callable[..., Any], ...] = ()
    limit: float = 10.0
    everywhere: str = ""

    def __post_init__(self) -> None:
        for field_name in ("wrong", "cheats"):
            object.__setattr__(self, field_name, resolved(self.reference, getattr(self, field_name)))
        if not re.fullmatch(r"\d\d\.[a-z][a-z0-9_]*", self.id):
            raise ValueError(f"id={self.id!r}: an exercise's id is its chapter and name, like '06.tree_broadcast'.")
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"{self.id}: difficulty={self.difficulty}, it is 1, 2 or 3.")
        if len(self.hints) != 3:
            raise ValueError(f"{self.id}: {len(self.hints)} hints; an exercise has three.")

    @property
    def name(self) -> str:
        """The name that the reader's function or class must have."""
        return self.stub.__name__

    @property
    def is_class(self) -> bool:
        """Whether the answer is a class."""
        return inspect.isclass(self.stub)

    @property
    def signature(self) -> str:
        """The stub's call as the reader should write it: `tree_broadcast(tensor: torch.Tensor) -> None`."""
        return f"{self.name}{signature_text(self.stub)}"

    @property
    def methods(self) -> dict[str, str]:
        """The public methods that a class must have, each with its signature as text."""
        if not self.is_class:
            return {}
        return {
            name: f"{name}{signature_text(member)}"
            for name, member in vars(self.stub).items()
            if inspect.isfunction(member) and not name.startswith("_")
        }


def signature_text(code: Answer) -> str:
    """Return a signature without the quotes that postponed annotations bring."""
    return re.sub(r"'([^']*)'", r"\1", str(inspect.signature(code)))
