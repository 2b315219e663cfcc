"""Exhibit E12: gigabytes printed as gibibytes."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(num_layers: int, d_model: int, tokens: int) -> float:
    """KV cache of one sequence in GiB: bf16, as many KV heads as query heads."""
    per_token = 2 * num_layers * d_model * 2
    return per_token * tokens / 1e9


def repaired(num_layers: int, d_model: int, tokens: int) -> float:
    """KV cache of one sequence in GiB: bf16, as many KV heads as query heads."""
    per_token = 2 * num_layers * d_model * 2
    return per_token * tokens / 2**30


def measure(program: Callable[[int, int, int], float]) -> Finding:
    """Lay LLaMA-2-13B's cache of 8,192 tokens out on the meta device and count its bytes."""
    import torch

    cache = torch.empty(40, 2, 8192, 5120, dtype=torch.bfloat16, device="meta")
    claimed, counted = program(40, 5120, 8192), cache.nbytes / 2**30
    return Finding(
        claimed,
        "GiB",
        f"The formula gives {rounded(claimed)} GiB; the tensors have {cache.nbytes:,} bytes, {rounded(counted)} GiB or "
        f"{rounded(cache.nbytes / 1e9)} GB.",
        others={"counted": counted},
    )


EXHIBIT = Exhibit(
    number="E12",
    title="A 13B model's KV cache",
    fault_name="GB printed as GiB",
    chapters=("15",),
    questions=(),
    claim="LLaMA-2-13B with 8,192 tokens of context: 6.7 GiB of KV cache.",
    quantity="what is called GiB",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(6.7, 6.72),
    healed=Range(6.25, 6.25),
    faulty={
        "/ 1e9": "A thousand million bytes is a GB. A GiB is 2^30 bytes, 7 % more.",
    },
    fine={
        "per_token = 2 *": "Keys and values for 40 layers of 5,120 channels, two bytes each: 819,200 bytes.",
        "def wrong(": "LLaMA-2-13B has as many KV heads as query heads, so d_model is the width.",
    },
    why_it_passes_review=(
        "The digits are right for GB. The error of 7 % is smaller than the margin people keep, until ten such "
        "caches have to fit into 64 GiB."
    ),
    repair=(
        "Say GB with 1e9 and GiB with 2^30: 6.71 GB = 6.25 GiB. Device memory is sold in one and reported in the other."
    ),
    source="Counted here on tensors. That the claim circulates is quoted, not verified.",
)
