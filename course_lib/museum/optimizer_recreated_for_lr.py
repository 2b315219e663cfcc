"""Exhibit 21: the optimizer is made anew to change the learning rate, and forgets its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    import torch
    from torch import nn


def wrong(model: nn.Module, optimizer: torch.optim.Optimizer, lr: float) -> torch.optim.Optimizer:
    """Go on with Adam at another learning rate; return the optimizer to use."""
    import torch

    parameters = model.parameters()
    optimizer = torch.optim.Adam(parameters, lr=lr)
    return optimizer


def repaired(model: nn.Module, optimizer: torch.optim.Optimizer, lr: float) -> torch.optim.Optimizer:
    """Go on with Adam at another learning rate; return the optimizer to use."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    return optimizer


def measure(program: Callable[..., torch.optim.Optimizer]) -> Finding:
    """Train 50 steps on noisy gradients, change the rate to the same value, and look at state and next step."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model, lr = nn.Linear(16, 1), 0.01
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def step(optimizer: torch.optim.Optimizer) -> float:
        before = model.weight.detach().clone()
        optimizer.zero_grad()
        (model(torch.randn(8, 16)) - torch.randn(8, 1)).square().mean().backward()
        optimizer.step()
        return float((model.weight - before).abs().mean())

    moves = [step(optimizer) for _ in range(50)]
    after = program(model, optimizer, lr)
    kept = len(after.state)
    rate = after.param_groups[0]["lr"]
    next_move = step(after)
    return Finding(
        kept,
        "tensors with state",
        f"{kept} of 2 tensors keep their Adam state; the next step is {rounded(next_move / lr, 2)} of the rate, the "
        f"step before it was {rounded(moves[-1] / lr, 2)}.",
        "" if abs(rate - lr) < 1e-12 else f"The learning rate is {rounded(rate)} and should be {rounded(lr)}.",
        {"step_before": moves[-1], "step_after": next_move},
    )


EXHIBIT = Exhibit(
    number="21",
    title="A lower learning rate during training",
    fault_name="An optimizer made anew to change its rate",
    chapters=("04",),
    questions=("s000-q08",),
    claim="To lower the learning rate during training, create the optimizer again with the new rate.",
    quantity="the number of parameter tensors whose Adam state survives",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0, 0),
    healed=Range(2, 2),
    faulty={
        "torch.optim.Adam(parameters, lr=lr)": (
            "A new Adam has empty moments and step counts: its first steps are full size whatever the gradient, and "
            "a scheduler still holds the old one."
        ),
    },
    fine={
        "parameters = model.parameters()": "They are the right parameters.",
        "return optimizer": "The caller uses what is returned.",
    },
    why_it_passes_review=(
        "The rate does change and training goes on. The bump in the loss at each change looks like noise, or like "
        "the schedule. The same fault on resume reads as 'loss jumps after a restart'."
    ),
    repair="Set group['lr'] in optimizer.param_groups, or use a scheduler; on resume load the optimizer's state_dict.",
)
