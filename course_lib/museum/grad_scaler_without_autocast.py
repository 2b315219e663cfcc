"""Exhibit 4: a gradient scaler without autocast, called mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def wrong(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    """One training step in mixed precision."""
    import torch
    from torch.nn import functional as F

    scaler = torch.amp.GradScaler("cpu")
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()


def repaired(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    """One training step in mixed precision."""
    import torch
    from torch.nn import functional as F

    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):  # bfloat16 has float32's range and needs no scaler
        loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()


def measure(program: Callable[..., None]) -> Finding:
    """Look at the type of every Linear layer's output during the step."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))
    seen: list[torch.dtype] = []
    for module in model:
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    program(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.randn(16, 32), torch.arange(16) % 4)
    size = sum(dtype.itemsize for dtype in seen) / max(1, len(seen))
    moved = any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    names = ", ".join(sorted({str(dtype).removeprefix("torch.") for dtype in seen})) or "nothing"
    return Finding(
        size,
        "bytes",
        f"The Linear layers compute in {names}: {size:g} bytes per activation.",
        "" if moved else "No weight moved in the step.",
    )


EXHIBIT = Exhibit(
    number="4",
    title="Mixed precision by GradScaler",
    fault_name="A gradient scaler without autocast",
    chapters=("03",),
    questions=("s003-q03",),
    claim="Use GradScaler: training runs in mixed precision and gets faster.",
    quantity="bytes per activation of the Linear layers",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(4, 4),
    healed=Range(2, 2),
    faulty={
        "F.cross_entropy(model(x), y)": (
            "The forward pass runs outside autocast, so every product is computed and stored in float32."
        ),
    },
    fine={
        "torch.amp.GradScaler": "A scaler is right for float16 gradients. It scales a loss; it chooses no type.",
        "scaler.scale(loss).backward()": "Scaling before backward is how the scaler is meant to be used.",
        "scaler.step(optimizer)": "It divides the gradients by the scale again and skips a step with infinities.",
        "scaler.update()": "It adapts the scale, once per step, as it should.",
    },
    why_it_passes_review=(
        "The scaler is the visible part of every mixed-precision recipe, the run stays correct, and the dashboard "
        "carries the label. Only the speed-up and the memory saving are missing."
    ),
    repair=(
        "Run forward pass and loss under torch.autocast; keep the scaler for float16 only. Check one activation's "
        "dtype."
    ),
)
