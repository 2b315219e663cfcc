"""Exhibit 14: no_grad is described as parallel inference, and eval() is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor, nn


def wrong(model: nn.Module, samples: Tensor) -> Tensor:
    """Predict for many samples (n, features) in parallel."""
    import torch

    outputs = []
    with torch.no_grad():
        for sample in samples:
            outputs.append(model(sample.unsqueeze(0)))
    return torch.cat(outputs)


def repaired(model: nn.Module, samples: Tensor) -> Tensor:
    """Predict for many samples (n, features) in parallel."""
    import torch

    model.eval()
    with torch.inference_mode():
        return model(samples)


def measure(program: Callable[[nn.Module, Tensor], Tensor]) -> Finding:
    """Call it twice on the same samples and count forward passes."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 1))
    samples = torch.randn(16, 8)
    calls = []
    model[0].register_forward_hook(lambda module, _inputs, output: calls.append(output.device))
    difference = float((program(model, samples) - program(model, samples)).detach().abs().max())
    passes = len(calls) // 2
    counted = f"{passes} forward pass{'es' * (passes > 1)} for 16 samples"
    return Finding(
        difference,
        "in the largest output difference",
        f"Two calls on the same samples differ by {rounded(difference, 2)}; {counted}, on {len(set(calls))} device.",
        "" if passes == 1 else f"{counted}: one after another, not in parallel.",
        {"passes": passes, "devices": len(set(calls))},
    )


EXHIBIT = Exhibit(
    number="14",
    title="Inference on several devices",
    fault_name="no_grad sold as parallel inference",
    chapters=("03", "15"),
    questions=("s000-q02", "s000-q04", "s000-q06", "s000-q22", "s001-q08", "s004-q07"),
    claim="torch.no_grad() lets inference run on several devices at once.",
    quantity="the largest difference between two answers to the same input",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.01),
    healed=Range(0, 1e-6),
    faulty={
        "for sample in samples:": (
            "One sample after another on one device: nothing is batched and nothing is parallel."
        ),
        "outputs.append(model(": (
            "The model is still in train mode: dropout draws anew for every call. eval() is missing."
        ),
    },
    fine={
        "with torch.no_grad():": (
            "Turning off autograd's recording is right for inference. It saves memory and spreads nothing."
        ),
        "return torch.cat(outputs)": "Joining the outputs is fine, though a batch would not need it.",
    },
    why_it_passes_review=(
        "no_grad belongs in every inference answer, so its presence looks like care. A test on a model without "
        "dropout and batch-norm passes."
    ),
    repair="Call eval(), batch the samples, and use inference_mode. For several devices use replicas or shards.",
)
