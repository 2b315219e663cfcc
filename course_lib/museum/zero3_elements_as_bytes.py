"""Exhibit E3: ZeRO-3's three times the parameters, read as bytes."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(num_parameters: float) -> float:
    """Bytes that a rank sends per step under ZeRO stage 3, bf16, for many ranks."""
    passes = 3  # all-gather forward, all-gather backward, reduce-scatter
    return passes * num_parameters


def repaired(num_parameters: float) -> float:
    """Bytes that a rank sends per step under ZeRO stage 3, bf16, for many ranks."""
    passes = 3  # all-gather forward, all-gather backward, reduce-scatter
    bytes_per_element = 2
    return passes * num_parameters * bytes_per_element


def measure(program: Callable[[float], float]) -> Finding:
    """Add up the messages of 64 ranks' rings on a tensor of 6.5 million elements, then scale to 65 billion."""
    import torch

    world_size, psi = 64, 6_500_000
    shards = torch.empty(psi, dtype=torch.bfloat16, device="meta").tensor_split(world_size)
    sent = 0
    for _collective in ("all-gather forward", "all-gather backward", "reduce-scatter"):
        for step in range(world_size - 1):
            sent += shards[-step % world_size].nbytes  # rank 0 sends another shard at each step of the ring
    counted = sent * 10_000
    claimed = program(65e9)
    seconds = claimed / 1.25e9  # 10 Gbit/s
    return Finding(
        claimed / 1e9,
        "GB",
        f"For 65 billion parameters the formula gives {rounded(claimed / 1e9)} GB a step, {rounded(seconds)} s on 10 "
        f"Gbit/s; the messages of a 64-rank ring add up to {rounded(counted / 1e9)} GB.",
        others={"counted_gb": counted / 1e9, "seconds": seconds},
    )


EXHIBIT = Exhibit(
    number="E3",
    title="Traffic of ZeRO-3",
    fault_name="Elements read as bytes",
    chapters=("07",),
    questions=(),
    claim="ZeRO-3 moves 3 times the parameters: 195 GB a step for 65 billion, 156 s on 10 Gbit/s Ethernet.",
    quantity="GB a rank sends per step for 65 billion bf16 parameters",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(190, 200),
    healed=Range(383, 391),
    faulty={
        "return passes * num_parameters": (
            "Three times the parameters is a number of elements; in bf16 each is two bytes."
        ),
    },
    fine={
        "passes = 3": (
            "Two all-gathers and one reduce-scatter, each about the whole model: three, against two for data "
            "parallelism."
        ),
        "def wrong(": "For many ranks (n - 1) / n is near 1; at 4 ranks it is 0.75 and must be kept.",
    },
    why_it_passes_review=(
        "The 3 is right, the paper writes it so, and GB after a large number looks right. The unit got lost between "
        "'parameters' and 'bytes'."
    ),
    repair="3 elements per parameter times 2 bytes: 390 GB, 312 s (384 GB with (n - 1) / n at 64 ranks).",
    source=(
        "Traffic in elements: ZeRO, arXiv 1910.02054; messages added up here. That the claim circulates is quoted, "
        "not verified."
    ),
)
