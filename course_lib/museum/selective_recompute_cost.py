"""Exhibit E13: the cost of recomputing attention, with the backward pass counted in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import count_flops, rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor


def wrong(tokens: int, d_model: int) -> float:
    """Extra FLOPs of recomputing the attention core, as a share of a training step's."""
    attention = tokens / (6 * d_model)
    step = 1 + attention
    return attention / step


def repaired(tokens: int, d_model: int) -> float:
    """Extra FLOPs of recomputing the attention core, as a share of a training step's."""
    forward_of_attention = 4 * tokens
    step = 72 * d_model + 12 * tokens
    return forward_of_attention / step


def measure(program: Callable[[int, int], float]) -> Finding:
    """Count the FLOPs of a real block's training step with and without recomputing its attention core."""
    ratio = max((program(s, h) / counted(s, h) for s, h in ((64, 64), (32, 128))), key=lambda r: abs(r - 1))
    gpt3 = program(2048, 12288)
    return Finding(
        ratio,
        "times the counted share",
        f"For GPT-3 the formula gives {100 * gpt3:.2f} %; on a real block it is {rounded(ratio)} times what is counted "
        f"({rounded(100 * counted(64, 64))} % at 64 tokens and width 64).",
        others={"gpt3_percent": 100 * gpt3, "counted_percent_64": 100 * counted(64, 64)},
    )


def counted(tokens: int, d_model: int) -> float:
    """Extra FLOPs of recomputing the attention core of one block, counted by torch, as a share of the step without."""
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

    heads = 4
    qkv, out, up, down = (nn.Linear(a * d_model, b * d_model, bias=False) for a, b in ((1, 3), (1, 1), (1, 4), (4, 1)))

    def core(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return (q @ k.transpose(-1, -2)).softmax(-1) @ v

    def step(recompute: bool) -> None:
        x = torch.ones(1, tokens, d_model, requires_grad=True)
        parts = qkv(x).view(1, tokens, 3, heads, d_model // heads).permute(2, 0, 3, 1, 4)
        attended = checkpoint(core, *parts, use_reentrant=False) if recompute else core(*parts)
        hidden = out(attended.transpose(1, 2).reshape(1, tokens, d_model))
        down(up(hidden).relu()).sum().backward()

    with set_checkpoint_early_stop(False):  # by default torch skips the recomputation's last product
        return count_flops(step, True) / count_flops(step, False) - 1


EXHIBIT = Exhibit(
    number="E13",
    title="The price of recomputing attention",
    fault_name="Recomputing attention, three times too dear",
    chapters=("02",),
    questions=(),
    claim="Recomputing only the attention core costs 2.7 % more FLOPs for GPT-3.",
    quantity="the formula's share over the share counted on a real block",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(2.9, 3.1),
    healed=Range(0.999, 1.001),
    faulty={
        "return attention / step": (
            "This is attention's whole share of a step, forward and backward. Only the forward is done again: a "
            "third of it."
        ),
    },
    fine={
        "attention = tokens / (6 * d_model)": "Attention's FLOPs over the matrix products': 12 s over 72 h.",
        "step = 1 + attention": "A step is both together.",
    },
    why_it_passes_review=(
        "It stands in the documentation of training libraries, it is small either way, and it errs on the safe side."
    ),
    repair=(
        "4 s / (72 h + 12 s): 0.90 % for GPT-3. Half of that with torch's default early stop, which skips the "
        "recomputation's last product. State which one you mean."
    ),
    source=(
        "2.7 % read in a training library's documentation, which cites arXiv 2205.05198; how the paper counts is "
        "not verified. FLOPs counted here."
    ),
)
