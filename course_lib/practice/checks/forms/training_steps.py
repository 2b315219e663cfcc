"""Training steps on ranks and alone, for exercises on what stands between a backward pass and the optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from course_lib.practice.checks.forms.same_gradients import Round, flat_gradient, flat_parameters, watched
from course_lib.practice.checks.forms.tiny_gpt import pairs
from course_lib.practice.checks.verdict import Finding, cost, failed

STEPS = 3
MakeModel = Callable[[dict[str, Any], int], nn.Module]  # from a round and a rank


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of both sides: momentum carries a wrong gradient into every later step."""
    return torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)


def batch(given: dict[str, Any], step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens of one rank at one step, two of shape (4, 8)."""
    return pairs([8], given["seed"] + 1_000 * step + rank, batch=4)[0]


def train_on_ranks(
    make_model: MakeModel, answer: Callable[..., Any], rank: int, rounds: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Train as a rank would, with the answer, a wrapper with finish(), between backward and optimiser.

    rounds: "seed", "more" (the wrapper's arguments behind the model), "to_none" (how gradients are emptied). Yields
    "weights", "first" (the first step's gradient), "began" (collectives before the first step) and "steps": for each
    the number of collectives before and after its backward pass, and of wait() calls in it.
    """
    for given in rounds:
        model = make_model(given, rank)
        optimizer, steps, first = make_optimizer(model), [], torch.empty(0)
        with watched(model, ("parameters",)) as seen:
            log = seen["traffic"]
            buckets = answer(model, *given["more"])
            began = len(log.collectives)
            for step in range(STEPS):
                before, waits = len(log.collectives), log.waits
                model.loss(*batch(given, step, rank)).backward()
                steps.append([before, len(log.collectives), log.waits - waits])
                buckets.finish()
                if step == 0:
                    first = flat_gradient(model)
                optimizer.step()
                optimizer.zero_grad(set_to_none=given["to_none"])
        yield seen | {"weights": flat_parameters(model), "first": first, "steps": steps, "began": began}


def train_alone(make_model: MakeModel, rounds: list[dict[str, Any]], n: int) -> Iterator[dict[str, Any]]:
    """Train alone on all ranks' batches: weights at the end, first gradient, bytes of each gradient."""
    for given in rounds:
        model = make_model(given, 0)
        optimizer, first = make_optimizer(model), torch.empty(0)
        for step in range(STEPS):
            for rank in range(n):
                (model.loss(*batch(given, step, rank)) / n).backward()
            first = flat_gradient(model) if step == 0 else first
            optimizer.step()
            optimizer.zero_grad()
        sizes = [p.nbytes for p in model.parameters() if p.requires_grad]
        yield {"weights": flat_parameters(model), "first": first, "sizes": sizes}


def bucket_costs(this: Round) -> Iterator[Finding]:
    """Bytes, buckets, calls, and on a plain model overlap, for `answer(model, limit_bytes)` with awkward models."""
    sizes, limit, traps = this.expected["sizes"], this.given["more"][0], this.given["traps"]
    if this.n == 1:
        return
    sent = [
        [size for _, size in log.collectives[one["began"] :]] for log, one in zip(this.logs, this.more, strict=True)
    ]
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
        yield from _overlap(this)


def _overlap(this: Round) -> Iterator[Finding]:
    """Yield a failure unless all buckets but one leave in every step while the backward pass goes on."""
    for log, one in zip(this.logs, this.more, strict=True):
        ends = [before for before, _, _ in one["steps"][1:]] + [len(log.collectives)]
        for (before, after, waits), end in zip(one["steps"], ends, strict=True):
            if after == before:
                yield failed(
                    "No all-reduce was started while the backward pass ran.",
                    "Everything waits for finish(): right, and without overlap. The hook that completes a bucket "
                    "starts it.",
                )
            blocked = max(waits, sum(before <= place < after for place in log.blocking))
            if after - before - blocked < 2:
                yield failed(
                    "The backward pass stood still while buckets travelled: they were waited for in the hooks.",
                    "async_op=True starts an all-reduce and returns; wait() for it belongs into finish().",
                )
            if end - after > 1:
                yield failed(
                    f"Only {after - before} of {end - before} all-reduces started while the backward pass ran.",
                    "Each bucket leaves as soon as it is complete, in every step; finish() sends what is left.",
                )
