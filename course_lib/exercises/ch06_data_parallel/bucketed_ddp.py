"""Exercise 06.bucketed_ddp: gradient buckets that survive the models people really have."""

# ruff: noqa: D102  (the stub is shown as it stands here; its class says what finish() does)

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from course_lib.exercises.ch06_data_parallel import _bucketed_ddp_answers as answers
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.practice.checks.exercise import Exercise, Trial, Wrong
from course_lib.practice.checks.traffic_log import Traffic, contradiction, record_traffic
from course_lib.practice.checks.verdict import Finding, close, cost, failed, passed, ranks_where

LIMIT_BYTES = 4_000
STEPS = 3
TRAPS = {  # what is awkward, and on how many ranks it is tried
    "plain": ("a plain model on 3 ranks", 3),
    "tied": ("tied weights on 2 ranks", 2),
    "frozen": ("a frozen parameter on 2 ranks", 2),
    "unused": ("an unused parameter on 2 ranks", 2),
    "seeds": ("differently seeded ranks", 2),
}


class RobustBuckets:
    """Average the gradients of ``model`` over all ranks; ``finish()`` returns when every gradient is the mean."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError


class Reference:
    """Average the gradients of ``model`` over all ranks; ``finish()`` returns when every gradient is the mean."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        for tensor in [*model.parameters(), *model.buffers()]:
            dist.broadcast(tensor.detach(), 0)  # all ranks start from rank 0's values, whatever their seed
        self.buckets: list[list[nn.Parameter]] = [[]]
        size = 0
        for parameter in reversed(list(model.parameters())):  # parameters() names a tied matrix once
            if not parameter.requires_grad:
                continue
            if size and size + parameter.nbytes > limit_bytes:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(parameter)
            size += parameter.nbytes
            number = len(self.buckets) - 1
            parameter.register_post_accumulate_grad_hook(lambda _, i=number: self.ready(i))
        self.restart()

    def restart(self) -> None:
        """Expect every gradient again."""
        self.missing = [len(bucket) for bucket in self.buckets]
        self.in_flight: list[tuple[int, dist.Work, torch.Tensor]] = []

    def ready(self, i: int) -> None:
        """Note one more gradient of bucket i; send it when it is complete."""
        self.missing[i] -= 1
        if self.missing[i] == 0:
            self.send(i)

    def send(self, i: int) -> None:
        """Start the all-reduce of bucket i; an unused parameter counts as zero."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.buckets[i]]
        flat = torch.cat([grad.flatten() for grad in grads])
        self.in_flight.append((i, dist.all_reduce(flat, async_op=True), flat))

    def finish(self) -> None:
        """Send what is incomplete, wait for all, write the means back."""
        for i, count in enumerate(self.missing):
            if count:
                self.send(i)
        for i, work, flat in self.in_flight:
            work.wait()
            flat /= dist.get_world_size()
            for p, mean in zip(self.buckets[i], flat.split([p.numel() for p in self.buckets[i]]), strict=True):
                p.grad = mean.view_as(p).clone()
        self.restart()


def trials(rng: random.Random) -> list[Trial]:
    """One trial for each trap, with new weights and batches."""
    return [Trial(f"with {name}", n, {"trap": trap, "seed": rng.randrange(2**31)}) for trap, (name, n) in TRAPS.items()]


def awkward_model(trap: str, seed: int) -> GPT:
    """Make a GPT of about 4,000 parameters with one of the traps."""
    torch.manual_seed(seed)
    config = GPTConfig(vocab_size=32, block_size=8, num_layers=1, num_heads=2, d_model=16, tie_weights=trap == "tied")
    model = GPT(config)
    if trap == "frozen":
        model.position.weight.requires_grad_(False)
    if trap == "unused":
        model.spare = nn.Linear(16, 16)  # made, and left out of the forward pass
    return model


def batch(seed: int, step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens of one rank at one step, two of shape (4, 8)."""
    tokens = torch.randint(32, (4, 9), generator=torch.Generator().manual_seed(seed + 1_000 * step + rank))
    return tokens[:, :-1], tokens[:, 1:]


def gradient(model: nn.Module) -> torch.Tensor:
    """Return all gradients as one vector; a missing one counts as zero."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()])


def drive(answer: Callable[..., Any], rank: int, trap: str, seed: int) -> dict[str, Any]:
    """Train three steps as a rank would, with the answer between backward and optimiser."""
    model = awkward_model(trap, seed + (rank if trap == "seeds" else 0))
    buckets = answer(model, LIMIT_BYTES)
    optimizer = make_optimizer(model)
    during, first = [], torch.empty(0)
    with record_traffic() as traffic:
        for step in range(STEPS):
            before = len(traffic.collectives)
            model.loss(*batch(seed, step, rank)).backward()
            during.append(len(traffic.collectives) - before)
            buckets.finish()
            if step == 0:
                first = gradient(model)
            optimizer.step()
            optimizer.zero_grad()
    parameters = torch.cat([p.flatten() for p in model.parameters()])
    return {"parameters": parameters, "first": first, "during": during, "traffic": traffic}


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of both sides: momentum carries a wrong gradient into every later step."""
    return torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)


def single_process(trap: str, seed: int, world_size: int) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Train alone on all ranks' batches: final parameters, first gradient, bytes of each gradient."""
    model = awkward_model(trap, seed)
    optimizer, first = make_optimizer(model), torch.empty(0)
    for step in range(STEPS):
        for rank in range(world_size):
            (model.loss(*batch(seed, step, rank)) / world_size).backward()
        first = gradient(model) if step == 0 else first
        optimizer.step()
        optimizer.zero_grad()
    sizes = [p.nbytes for p in model.parameters() if p.requires_grad]
    return torch.cat([p.detach().flatten() for p in model.parameters()]), first, sizes


def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
    """Compare weights with single-process training; then bytes, buckets, overlap."""
    trap, n = trial.given["trap"], trial.world_size
    logs = [Traffic(**one["traffic"]) for one in seen]
    found = contradiction(logs)
    if found is not None:
        yield found
        return
    expected, first, sizes = single_process(trap, trial.given["seed"], n)
    wrong = [not close(one["parameters"], expected, 1e-4) for one in seen]
    if any(wrong):
        first_is_right = all(close(one["first"], first, 1e-4) for one in seen)
        summed = all(close(one["first"], first * n, 1e-4) for one in seen)
        text = f"The weights after {STEPS} steps on {ranks_where(wrong)} are not those of a single process."
        yield failed(text, answers.why_wrong(trap, first_is_right, summed))
        return
    yield passed(f"Weights equal single-process training with {TRAPS[trap][0]}.")
    sent = [[size for call, size in log.collectives if call != "barrier"] for log in logs]
    yield cost(
        "handed to collectives by each rank",
        max(map(sum, sent)),
        STEPS * sum(sizes),
        "bytes",
        "A tied matrix has two names and one gradient; it is sent twice here." if trap == "tied" else "",
        f"{STEPS} steps",
    )
    yield cost(
        "largest bucket",
        max((size for sizes_sent in sent for size in sizes_sent), default=0),
        max(LIMIT_BYTES, *sizes),
        "bytes",
        "One bucket for everything is complete only when the backward pass is over.",
        f"limit_bytes = {LIMIT_BYTES:,}; a parameter that is larger has its own",
    )
    yield cost(
        "all-reduces of each rank",
        max(map(len, sent)),
        STEPS * (2 * -(-sum(sizes) // LIMIT_BYTES) + 1),
        "calls",
        "That is about one for each parameter: each pays its latency. Buckets are there to share it.",
        f"{STEPS} steps",
    )
    if trap == "plain" and min(count for one in seen for count in one["during"]) == 0:
        yield failed(
            "No all-reduce was started while the backward pass ran.",
            "Everything waits for finish(): right, and without overlap. The hook that completes a bucket starts it.",
        )
        return
    yield passed("Buckets leave while the backward pass still runs.")


EXERCISE = Exercise(
    id="06.bucketed_ddp",
    title="Bucketed DDP for awkward models",
    difficulty=3,
    minutes=30,
    place=3,
    budget="one all-reduce per bucket, each gradient sent once per step",
    task="""
`OverlappedBuckets` above assumes that every parameter receives a gradient and that all ranks start from the same
weights. Write a wrapper that also survives a model with tied weights, one with a frozen parameter
(`requires_grad=False`), one with a parameter that its forward pass does not use, and ranks that were seeded
differently. The caller runs `model`'s forward and backward pass and then calls `finish()`; several steps follow one
another, and buckets leave while the backward pass still runs. The final weights must equal those of a single process,
on any number of ranks. `DistributedDataParallel` itself is not to be used.
""",
    stub=RobustBuckets,
    reference=Reference,
    trials=trials,
    drive=drive,
    judge=judge,
    explain_stop=answers.explain_stop,
    forbidden=("torch.nn.parallel.DistributedDataParallel",),
    hints=(
        "Take the cases one by one. For each ask: does its hook fire, and how often? A bucket that waits for a hook "
        "that never fires is never sent. And what makes the ranks equal before the first step?",
        "Put only parameters with requires_grad into buckets, each tensor once. finish() knows which buckets are still "
        "incomplete; it can send them with zeros in the empty places. Count down per bucket, and start the count anew "
        "after each step.",
        "In __init__, broadcast every parameter and buffer from rank 0, then group "
        "reversed(list(model.parameters())) and register register_post_accumulate_grad_hook on each. In finish(), "
        "send the incomplete buckets in their order, wait for all, divide by the world size, write each slice back, "
        "reset.",
    ),
    explanation="Each trap is a gradient that comes never (frozen, unused), a parameter with two names (tied), or a "
    "start that differs (seeds: averaged gradients keep a difference of weights for ever). The library answers in "
    "the same way: it broadcasts at the start, leaves out what needs no gradient, and with "
    "find_unused_parameters=True marks unused parameters as ready. One case is left open here: a parameter that only "
    "some ranks use. Then ranks complete buckets in different orders, and collectives that are started in different "
    "orders mix up their data; the library starts bucket i + 1 only after bucket i.",
    wrong=(
        Wrong(answers.IgnoresFrozenParameters, "leave it out of the buckets"),
        Wrong(answers.WaitsForUnusedParameters, "Its bucket was never complete"),
        Wrong(answers.TrustsTheSeed, "start from different weights"),
        Wrong(answers.SendsTiedWeightsTwice, "it is sent twice here"),
        Wrong(answers.ForgetsToDivide, "all_reduce sums"),
        Wrong(answers.NeverCountsAnew, "the first step is right"),
        Wrong(answers.SendsAfterTheBackwardPass, "without overlap"),
        Wrong(answers.SendsEachParameterAlone, "one for each parameter"),
        Wrong(answers.PutsAllIntoOneBucket, "One bucket for everything"),
    ),
    alternatives=(answers.CopiesIntoFixedBuffers, answers.DividesBeforeSending),
    cheats=(
        Wrong(answers.WrapsTheLibrary, "uses DistributedDataParallel of the library"),
        Wrong(answers.WrapsTheLibraryUnderCover, "uses DistributedDataParallel of the library"),
    ),
)
