"""Exercise 06.bucketed_ddp: gradient buckets that survive the models people really have."""

# ruff: noqa: D102  (the stub is shown as it stands here; its class says what finish() does)

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from course_lib.exercises.ch06_data_parallel import _bucketed_ddp_answers as answers
from course_lib.practice.checks.exercise import Wrong
from course_lib.practice.checks.forms.same_gradients import Round, same_gradients
from course_lib.practice.checks.forms.tiny_gpt import tiny_gpt
from course_lib.practice.checks.forms.training_steps import STEPS, overlap, train_alone, train_on_ranks
from course_lib.practice.checks.verdict import Finding, cost, failed

TRAPS = {  # what is awkward, in words, and on how many ranks it is tried
    "plain": ("a plain model on 3 ranks", 3),
    "tied": ("tied weights on 2 ranks", 2),
    "frozen": ("a frozen parameter on 2 ranks", 2),
    "unused": ("an unused parameter on 2 ranks", 2),
    "seeds": ("differently seeded ranks", 2),
    "alone": ("a single rank", 1),
    "tied frozen unused seeds": ("all of these at once on 3 ranks", 3),
}


class RobustBuckets:
    """Average gradients over all ranks; after ``finish()`` each is the mean."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError


class Reference:
    """Average gradients over all ranks; after ``finish()`` each is the mean."""

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


def make_trials(rng: random.Random) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """One trial for each trap and one for all; in each two models, one after the other in the same process."""

    def rounds(traps: str) -> list[dict[str, Any]]:
        first = {"traps": traps, "width": 16, "more": [4_000], "to_none": True}
        second = {"traps": traps, "width": 24, "more": [9_000], "to_none": False}
        return [one | {"seed": rng.randrange(2**31)} for one in (first, second)]

    return [(f"with {name}", n, rounds(traps)) for traps, (name, n) in TRAPS.items()]


def awkward_model(given: dict[str, Any], rank: int) -> nn.Module:
    """Make a GPT of about 4,000 or 9,000 parameters with the traps of a round."""
    traps = given["traps"].split()
    seed = given["seed"] + (rank if "seeds" in traps else 0)
    model = tiny_gpt(seed, given["width"], tied="tied" in traps, block_size=8)
    if "frozen" in traps:
        model.position.weight.requires_grad_(False)
    if "unused" in traps:
        model.spare = nn.Linear(16, 16)  # made, and left out of the forward pass
    return model.train(given["to_none"])  # no dropout in it: the mode only shows whether it was changed


def why(this: Round) -> str:
    """Say why weights usually come out wrong with these traps."""
    firsts = Round(**{**vars(this), "values": {"first": [one["first"] for one in this.more]}})
    right = firsts.everywhere("first", this.expected["first"])
    summed = firsts.everywhere("first", this.expected["first"] * this.n)
    return answers.why_wrong(this.given["traps"], right, summed, this.number)


def costs(this: Round) -> Iterator[Finding]:
    """Bytes, buckets, calls; and how many of them leave while the backward pass runs."""
    sizes, limit, traps = this.expected["sizes"], this.given["more"][0], this.given["traps"]
    if this.n == 1:
        return
    calls = [log.collectives[one["began"] :] for log, one in zip(this.logs, this.more, strict=True)]
    if any("barrier" in name for own in calls for name, _ in own):
        yield failed(
            "Your code calls barrier in a step.", "An all-reduce waits for all ranks already: it is not needed."
        )
    sent = [[size for _, size in own] for own in calls]
    yield cost(
        "handed to collectives by each rank",
        max(map(sum, sent)),
        STEPS * sum(sizes),
        "bytes",
        "A tied matrix has two names and one gradient; it is sent twice here." if "tied" in traps else "",
        f"{STEPS} steps",
    )
    yield cost(
        "largest bucket",
        max((size for own in sent for size in own), default=0),
        limit + max(sizes),
        "bytes",
        "One bucket for everything is complete only when the backward pass is over.",
        f"limit_bytes = {limit:,}, and the parameter that fills it",
    )
    yield cost(
        "all-reduces of each rank",
        max(map(len, sent)),
        STEPS * (2 * -(-sum(sizes) // limit) + 1),
        "calls",
        "That is about one for each parameter: each pays its latency. Buckets are there to share it.",
        f"{STEPS} steps",
    )
    if traps == "plain":
        yield from overlap(this)


def explain_stop(trial: Any, stopped: Any) -> str:
    """Say what usually stands behind an exception or a hang with these traps."""
    return answers.explain_stop(trial.given["rounds"][0]["traps"], stopped)


EXERCISE = same_gradients(
    id="06.bucketed_ddp",
    title="Bucketed DDP for awkward models",
    difficulty=3,
    minutes=30,
    place=3,
    budget="one all-reduce per bucket, each gradient sent once per step",
    task="""
`Buckets` above assumes that every parameter receives a gradient and that all ranks start from the same
weights. Write a wrapper that also survives a model with tied weights, one with a frozen parameter
(`requires_grad=False`), one with a parameter that its forward pass does not use, and ranks that were seeded
differently. The caller runs `model`'s forward and backward pass and then calls `finish()`; several steps follow one
another, and buckets leave while the backward pass still runs. The final weights must equal those of a single process,
on any number of ranks. `DistributedDataParallel` itself is not to be used.
""",
    stub=RobustBuckets,
    reference=Reference,
    make_trials=make_trials,
    act=partial(train_on_ranks, awkward_model),
    alone=partial(train_alone, awkward_model),
    names={"weights": f"The weights after {STEPS} steps on {{who}} are not those of a single process"},
    why=why,
    costs=costs,
    passes=lambda trial: f"Weights equal single-process training {trial.name}.",
    explain_stop=explain_stop,
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
        Wrong(answers.WaitsInTheHook, "belongs into finish()"),
        Wrong(answers.AlignsWhatIsTrained, "stays each rank's own"),
    ),
    alternatives=(answers.CopiesIntoFixedBuffers, answers.DividesBeforeSending),
    cheats=(
        Wrong(answers.WrapsTheLibrary, "uses DistributedDataParallel of the library"),
        Wrong(answers.WrapsTheLibraryUnderCover, "uses DistributedDataParallel of the library"),
    ),
)
