"""The overlap rule against measurements: latency and bandwidth fitted, times by tokens, by size of model, by bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lib.lab import Picture
    from course_lib.parallelism.costs import Link


@dataclass(frozen=True)
class SweepTimes:
    """Of one model on one rank: seconds of its gradients' all-reduce; by number of tokens, a backward pass in seconds
    and in FLOPs as counted.
    """

    all_reduce_s: float
    backward_s: list[float]
    backward_flops: list[int]


def machine_figures(rank: int, sizes: Sequence[int]) -> tuple[float, list[float]]:
    """FLOP/s of a large matrix product, and seconds of an all-reduce of each of `sizes` bytes, all ranks at work.

    Each is that of the fastest run, since a run that waited for the scheduler says nothing about the machine.
    """
    from course_lib import lab
    from course_lib.parallelism.overlap import all_reduce_seconds

    seconds = []
    for done, size in enumerate(sizes, start=1):
        seconds.append(all_reduce_seconds(rank, size // 4))
        lab.report(done, len(sizes))  # a busy machine is no deadlock
    product = lab.matmul_flops_per_s()
    return product.amount / product.timing.low, seconds


def step_seconds(rank: int, tokens: Sequence[int], shapes: Sequence[Mapping[str, int]]) -> list[SweepTimes]:
    """Times of the GPT of each of `shapes`, with each number of `tokens` a rank; all ranks at work."""
    from course_lib import lab
    from course_lib.models.train_gpt import small_gpt
    from course_lib.parallelism.overlap import all_reduce_seconds, backward_seconds

    found = []
    for done, shape in enumerate(shapes, start=1):
        model = small_gpt(**shape)
        backward, flops = zip(*(backward_seconds(rank, model, count, repeats=3) for count in tokens), strict=True)
        found.append(SweepTimes(all_reduce_seconds(rank, model.num_parameters()), list(backward), list(flops)))
        lab.report(done, len(shapes))
    return found


def exposed_seconds(buckets: Sequence[int], backward: float, world_size: int, link: Link) -> float:
    """Seconds of communication left after the backward pass, by the model of `costs.Link`. Computed.

    Bucket i is ready when the backward pass has done the share of its time that the bytes up to it are of all bytes (an
    approximation: work per byte is taken as even); buckets go one after another.

    Args:
        buckets: bytes of each, in the order in which they become ready.
        backward: seconds of the backward pass by itself.
        world_size: ranks n.
        link: latency and bus bandwidth.
    """
    free = done = 0.0
    for size in buckets:
        done += size
        free = max(free, backward * done / sum(buckets)) + link.all_reduce_seconds(world_size, size)
    return free - backward


def tokens_picture(tokens: Sequence[int], rule: Sequence[float], measured: Sequence[float]) -> Picture:
    """All-reduce over backward pass against tokens per rank: the rule as a line, what was measured as points."""
    from course_lib import lab

    fig, ax = lab.figure()
    ax.loglog(tokens, rule, label="rule")
    ax.loglog(tokens, measured, "o", label="measured")
    ax.axhline(1, color="black", linestyle="--", linewidth=1)
    ax.set(xlabel="tokens per rank", ylabel="all-reduce / backward", xticks=tokens, xticklabels=tokens)
    ax.minorticks_off()
    ax.legend()
    return lab.Picture(
        fig,
        f"All-reduce over backward pass by tokens per rank, two ranks: from {tokens[0]} to {tokens[-1]} tokens the "
        f"rule falls from {rule[0]:.2f} to {rule[-1]:.2f}, what was measured from {measured[0]:.2f} "
        f"to {measured[-1]:.2f}.",
        measured=True,
    )


def parameters_picture(
    sizes: Sequence[int],
    measured: Mapping[str, Sequence[float]],
    computed: Mapping[str, Sequence[float]],
    tokens: int,
) -> Picture:
    """Times against the number of parameters in `sizes`: `computed` ones as lines, `measured` ones as points.

    Both are seconds by name, the names those of the legend; measured are "backward" and "all-reduce", in this order.
    """
    from course_lib import lab

    fig, ax = lab.figure()
    for (name, seconds), style in zip(computed.items(), ("C0", "--C1", "C1"), strict=True):
        ax.loglog(sizes, [1e3 * t for t in seconds], style, label=name)
    for seconds, style in zip(measured.values(), ("oC0", "sC1"), strict=True):
        ax.loglog(sizes, [1e3 * t for t in seconds], style)
    backward, all_reduce = measured.values()
    ax.set(xlabel="parameters N", ylabel="ms (points: measured)")
    ax.legend()
    return lab.Picture(
        fig,
        f"Backward pass of {tokens} tokens and all-reduce of fp32 gradients against N: with "
        f"{sizes[-1] / sizes[0]:.0f} times the parameters the backward pass takes {backward[-1] / backward[0]:.0f} "
        f"times as long and the all-reduce {all_reduce[-1] / all_reduce[0]:.0f} times; N cancels where both follow "
        "their straight lines.",
        measured=True,
    )


def buckets_picture(
    limits: Sequence[int], left: Sequence[float], found: Sequence[float], messages: Sequence[int]
) -> Picture:
    """Wait after the backward pass (seconds) against the limit of a bucket: `left` by the model, `found` measured."""
    from course_lib import lab

    fig, ax = lab.figure()
    ax.loglog(limits, [1e3 * t for t in left], label="model: latency + bytes/B, one after another")
    ax.loglog(limits, [1e3 * t for t in found], "o", label="measured")
    ax.set(xlabel="bucket limit (bytes)", ylabel="wait after backward (ms)")
    # Above the axes: where points and line lie differs from machine to machine.
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    best, by_model = (limits[list(seconds).index(min(seconds))] / 1e6 for seconds in (found, left))
    return lab.Picture(
        fig,
        f"Wait after the backward pass by bucket limit, from {messages[0]} messages to {messages[-1]}: least at "
        f"{best:g} MB as measured, at {by_model:g} MB by the model.",
        measured=True,
    )


def in_words(flops_per_s: float, link: Link, sizes: Sequence[int], seconds: Sequence[float]) -> str:
    """Say a machine's three figures, the payload (two ranks) at which latency takes half, and what they were fitted to.

    sizes, seconds: bytes of each all-reduce, and how long it took.
    """
    half = link.half_speed_payload(2) / 1e3
    fitted = ", ".join(f"{1e3 * took:.3g} ms for {size / 1e6:g} MB" for size, took in zip(sizes, seconds, strict=True))
    return (
        f"F {flops_per_s / 1e9:.0f} GFLOP/s, B {link.bytes_per_s / 1e9:.2f} GB/s a rank, alpha "
        f"{1e6 * link.alpha_s:.0f} µs; latency takes half of the time at {half:,.0f} kB.\n"
        f"Fitted to {fitted}."
    )
