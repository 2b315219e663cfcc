"""Exhibit 10: distillation with the student under no_grad, no backward and a loss divided by the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def wrong(teacher: nn.Module, student: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> float:
    """One step of distillation; return the loss, KL(teacher, student) in nats per sample."""
    import torch
    from torch import nn

    optimizer.zero_grad()
    with torch.no_grad():
        target = teacher(x).softmax(dim=-1)
        guess = student(x).log_softmax(dim=-1)
    loss = nn.KLDivLoss()(guess, target)
    optimizer.step()
    return loss.item()


def repaired(teacher: nn.Module, student: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> float:
    """One step of distillation; return the loss, KL(teacher, student) in nats per sample."""
    import torch
    from torch import nn

    optimizer.zero_grad()
    with torch.no_grad():
        target = teacher(x).softmax(dim=-1)
    guess = student(x).log_softmax(dim=-1)
    loss = nn.KLDivLoss(reduction="batchmean")(guess, target)
    loss.backward()
    optimizer.step()
    return loss.item()


def measure(program: Callable[..., float]) -> Finding:
    """Look how far the student moved, and compare the returned loss with the divergence summed over classes."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    classes = 100
    teacher, student = nn.Linear(16, classes), nn.Linear(16, classes)
    x = torch.randn(32, 16)
    p, q = teacher(x).log_softmax(-1), student(x).log_softmax(-1)
    true_loss = float((p.exp() * (p - q)).sum(-1).mean())
    before = student.weight.detach().clone()
    loss = program(teacher, student, torch.optim.SGD(student.parameters(), lr=1.0), x)
    moved = float((student.weight - before).abs().max())
    ratio = true_loss / loss if loss else float("inf")
    right = abs(ratio - 1) < 1e-3
    return Finding(
        moved,
        "in the largest weight change",
        f"The student's weights move by {rounded(moved)}; its loss is the divergence divided by {rounded(ratio)}.",
        "" if right else f"The loss is {rounded(ratio)} times too small with {classes} classes.",
        {"loss_too_small_by": ratio},
    )


EXHIBIT = Exhibit(
    number="10",
    title="Distillation in one loop",
    fault_name="A student that is not listening",
    chapters=("13",),
    questions=("s004-q02",),
    claim=(
        "Distillation: no_grad for the two forward passes saves memory, KLDivLoss compares them, the optimizer steps."
    ),
    quantity="the largest change of a student's weight in one step",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0, 0),
    healed=Range(1e-6),
    faulty={
        "guess = student(x)": (
            "The student's forward pass is inside no_grad: its loss has no graph and nothing to follow."
        ),
        "nn.KLDivLoss()": (
            "The default reduction averages over classes as well and shrinks the loss by their number; use 'batchmean'."
        ),
        "optimizer.step()": "No backward() came before it: there is no gradient to step with.",
    },
    fine={
        "target = teacher(x)": "The teacher belongs under no_grad, as a softmax.",
        "optimizer.zero_grad()": "Clearing the gradients first is right.",
        "return loss.item()": "item() is for logging and is right here.",
    },
    why_it_passes_review=(
        "Every piece has its usual name and the loop runs. Repaired half-way, the loss is still 100 times too small "
        "for 100 classes, and somebody will tune the learning rate for weeks."
    ),
    repair="Only the teacher under no_grad; KLDivLoss(reduction='batchmean'); backward before the step.",
)
