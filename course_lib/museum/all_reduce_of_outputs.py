"""Exhibit 18: outputs are all-reduced instead of gradients, and the gradients flow into a throw-away model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def wrong(
    build: Callable[[], nn.Module], model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor
) -> None:
    """One data-parallel step of `model` on this rank's share of the batch."""
    import torch.distributed as dist

    optimizer.zero_grad()
    replica = build()
    output = replica(x).mean()
    average = output.detach().clone()
    dist.all_reduce(average)
    output.backward()
    optimizer.step()


def repaired(
    build: Callable[[], nn.Module], model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor
) -> None:
    """One data-parallel step of `model` on this rank's share of the batch."""
    import torch.distributed as dist
    from torch.nn import functional as F

    optimizer.zero_grad()
    F.mse_loss(model(x), y).backward()
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad)
        parameter.grad /= dist.get_world_size()
    optimizer.step()


def measure(program: Callable[..., None]) -> Finding:
    """Run one step on 2 ranks and compare the model with one process's step on the whole batch."""
    import torch

    from course_lib.lab import Gang

    moved, missing, weights = Gang(2, timeout=20).run(_on_a_rank, program)[0]
    model, x, y = _scene()
    (model(x) - y).square().mean().backward()
    off = float((weights - (model.weight - 0.1 * model.weight.grad)).abs().max())
    scalars = torch.tensor([model(row).item() for row in x])
    return Finding(
        moved,
        "in the largest weight change",
        f"{missing} of the model's 2 parameters have no gradient and its weights move by {rounded(moved, 2)}.",
        "" if off < 1e-5 else f"The weights are {rounded(off, 2)} away from one process's step on the whole batch.",
        {"tensor_of_a_list_requires_grad": float(scalars.requires_grad)},
    )


def _on_a_rank(rank: int, program: Callable[..., None]) -> tuple[float, int, Tensor]:
    """How far the weights moved, how many parameters have no gradient, and the weights."""
    import torch
    from torch import nn

    model, x, y = _scene()
    before = model.weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    program(lambda: nn.Linear(4, 1), model, optimizer, x.chunk(2)[rank], y.chunk(2)[rank])
    missing = sum(parameter.grad is None for parameter in model.parameters())
    return float((model.weight - before).abs().max()), missing, model.weight.detach().clone()


def _scene() -> tuple[nn.Module, Tensor, Tensor]:
    import torch
    from torch import nn

    torch.manual_seed(0)
    x = torch.randn(16, 4)
    return nn.Linear(4, 1), x, x.sum(dim=1, keepdim=True)


EXHIBIT = Exhibit(
    number="18",
    title="A model averaged across devices",
    fault_name="Outputs reduced, gradients lost",
    chapters=("10",),
    questions=("s004-q01", "s004-q05"),
    claim="Build the model on each device, average the outputs with all_reduce, call backward, step.",
    quantity="the largest change of the model's weights in one step",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    ranks=2,
    fault=Range(0, 0),
    healed=Range(1e-4),
    faulty={
        "replica = build()": (
            "A fresh, differently initialised model: the gradients go to it, and it is gone after the step. The "
            "optimizer holds another one."
        ),
        "output = replica(x).mean()": "The mean of the outputs is no loss: y is not used at all.",
        "dist.all_reduce(average)": "It reduces outputs, not gradients, and nothing reads the result.",
    },
    fine={
        "optimizer.zero_grad()": "The gradients of the step before must go.",
        "output.backward()": "Some backward is needed before the step; this one starts from the wrong number.",
        "optimizer.step()": "The step is right, if only there were a gradient.",
    },
    why_it_passes_review=(
        "It has every word of the design: replicas, all_reduce, backward, step. In the original a crash hides the "
        "rest: torch.tensor of a list of outputs fails, or cuts the graph."
    ),
    repair=(
        "Same weights on each rank, a loss on its share, all-reduce every gradient, divide, step. Check that "
        "weights move and ranks agree."
    ),
)
