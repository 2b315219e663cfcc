"""Exhibit 5: the loss is all-reduced and called gradient synchronisation, and the optimizer steps once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    Batches = list[tuple[Tensor, Tensor]]


def wrong(model: nn.Module, optimizer: torch.optim.Optimizer, loss_fn: Callable, batches: Batches) -> float:
    """An epoch of data-parallel training, model wrapped in DDP; return the loss to log for the last batch."""
    import torch.distributed as dist

    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    total = loss.detach()
    dist.all_reduce(total)  # synchronise the gradients
    optimizer.step()  # apply the synchronised gradients
    return total.item()


def repaired(model: nn.Module, optimizer: torch.optim.Optimizer, loss_fn: Callable, batches: Batches) -> float:
    """An epoch of data-parallel training, model wrapped in DDP; return the loss to log for the last batch."""
    import torch.distributed as dist

    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()  # DDP averages the gradients here
        optimizer.step()
    total = loss.detach()
    dist.all_reduce(total)  # for the log only
    return total.item() / dist.get_world_size()


def measure(program: Callable[..., float]) -> Finding:
    """Count updates for 4 batches on 2 ranks; compare the logged loss with the mean over ranks."""
    from course_lib.lab import Gang

    ranks = Gang(2, timeout=20).run(_on_a_rank, program)
    updates, logged, _, extra = ranks[0]
    mean = sum(rank[2] for rank in ranks) / len(ranks)
    ratio = logged / mean
    return Finding(
        updates,
        "updates",
        f"4 batches make {updates} updates"
        + (f", the last of them without a new gradient (a move of {rounded(extra, 2)})" if extra else "")
        + f"; the logged loss is {rounded(ratio)} times the mean over the 2 ranks.",
        ""
        if abs(ratio - 1) < 1e-3
        else f"The logged loss is {rounded(ratio)} times the mean: it grows with the cluster.",
        {"logged_over_mean": ratio, "extra_move": extra},
    )


def _on_a_rank(rank: int, program: Callable[..., float]) -> tuple[int, float, float, float]:
    """Updates made, value logged, this rank's own last loss, length of the move after the last batch's own step."""
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torch.nn.parallel import DistributedDataParallel

    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    weights: list[Tensor] = []
    optimizer.register_step_post_hook(
        lambda *_: weights.append(nn.utils.parameters_to_vector(model.parameters()).detach())
    )
    own: list[float] = []

    def loss_fn(prediction: Tensor, target: Tensor) -> Tensor:
        loss = F.mse_loss(prediction, target)
        own.append(loss.item())
        return loss

    x = torch.randn(4, 2, 8, 4, generator=torch.Generator().manual_seed(1))[:, rank]
    logged = program(model, optimizer, loss_fn, [(each, each.sum(1, keepdim=True)) for each in x])
    extra = float((weights[-1] - weights[3]).norm()) if len(weights) >= 4 else 0.0
    return len(weights), logged, own[-1], extra


EXHIBIT = Exhibit(
    number="5",
    title="Gradients synchronised through the loss",
    fault_name="A second step, for a loss that was summed",
    chapters=("06", "03"),
    questions=("s003-q12", "s003-q20"),
    claim="After the epoch, all_reduce the loss to synchronise the gradients, then step the optimizer.",
    quantity="updates for 4 batches",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    ranks=2,
    fault=Range(5, 5),
    healed=Range(4, 4),
    faulty={
        "dist.all_reduce(total)": (
            "It sums a number for the log. It touches no gradient, and undivided it grows with the number of ranks."
        ),
        "optimizer.step()  # apply": (
            "No backward came before it: the last batch's gradient is applied a second time, and momentum makes "
            "more of it."
        ),
    },
    fine={
        "loss.backward()": "DDP has averaged the gradients over the ranks when this returns.",
        "loss = loss_fn(": "The loss of this rank's share is what DDP wants.",
        "optimizer.zero_grad()": "Clearing before each batch is right.",
        "total = loss.detach()": "For a log the graph is not needed.",
    },
    why_it_passes_review=(
        "Both lines carry a comment that says what a reviewer hopes to read, and training still converges. Runs on "
        "8 and on 64 GPUs log losses that cannot be compared."
    ),
    repair="Drop the second step; divide the summed loss by world_size, for the log only.",
)
