"""The overlap rule against measurements: latency and bandwidth fitted, times by tokens, by size of model, by bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lib.lab import Picture
    from course_lib.parallelism.costs import Link


def machine_figures(rank: int, sizes: Sequence[int]) -> tuple[float, list[float]]:
    """FLOP/s of a large matrix product, and seconds of an all-reduce of each of `sizes` bytes, all ranks at work."""
    from course_lib import lab
    from course_lib.parallelism.overlap import all_reduce_seconds

    seconds = []
    for done, size in enumerate(sizes, start=1):
        seconds.append(all_reduce_seconds(rank, size // 4, repeats=9))
        lab.report(done, len(sizes))  # a busy machine is no deadlock
    return lab.matmul_flops_per_s().value, seconds


def step_seconds(rank: int, tokens: Sequence[int], **sizes: int) -> tuple[float, list[float]]:
    """Seconds of an all-reduce of a GPT's gradients, and of its backward pass for each of `tokens` a rank."""
    from course_lib import lab
    from course_lib.models.train_gpt import small_gpt
    from course_lib.parallelism.overlap import all_reduce_seconds, backward_seconds

    model, backward = small_gpt(**sizes), []
    for done, count in enumerate(tokens, start=1):
        backward.append(backward_seconds(rank, model, count, repeats=3))
        lab.report(done, len(tokens))
    return all_reduce_seconds(rank, model.num_parameters()), backward


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
    backward: Sequence[float],
    all_reduce: Sequence[float],
    tokens: int,
    flops_per_s: float,
    link: Link,
) -> Picture:
    """Both times (seconds, two ranks) against the number of parameters in `sizes`: lines computed, points measured."""
    from course_lib import lab

    fig, ax = lab.figure()
    ax.loglog(sizes, [1e3 * 4 * n * tokens / flops_per_s for n in sizes], "C0", label="backward: 4NT/F")
    ax.loglog(sizes, [1e3 * t for t in backward], "oC0")
    ax.loglog(sizes, [1e3 * 4 * n / link.bytes_per_s for n in sizes], "--C1", label="all-reduce: bytes/B")
    with_latency = [1e3 * link.all_reduce_seconds(2, 4 * n) for n in sizes]
    ax.loglog(sizes, with_latency, "C1", label="all-reduce: latency + bytes/B")
    ax.loglog(sizes, [1e3 * t for t in all_reduce], "sC1")
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


def in_words(flops_per_s: float, link: Link) -> str:
    """Say a machine's three figures, and the payload (two ranks) at which latency takes half of the time."""
    half = link.half_speed_payload(2) / 1e3
    return (
        f"F {flops_per_s / 1e9:.0f} GFLOP/s, B {link.bytes_per_s / 1e9:.2f} GB/s a rank, alpha "
        f"{1e6 * link.alpha_s:.0f} µs; latency takes half of the time at {half:,.0f} kB"
    )
