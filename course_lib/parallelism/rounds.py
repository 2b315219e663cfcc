"""Strategies side by side: interleaved rounds on the same ranks, and every column of a row from the same round."""

from __future__ import annotations

from collections.abc import Mapping
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

    messages, bytes: all-reduces of the step and the bytes of their tensors. backward_s: the backward pass, with all
    that its hooks do. wait_s: from its end until every gradient is the mean. hidden_s: messages under way while the
    backward pass computed (`overlap.overlapped_seconds`), None where the strategy waits unseen (DDP).
    """

    messages: int
    bytes: int
    backward_s: float
    wait_s: float
    hidden_s: float | None

    @property
    def sum_s(self) -> float:
        """Seconds from the start of the backward pass until every gradient is the mean."""
        return self.backward_s + self.wait_s


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
        strategies: by name; see `parallelism.strategies`.
        rounds: measured steps of each.
        sequences: sequences in each rank's batch, of `block_size` tokens.
        seed: of parameters and batch.
        config: sizes of the GPT, for instance `num_layers=4, d_model=256`.
    """
    models = {name: small_gpt(seed, **config).to(lab.device()) for name in strategies}
    ready = {name: strategy(models[name]) for name, strategy in strategies.items()}
    size = next(iter(models.values())).config
    generator = torch.Generator().manual_seed(seed + rank)
    tokens = torch.randint(size.vocab_size, (sequences, size.block_size + 1), generator=generator).to(lab.device())
    found: dict[str, list[Round]] = {name: [] for name in strategies}
    for turn in range(rounds + 1):
        for name, (module, finish) in ready.items():
            step = _one_round(rank, module, finish, tokens, waits_seen=not _waits_unseen(module))
            models[name].zero_grad()
            if turn:
                found[name].append(step)
        lab.report(turn, rounds)
    return found


def least(rounds: list[Round]) -> Round:
    """The round with the smallest sum: its wait and its sum belong together, as minima of each column would not."""
    return min(rounds, key=lambda one: one.sum_s)


def _one_round(rank: int, module: nn.Module, finish: Any, tokens: torch.Tensor, waits_seen: bool) -> Round:
    loss = nn.functional.cross_entropy(module(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    lab.synchronize()
    dist.barrier()  # both ranks begin together: otherwise the earlier one's wait has the other's lateness in it
    with lab.collect_spans() as timeline:
        with lab.span("backward"):
            loss.backward()
            lab.synchronize()
        with lab.span("finish"):
            finish()
            lab.synchronize()
    sent = timeline.select("all_reduce").spans
    return Round(
        messages=len(sent),
        bytes=sum(span.labels["bytes"] for span in sent),
        backward_s=timeline.seconds("backward"),
        wait_s=timeline.seconds("finish"),
        hidden_s=overlapped_seconds(timeline, rank) if waits_seen else None,
    )


def _waits_unseen(module: nn.Module) -> bool:
    return isinstance(module, nn.parallel.DistributedDataParallel)
