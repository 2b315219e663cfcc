"""Count floating-point operations as they run, with one definition of attention's on every device.

torch's counter (torch.utils.flop_counter) sees each operator and adds a formula for it. For the fused attention kernels
the formula of the backward pass has five products, since the kernel multiplies queries and keys once more; a model
needs four (Chowdhery et al., 2022, "PaLM", appendix B: 12·L·T·d FLOPs a token with the forward pass). On a CPU torch
2.13 has no formula for them at all. Both are set right here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Formula = Callable[..., int]


def count_flops(fn: Callable, *args: Any, recompute: bool = False, **kwargs: Any) -> int:
    """Model FLOPs of `fn(*args, **kwargs)`, backward passes inside it included.

    A multiply and an add are two operations. Matrix products, convolutions and attention are counted, all pairs of
    tokens, causal or not. The backward pass of attention is 2 times its forward pass, whichever kernel runs: 12·L·T·d
    per token in a training step of L layers of width d on T tokens. `recompute=True` adds the product that the fused
    kernels do once more (2.5 times, 14·L·T·d): hardware FLOPs of these kernels.

    Where the fused kernel of a CPU runs, its count is a formula that this counter inserts: nothing looks inside the
    kernel. `fn` runs once, and whatever it runs is counted: recomputation by `torch.utils.checkpoint` too, with either
    value of `recompute`. Count the model FLOPs of a checkpointed model on the plain one.

    Not counted (torch 2.13): element-wise work, norms and softmax; `mv`, `dot` and `outer`; `addmm_` and `baddbmm_` in
    place, so that a hand-written backward with `addmm_` seems to save a third; `_int_mm`; `_grouped_mm` (mixture of
    experts); `nn.LSTM`; QR, SVD and `solve`; embedding look-ups.
    """
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False, custom_mapping=_attention_formulas(recompute))
    with counter:
        fn(*args, **kwargs)
    return int(counter.get_total_flops())


def _attention_formulas(recompute: bool) -> dict[Any, Formula]:
    """Formulas by operator for the fused attention kernels; FlopCounterMode prefers them to those of its registry."""
    import torch
    from torch._higher_order_ops.flex_attention import flex_attention, flex_attention_backward
    from torch.utils import flop_counter

    def forward(query: Any, key: Any, value: Any, **_: Any) -> int:
        return flop_counter.sdpa_flop_count(query.shape, key.shape, value.shape)

    def five_products(grad: Any, query: Any, key: Any, value: Any, **_: Any) -> int:
        return flop_counter.sdpa_backward_flop_count(grad.shape, query.shape, key.shape, value.shape)

    aten, registry = torch.ops.aten, flop_counter.flop_registry
    formulas: dict[Any, Formula] = {}
    for kernel in ("flash_attention", "efficient_attention", "cudnn_attention", *_NOT_IN_THE_REGISTRY):
        op = f"_scaled_dot_product_{kernel}"
        formulas[getattr(aten, op)] = _from_arguments(forward, (0, 1, 2))
        formulas[getattr(aten, op + "_backward")] = (
            _from_arguments(five_products, (0, 1, 2, 3)) if recompute else _from_arguments(forward, (1, 2, 3), times=2)
        )
    if recompute:  # torch's registry has five products for the operators below
        return formulas
    # Which arguments of the backward operator the formula of the forward operator reads, by their places.
    packed = (1, 2, 3, 6, 7, 8, 9)  # queries, keys, values, two lists of sequence starts, two greatest lengths
    places: dict[Any, tuple[Any, tuple[int, ...]]] = {
        aten._flash_attention_backward: (aten._flash_attention_forward, packed),
        aten._efficient_attention_backward: (aten._efficient_attention_forward, (1, 2, 3, 4, 6, 7, 8, 9)),
        flex_attention_backward: (flex_attention, (0, 1, 2)),
    }
    if "torch.nn.attention.varlen" in sys.modules:  # its import makes these operators
        places[torch.ops.torch_attn._varlen_attn_backward] = (torch.ops.torch_attn._varlen_attn, packed)
    for op, (forward_op, where) in places.items():
        formulas[op] = _from_arguments(registry[forward_op], where, times=2)
    return formulas


_NOT_IN_THE_REGISTRY = ("flash_attention_for_cpu", "fused_attention_overrideable")


def _from_arguments(formula: Formula, places: tuple[int, ...], times: int = 1) -> Formula:
    """Make a formula for an operator: `times` the given one of the operator's arguments at `places`."""

    def count(*args: Any, **kwargs: Any) -> int:
        return times * formula(*(args[place] for place in places), **kwargs)

    count._get_raw = True  # type: ignore[attr-defined]  # FlopCounterMode then hands over tensors, not their shapes
    return count
