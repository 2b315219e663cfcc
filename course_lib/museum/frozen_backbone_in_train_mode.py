"""Exhibit 9: the frozen backbone is left in train mode, and its batch-norm statistics drift."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor, nn


def wrong(backbone: nn.Module, head: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Train the head on new data; the backbone stays as it is."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    backbone.requires_grad_(False)
    model = nn.Sequential(backbone, head)
    model.train()
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def repaired(backbone: nn.Module, head: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Train the head on new data; the backbone stays as it is."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    backbone.requires_grad_(False)
    model = nn.Sequential(backbone, head)
    model.train()
    backbone.eval()  # after model.train(), which reaches it too
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def measure(program: Callable[..., None]) -> Finding:
    """Compare the backbone's features of a fixed probe before and after, and its weights."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU())
    head = nn.Linear(16, 3)
    probe = torch.randn(64, 8)
    batches = [(torch.randn(32, 8) * 2 + 3, torch.arange(32) % 3) for _ in range(20)]  # shifted data

    backbone.eval()
    before, weights = backbone(probe), [p.detach().clone() for p in backbone.parameters()]
    learned = head.weight.detach().clone()
    program(backbone, head, batches)
    backbone.eval()
    change = float((backbone(probe) - before).norm() / before.norm())
    moved = max(float((old - new).abs().max()) for old, new in zip(weights, backbone.parameters(), strict=True))
    return Finding(
        change,
        "relative change",
        f"The backbone's weights moved by {rounded(moved)} and its features of a fixed probe by "
        f"{rounded(100 * change, 2)} %.",
        "The head did not learn." if torch.equal(learned, head.weight) else "",
        {"weights_moved": moved},
    )


EXHIBIT = Exhibit(
    number="9",
    title="A backbone that cannot change",
    fault_name="A frozen backbone in train mode",
    chapters=("27",),
    questions=("s003-q24", "s004-q07"),
    claim="With requires_grad off the backbone cannot change, so the old task is safe.",
    quantity="the relative change of the backbone's features",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.1),
    healed=Range(0, 1e-6),
    faulty={
        "model.train()": (
            "It reaches the backbone too: batch-norm then takes its statistics from each batch and moves its "
            "running mean and variance, which are buffers and need no gradient."
        ),
    },
    fine={
        "backbone.requires_grad_(False)": "This freezes the weights, and they do stay put.",
        "torch.optim.SGD(head.parameters()": "Only the head is given to the optimizer, as it should be.",
        "optimizer.zero_grad()": "Gradients are cleared before each step.",
        "nn.Sequential(backbone, head)": "Composing the two changes neither.",
    },
    why_it_passes_review=(
        "A comparison of the weights shows nothing: the change is in the buffers. The new task looks fine; the old "
        "one breaks, and features differ between two jobs that share the backbone."
    ),
    repair="Put the backbone into eval mode after every model.train(), and compare buffers as well as weights.",
)
