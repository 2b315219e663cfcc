"""Exercises on gradients and training steps: what every rank ends with equals the work of a single process.

    EXERCISE = same_gradients(
        id="06.bucketed_ddp", …, make_trials=…, act=act, alone=alone, names={"weights": "The weights …"}, why=why,
        costs=costs,
    )

In each trial one process a rank does several rounds (another model, other data, an already filled `.grad`): what an
answer keeps shows in the next. Beside the result are compared: parameters that nobody asked to change, buffers,
gradients of what needs none, `requires_grad`, the mode, the data handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from course_lib.practice.checks.exercise import Exercise, Trial
from course_lib.practice.checks.traffic_log import Traffic, contradiction, record_traffic
from course_lib.practice.checks.verdict import Finding, close, failed, passed, ranks_where

TOLERANCE = 2e-5  # of the largest value: float32 in another order differs by about 1e-6


@dataclass(frozen=True)
class Round:
    """One round on all ranks, for an exercise's own words.

    number: of the round; given: its data; name: of the value that is wrong, "" if none; values: by name and rank what
    came out; expected: by name what a single process has; logs: the traffic of each rank; more: what `act` noted.
    """

    n: int
    number: int
    given: dict[str, Any]
    name: str
    values: dict[str, list[Any]]
    expected: dict[str, Any]
    logs: list[Traffic]
    more: list[dict[str, Any]]

    def everywhere(self, name: str, candidate: Any) -> bool:
        """Say whether a value is a candidate on every rank."""
        return all(close(one, candidate, TOLERANCE) for one in self.values[name])


def same_gradients(
    *,
    make_trials: Callable[[Random], list[tuple[str, int, list[dict[str, Any]]]]],
    act: Callable[..., Iterator[dict[str, Any]]],
    alone: Callable[..., Iterable[dict[str, Any]]],
    names: dict[str, str],
    why: Callable[[Round], str],
    costs: Callable[[Round], Iterable[Finding]],
    passes: Callable[[Trial], str],
    explain_stop: Callable[[Trial, Any], str],
    float64: float = 1e-9,
    **rest: Any,
) -> Exercise:
    """Return an exercise on gradients.

    make_trials: (name, world_size, rounds), each round plain data; act: `act(answer, rank, rounds)`, a generator of
    what each round left on a rank (a dictionary with a value for each of `names`, "traffic", "unasked" from `watched`,
    "began", the number of collectives that prepare the work, where there are any, and what else `costs` needs); alone:
    `alone(rounds, n)`, by round the values of a single process; names: what is compared, and the sentence without its
    end, "The weights"; why: behind a value that is wrong; float64: the tolerance for that type, which float32 on the
    way does not keep. rest: as for Exercise.
    """

    def trials(rng: Random) -> list[Trial]:
        return [Trial(name, n, {"act": act, "rounds": rounds}) for name, n, rounds in make_trials(rng)]

    def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
        rounds, n = trial.given["rounds"], trial.world_size
        for number, expected in enumerate(alone(rounds, n)):
            by_rank = [one[number] for one in seen]
            logs = [Traffic(**one["traffic"]) for one in by_rank]
            found = contradiction(logs)
            if found is not None:
                yield found
                return
            unasked = sorted({text for one in by_rank for text in one["unasked"]})
            if unasked:
                yield failed(f"{unasked[0]}.", "Only what the task names may change.")
                return
            made = [
                call for log, one in zip(logs, by_rank, strict=True) for call in log.collectives[one.get("began", 0) :]
            ]
            if any("barrier" in name for name, _ in made):
                yield failed("Your code calls barrier.", "An all-reduce waits for all ranks already: it is not needed.")
                return
            values = {name: [one[name] for one in by_rank] for name in names}
            for name, sentence in names.items():
                tolerance = float64 if "float64" in str(expected[name].dtype) else TOLERANCE
                wrong = [not close(one, expected[name], tolerance) for one in values[name]]
                if any(wrong):
                    this = Round(n, number, rounds[number], name, values, expected, logs, by_rank)
                    where = f" in round {number + 1} in the same process" if number else ""
                    yield failed(sentence.format(who=ranks_where(wrong)) + f"{where}.", why(this))
                    return
            if number == 0:
                yield passed(passes(trial))
            for cost in costs(Round(n, number, rounds[number], "", values, expected, logs, by_rank)):
                if number == 0 or not cost.ok:
                    yield cost

    return Exercise(trials=trials, drive=drive, judge=judge, explain_stop=explain_stop, **rest)


def drive(
    answer: Callable[..., Any], rank: int, act: Callable[..., Iterator[dict[str, Any]]], rounds: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Do all rounds in this process."""
    import torch.distributed as dist

    found = []
    for one in act(answer, rank, rounds):
        found.append(one)
        if not dist.is_initialized():
            break  # the answer has closed the group: that is what the check will say
    return found


@contextmanager
def watched(model: Any, may_change: tuple[str, ...], *handed_over: Any) -> Iterator[dict[str, Any]]:
    """Record the traffic of a block and what it changed unasked; read both from the dictionary, after the block.

    Inside the block "traffic" is the log as far as it goes.

    may_change: of "parameters", "buffers" and "grads", what is the task's.
    """
    before = _state(model, handed_over)
    found: dict[str, Any] = {}
    with record_traffic() as found["traffic"]:
        yield found
    after = _state(model, handed_over)
    found["traffic"] = found["traffic"].plain
    found["unasked"] = [
        sentence
        for (what, sentence), old in before.items()
        if what not in may_change and not _equal(old, after[what, sentence])
    ]


def _state(model: Any, handed_over: tuple[Any, ...]) -> dict[tuple[str, str], Any]:
    return {
        ("parameters", "The parameters were changed"): [p.detach().clone() for p in model.parameters()],
        ("buffers", "The model's buffers were changed"): [b.clone() for b in model.buffers()],
        ("flags", "requires_grad of a parameter was changed"): [p.requires_grad for p in model.parameters()],
        ("mode", "The model was switched between train() and eval()"): [m.training for m in model.modules()],
        ("data", "The data that was handed over was changed"): _copied(handed_over),
    }


def _copied(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_copied(one) for one in value]
    return value.clone() if hasattr(value, "clone") else value


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return a.dtype == b.dtype and a.equal(b) if hasattr(a, "equal") else a == b


def flat_gradient(model: Any) -> Any:
    """Return all gradients as one vector; a missing one counts as zero."""
    import torch

    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()])


def flat_parameters(model: Any) -> Any:
    """Return all parameters as one vector."""
    import torch

    return torch.cat([p.detach().flatten() for p in model.parameters()])
