"""Exhibit 1: gradients are synchronised once, at the end, for one parameter, as a sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def wrong(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Train this rank's replica for an epoch; the gradients are synchronised."""
    import torch.distributed as dist
    from torch.nn import functional as F

    for x, y in batches:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    first = next(model.parameters())
    dist.all_reduce(first.grad)


def repaired(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Train this rank's replica for an epoch; the gradients are synchronised."""
    import torch.distributed as dist
    from torch.nn import functional as F

    for x, y in batches:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        for parameter in model.parameters():
            dist.all_reduce(parameter.grad)
            parameter.grad /= dist.get_world_size()
        optimizer.step()


def measure(program: Callable[..., None]) -> Finding:
    """Train on 2 ranks, half of each batch on each, and in one process on whole batches; compare the weights."""
    from course_lib.lab import Gang

    ranks = Gang(2, timeout=20).run(_on_a_rank, program)
    alone, first = _alone()
    apart = float((ranks[0][0] - ranks[1][0]).abs().max())
    off = max(float((weights - alone).abs().max()) for weights, _ in ranks)
    ratio = float(ranks[0][1].norm() / first.norm())
    off = 0.0 if off < 1e-5 else off  # float32 adds in another order
    return Finding(
        off,
        "in the largest weight difference",
        f"After 10 steps the two ranks' weights differ by {rounded(apart, 2)} and from one process on whole batches "
        f"by {rounded(off, 2)}; the first weight's reduced gradient is {rounded(ratio)} times the mean.",
        others={"between_ranks": apart, "gradient_over_mean": ratio},
    )


def _on_a_rank(rank: int, program: Callable[..., None]) -> tuple[Tensor, Tensor]:
    """Weights after an epoch on this rank's halves, and the first weight's gradient after one step of length zero."""
    import torch

    halves = [(x.chunk(2)[rank], y.chunk(2)[rank]) for x, y in _batches()]
    model = _model()
    program(model, torch.optim.SGD(model.parameters(), lr=0.0), halves[:1])
    first = next(model.parameters()).grad.clone()
    program(model, torch.optim.SGD(model.parameters(), lr=0.2), halves)
    return _weights(model), first


def _alone() -> tuple[Tensor, Tensor]:
    """The same of one process on whole batches."""
    import torch
    from torch.nn import functional as F

    model, first = _model(), None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for x, y in _batches():
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        first = next(model.parameters()).grad.clone() if first is None else first
        optimizer.step()
    return _weights(model), first


def _batches(count: int = 10) -> list[tuple[Tensor, Tensor]]:
    import torch

    x = torch.randn(count, 8, 4, generator=torch.Generator().manual_seed(1))
    return [(each, 3 * each.sum(dim=1, keepdim=True).sin()) for each in x]


def _model() -> nn.Module:
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))


def _weights(model: nn.Module) -> Tensor:
    import torch

    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


EXHIBIT = Exhibit(
    number="1",
    title="Training on several nodes by hand",
    fault_name="A sum, once, after the steps",
    chapters=("06",),
    questions=("s000-q16",),
    claim="Each node trains on its share; at the end of the epoch all_reduce synchronises the gradients.",
    quantity="the largest difference between a rank's weight and one process's on the whole batches",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    ranks=2,
    fault=Range(0.01),
    healed=Range(0, 1e-5),
    faulty={
        "optimizer.step()": (
            "Every rank steps with its own gradient before anything was reduced: from the first step on the "
            "replicas are different models."
        ),
        "first = next(model.parameters())": "One parameter of the model. The others are never reduced at all.",
        "dist.all_reduce(first.grad)": (
            "After the last step, so no optimiser ever uses it. It is a sum as well: world_size times the mean."
        ),
    },
    fine={
        "for x, y in batches:": "Each rank has its own share of the data, as it should.",
        "optimizer.zero_grad()": "The gradient of the batch before must go.",
        ".backward()": "The local gradient of the local share is the right thing to reduce.",
    },
    why_it_passes_review=(
        "all_reduce is there, with gradients in it, and nothing fails. Rank 0's checkpoint is saved and the other "
        "ranks' work is thrown away."
    ),
    repair=(
        "All-reduce every gradient after backward, divide by world_size, then step; or let DistributedDataParallel "
        "do it."
    ),
)
