"""Strategies side by side: interleaved rounds on the same ranks, and every column of a row from the same round."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from course_lib import lab
from course_lib.parallelism.data_parallel import Strategy, small_gpt
from course_lib.parallelism.overlap import overlapped_seconds


@dataclass(frozen=True)
class Round:
    """One training step of one strategy on one rank. Seconds of the rank's own clock.

    messages, bytes: all-reduces of the step and the bytes of their tensors. ahead: how many were started before the
    wait for the first was over, None where the strategy waits inside its backward pass. backward_s: the backward pass,
    with all that its hooks do. wait_s: from its end until every gradient is the mean. sum_s: both, by a clock of
    its own. hidden_s: messages under way while the backward pass computed (`overlap.overlapped_seconds`), None where
    the strategy waits unseen (DDP).
    gradient_norm: of all gradients together at the end, which tells the mean over ranks from a rank's own.
    """

    messages: int
    bytes: int
    ahead: int | None
    backward_s: float
    wait_s: float
    sum_s: float
    hidden_s: float | None
    gradient_norm: float


def compare(
    rank: int,
    strategies: Mapping[str, Strategy],
    rounds: int = 12,
    sequences: int = 4,
    seed: int = 0,
    **config: Any,
) -> dict[str, list[Round]]:
    """Run each strategy `rounds` times, in turn, and return its rounds by name; call it on every rank of a gang.

    The same small GPT and batch for all, so that a row differs from its neighbour in the strategy alone. One round of
    each warms up and is left out (DDP lays out its buckets anew after its first step). Choose a round by `least`.

    Args:
        rank: this process' rank.
        strategies: by name; what they are, `parallelism.strategies` says.
        rounds: measured steps of each.
        sequences: sequences in each rank's batch, of `block_size` tokens.
        seed: of parameters and batch.
        config: sizes of the GPT, for instance `num_layers=4, d_model=256`.
    """
    start = small_gpt(seed, **config).to(lab.device())
    models = {name: deepcopy(start) for name in strategies}
    ready = {name: strategy(models[name]) for name, strategy in strategies.items()}
    size = start.config
    generator = torch.Generator().manual_seed(seed + rank)
    tokens = torch.randint(size.vocab_size, (sequences, size.block_size + 1), generator=generator).to(lab.device())
    found: dict[str, list[Round]] = {name: [] for name in strategies}
    for turn in range(rounds + 1):
        for name, (module, finish) in ready.items():
            step = _one_round(rank, module, finish, tokens)
            models[name].zero_grad()
            if turn:
                found[name].append(step)
        lab.report(turn, rounds)
    return found


def least(rounds: list[Round]) -> Round:
    """The round with the smallest sum: its wait and its sum belong together, as minima of each column would not."""
    return min(rounds, key=lambda one: one.sum_s)


def _one_round(rank: int, module: nn.Module, finish: Any, tokens: torch.Tensor) -> Round:
    loss = nn.functional.cross_entropy(module(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    lab.synchronize()
    dist.barrier()  # both ranks begin together: otherwise the earlier one's wait has the other's lateness in it
    with lab.collect_spans() as timeline, lab.span("both"):
        with lab.span("backward"):
            loss.backward()
            lab.synchronize()
        with lab.span("finish"):
            finish()
            lab.synchronize()
    sent = timeline.select("all_reduce").spans
    unseen = isinstance(module, nn.parallel.DistributedDataParallel)
    gradient = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
    return Round(
        messages=len(sent),
        bytes=sum(span.labels["bytes"] for span in sent),
        ahead=None if unseen else _started_ahead(timeline),
        backward_s=timeline.seconds("backward"),
        wait_s=timeline.seconds("finish"),
        sum_s=timeline.seconds("both"),
        hidden_s=None if unseen else overlapped_seconds(timeline, rank),
        gradient_norm=gradient.norm().item(),
    )


def _started_ahead(timeline: lab.Timeline) -> int | None:
    """Messages that were started before the first wait was over: an order of events, no duration."""
    (backward,) = timeline.select("backward").spans
    waits = timeline.select("wait").spans
    if any(wait.start_s < backward.end_s for wait in waits):
        return None
    first = min((wait.end_s for wait in waits), default=math.inf)
    return sum(span.start_s < first for span in timeline.select("all_reduce").spans)
