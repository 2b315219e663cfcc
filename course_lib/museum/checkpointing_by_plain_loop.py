"""Exhibit E6: an exercise on gradient checkpointing that a plain loop passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from course_lib.lab.measure import count_flops, rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor, nn


def wrong(blocks: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Apply the blocks with gradient checkpointing: recompute activations instead of storing them."""
    for block in blocks:
        x = block(x)
    return x


def repaired(blocks: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Apply the blocks with gradient checkpointing: recompute activations instead of storing them."""
    from torch.utils.checkpoint import checkpoint

    for block in blocks:
        x = checkpoint(block, x, use_reentrant=False)
    return x


def measure(program: Callable[[Sequence[nn.Module], Tensor], Tensor]) -> Finding:
    """Count the bytes that autograd stores in the forward pass and the FLOPs of forward and backward."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64)) for _ in range(4)]
    parameters = [p for block in blocks for p in block.parameters()]

    def stored(program: Callable) -> int:
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            if not isinstance(tensor, nn.Parameter) and tensor.data_ptr() not in weights:
                kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        weights = {p.data_ptr() for p in parameters}
        x = torch.ones(32, 64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = program(blocks, x)
        return sum(kept.values()) * bool(out.requires_grad)

    def flops(program: Callable) -> int:
        return count_flops(lambda: program(blocks, torch.ones(32, 64, requires_grad=True)).sum().backward())

    def gradients(program: Callable) -> list[Tensor]:
        return list(torch.autograd.grad(program(blocks, torch.ones(32, 64)).sum(), parameters))

    share = stored(program) / stored(wrong)
    more = flops(program) / flops(wrong) - 1
    same = all(torch.allclose(a, b) for a, b in zip(gradients(program), gradients(wrong), strict=True))
    return Finding(
        share,
        "of the plain loop's bytes",
        f"It stores {rounded(100 * share, 2)} % of a plain loop's bytes, for {rounded(100 * more, 2)} % more FLOPs.",
        "" if same else "The gradients are not those of the plain loop.",
        {"more_flops": more},
    )


EXHIBIT = Exhibit(
    number="E6",
    title="Practising gradient checkpointing",
    fault_name="Checkpointing that stores everything",
    chapters=("02",),
    questions=(),
    claim="To practise gradient checkpointing, apply the functions one after another as always and return the result.",
    quantity="bytes stored for the backward pass, as a share of a plain loop's",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.99, 1.01),
    healed=Range(0, 0.5),
    faulty={
        "x = block(x)": (
            "Autograd stores every activation inside the block. Nothing is dropped and nothing recomputed."
        ),
    },
    fine={
        "for block in blocks:": "Block after block is a usual place for the checkpoints.",
        "return x": "The output is the right one: checkpointing never changes it, and so the output proves nothing.",
    },
    why_it_passes_review=(
        "The check compares outputs, which are equal by design. What checkpointing changes, bytes and FLOPs, is not "
        "looked at."
    ),
    repair=(
        "Wrap each block in torch.utils.checkpoint, and check what it costs: fewer stored bytes, more FLOPs, the "
        "same gradients."
    ),
    source=(
        "An exercise in this form was read in a public collection of machine-learning problems; bytes and FLOPs are "
        "counted here."
    ),
)
