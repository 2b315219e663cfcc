"""When does the backward pass hide the gradient all-reduce? The rule, its two figures, and what spans say of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from course_lib.lab import Timeline
    from course_lib.models.gpt import GPT

Number = TypeVar("Number", int, float)


def overlapped_seconds(timeline: Timeline, rank: int) -> float:
    """Seconds in which a message of this rank was under way while its backward pass computed.

    That is the time inside a span "all_reduce" and inside a span "backward", less what lies in a span "wait", where
    the thread that computes stands still. A message that is started in a hook and waited for there lies inside the
    backward pass and overlaps nothing: counting starts, or taking the first two spans alone, would credit it.
    """

    def intervals(name: str) -> list[tuple[float, float]]:
        return [(span.start_s, span.end_s) for span in timeline.select(name, rank).spans]

    under_way, computing, waiting = intervals("all_reduce"), intervals("backward"), intervals("wait")
    edges = sorted({edge for interval in [*under_way, *computing, *waiting] for edge in interval})

    def covered(span: list[tuple[float, float]], start: float, end: float) -> bool:
        return any(first <= start and end <= last for first, last in span)

    return sum(
        end - start
        for start, end in pairwise(edges)
        if covered(under_way, start, end) and covered(computing, start, end) and not covered(waiting, start, end)
    )


def communication_over_backward(
    world_size: int, bytes_per_element: float, tokens_per_rank: float, flops_per_s: float, bytes_per_s: float
) -> float:
    """Time of the all-reduce over time of the backward pass; at most 1 means that it can be hidden.

    t_comm = 2(n-1)/n · b · N / bw and t_backward = 4 · N · tokens / peak, so the parameter count N cancels:
    b · (n-1)/n · peak / (2 · tokens · bw). The 4N counts two matrix products per weight and token (Kaplan et al.,
    2020); attention's own products and the embedding table are left out. The rule holds for dense layers without
    recomputation whose gradients are sent once per step, in messages large enough that latency does not count;
    `costs.step_times` has the terms for the other cases.

    Args:
        world_size: ranks n in the ring.
        bytes_per_element: b, bytes of one gradient element on the wire (4 for float32).
        tokens_per_rank: tokens in one rank's batch.
        flops_per_s: what the kernels of the backward pass achieve on one rank, in FLOP/s. Not MFU times peak: an MFU
            measured with communication has its exposed part inside, and would count it twice.
        bytes_per_s: the bus bandwidth per rank, in B/s: what one rank sends while all of them do (nccl-tests). Not the
            rate of one port: `costs.bus_bandwidth` has it from the GPUs and ports of a node.
    """
    if min(world_size, bytes_per_element, tokens_per_rank, flops_per_s, bytes_per_s) <= 0:
        raise ValueError("Every argument of the overlap rule must be positive.")
    share = (world_size - 1) / world_size
    return bytes_per_element * share * flops_per_s / (2 * tokens_per_rank * bytes_per_s)


def hiding_batch(world_size: int, bytes_per_element: float, flops_per_s: float, bytes_per_s: float) -> float:
    """Tokens per rank from which the backward pass is as long as the all-reduce (the rule solved for ratio 1)."""
    return communication_over_backward(world_size, bytes_per_element, 1.0, flops_per_s, bytes_per_s)


def all_reduce_seconds(rank: int, numel: int, repeats: int = 20) -> float:
    """Least seconds of ``repeats`` float32 all-reduces of ``numel`` elements; call it on every rank of a gang.

    A call lasts as long as on its slowest rank. Of the calls the least is taken, and not the median: where ranks share
    cores, some calls wait for the scheduler, ten times as long as a small message takes.
    """
    import torch
    import torch.distributed as dist

    from course_lib import lab

    tensor, seconds = torch.ones(numel, device=lab.device()), torch.zeros(repeats + 1, device=lab.device())
    for call in range(repeats + 1):
        dist.barrier()
        lab.synchronize()
        start = time.perf_counter()
        dist.all_reduce(tensor)
        lab.synchronize()
        seconds[call] = time.perf_counter() - start
        tensor.fill_(1.0)
    dist.all_reduce(seconds, dist.ReduceOp.MAX)
    return seconds[1:].min().item()


def backward_seconds(rank: int, model: GPT, tokens_per_rank: int, repeats: int = 5) -> tuple[float, int]:
    """Least seconds of the backward pass of ``model`` on one batch of random tokens, and its FLOPs as counted.

    Both are taken around the same call, the FLOPs in a pass that warms up. It runs on every rank at once: ranks that
    compute at the same time share caches and memory bandwidth, as they do in training, so this is the figure to set
    beside an all-reduce; one rank alone would look faster.
    """
    import torch

    from course_lib import lab

    block_size = model.config.block_size
    rows = max(1, tokens_per_rank // block_size)
    generator = torch.Generator().manual_seed(rank)
    tokens = torch.randint(model.config.vocab_size, (rows, block_size + 1), generator=generator).to(lab.device())
    model = model.to(lab.device())

    def once(measure: Callable[[Callable[[], None]], Number]) -> Number:
        loss = model.loss(tokens[:, :-1], tokens[:, 1:])
        lab.synchronize()
        found = measure(loss.backward)
        model.zero_grad()
        return found

    def seconds_of(act: Callable[[], None]) -> float:
        start = time.perf_counter()
        act()
        lab.synchronize()
        return time.perf_counter() - start

    flops = once(lab.count_flops)
    return min(once(seconds_of) for _ in range(repeats)), flops
