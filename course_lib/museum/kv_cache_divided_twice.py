"""Exhibit E5: a KV cache divided by 1024 to the fourth and labelled G."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(num_layers: int, d_model: int, tokens: int, batch_size: int, bytes_per_value: int) -> float:
    """Size of the KV cache in GiB."""
    values = 2 * num_layers * d_model * tokens * batch_size
    size = values * bytes_per_value
    return size / 1024**4


def repaired(num_layers: int, d_model: int, tokens: int, batch_size: int, bytes_per_value: int) -> float:
    """Size of the KV cache in GiB."""
    values = 2 * num_layers * d_model * tokens * batch_size
    size = values * bytes_per_value
    return size / 1024**3


def measure(program: Callable[[int, int, int, int, int], float]) -> Finding:
    """Lay the cache out on the meta device, which has shapes and no memory, and count its bytes."""
    import torch

    cache = torch.empty(32, 2, 32, 2048, 4096, dtype=torch.float32, device="meta")
    counted = cache.nbytes / 2**30
    claimed = program(32, 4096, 2048, 32, 4)
    half = program(32, 4096, 2048, 32, 2)
    return Finding(
        claimed,
        "GiB",
        f"The expression gives {rounded(claimed)} where the tensors have {rounded(counted)} GiB.",
        "" if abs(half / claimed - 0.5) < 1e-9 else "With 2-byte values the cache is not half as large.",
        {"counted": counted},
    )


EXHIBIT = Exhibit(
    number="E5",
    title="The size of a KV cache, in one product",
    fault_name="A KV cache divided once too often",
    chapters=("15",),
    questions=(),
    claim="2 x 32 x 4096 x 2048 x 32 x 4 / 1024^4 = 64G.",
    quantity="what the expression gives",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.0625, 0.0625),
    healed=Range(64, 64),
    faulty={
        "return size / 1024**4": "This is TiB: 0.0625. One of the two, the expression or the 64, was not computed.",
    },
    fine={
        "values = 2 *": "Keys and values, for each layer, channel, token and sequence.",
        "size = values * bytes_per_value": "Four bytes in float32, two in bf16.",
    },
    why_it_passes_review=(
        "The answer, 64 GiB, is right and known by heart. Nobody evaluates the expression that stands before it; "
        "whoever copies it for another model is off by 1,024."
    ),
    repair="Divide by 1024^3, and let the machine evaluate what is printed.",
    source="Counted here on tensors. That the claim circulates is quoted, not verified.",
)
