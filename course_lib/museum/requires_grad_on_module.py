"""Exhibit 3: the head is thawed by setting an attribute of the Module, so nothing is thawed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import nn


def wrong(model: nn.Module) -> None:
    """Freeze the backbone and train only the head, model.fc."""
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc.requires_grad = True
    model.train()


def repaired(model: nn.Module) -> None:
    """Freeze the backbone and train only the head, model.fc."""
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc.requires_grad_(True)
    model.train()


def measure(program: Callable[[nn.Module], None]) -> Finding:
    """Count the head's trainable tensors and try a backward pass."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("backbone", nn.Linear(8, 4))
    model.add_module("fc", nn.Linear(4, 2))
    program(model)
    head = sum(parameter.requires_grad for parameter in model.fc.parameters())
    backbone = sum(parameter.requires_grad for parameter in model.backbone.parameters())
    try:
        model(torch.ones(3, 8)).sum().backward()
        backward = "backward() runs"
    except RuntimeError:
        backward = "backward() raises RuntimeError"
    return Finding(
        head,
        "tensors",
        f"{head} of the head's 2 tensors require a gradient; {backward}.",
        "" if not backbone else f"{backbone} tensors of the backbone require a gradient: it is not frozen.",
    )


EXHIBIT = Exhibit(
    number="3",
    title="A new head on a frozen model",
    fault_name="requires_grad set on a module",
    chapters=("27",),
    questions=("s004-q07",),
    claim="Freeze every parameter, then set model.fc.requires_grad = True and train the new head.",
    quantity="the number of the head's tensors that require a gradient",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0, 0),
    healed=Range(2, 2),
    faulty={
        "model.fc.requires_grad = True": (
            "Module has no such switch: this stores a new attribute that nothing reads, and the head's parameters "
            "stay frozen."
        ),
    },
    fine={
        "for parameter in": "parameters() yields every parameter of the model, the head's too, which is meant here.",
        "parameter.requires_grad = False": "On a parameter, a tensor, requires_grad is the real switch.",
        "model.train()": "The mode concerns dropout and batch-norm, not which parameters learn.",
    },
    why_it_passes_review=(
        "It reads like the line above it, which works. Here backward() raises; with any other trainable part in the "
        "model the job runs, the loss falls, and the head never moves."
    ),
    repair=(
        "Call model.fc.requires_grad_(True), with the underscore, and count the trainable parameters before training."
    ),
)
