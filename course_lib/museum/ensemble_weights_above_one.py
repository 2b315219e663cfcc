"""Exhibit 25: three ensemble members with a weight of one half each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor


def wrong(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Class probabilities of an ensemble from its members' logits, each (n, classes)."""
    weights = (0.5, 0.5, 0.5)
    members = (first, second, third)
    logits = sum(weight * member for weight, member in zip(weights, members, strict=True))
    return logits.softmax(dim=-1)


def repaired(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Class probabilities of an ensemble from its members' logits, each (n, classes)."""
    weights = (1 / 3, 1 / 3, 1 / 3)
    members = (first, second, third)
    logits = sum(weight * member for weight, member in zip(weights, members, strict=True))
    return logits.softmax(dim=-1)


def measure(program: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Finding:
    """Draw labels from the members' mean, so that the mean is calibrated; compare confidence with accuracy."""
    import torch

    generator = torch.Generator().manual_seed(0)
    shared = 1.5 * torch.randn(20_000, 10, generator=generator)
    wobble = 0.5 * torch.randn(3, 20_000, 10, generator=generator)
    members = shared + wobble - wobble.mean(dim=0)
    labels = torch.multinomial(shared.softmax(-1), 1, generator=generator).squeeze(1)
    probabilities = program(*members)
    confidence, top = probabilities.max(dim=-1)
    right = (top == labels).float()
    bins = (confidence * 10).long().clamp(max=9)
    gaps = [abs(float((confidence - right)[bins == i].sum())) for i in range(10)]
    error = sum(gaps) / len(labels)  # expected calibration error, ten bins
    loss = float(-probabilities[torch.arange(len(labels)), labels].log().mean())
    accuracy = float(right.mean())
    lost = accuracy < float((shared.argmax(-1) == labels).float().mean()) - 0.005
    return Finding(
        error,
        "calibration error",
        f"Accuracy is {rounded(accuracy, 2)}; confidence is off by {rounded(error, 2)} on average, with a loss of "
        f"{rounded(loss)} nats.",
        "The accuracy fell: the members are not averaged." if lost else "",
        {"nll": loss, "accuracy": accuracy},
    )


EXHIBIT = Exhibit(
    number="25",
    title="An ensemble of three",
    fault_name="Ensemble weights that sum to 1.5",
    chapters=("27",),
    questions=("s003-q25",),
    claim="Combine three models with a weight of 0.5 each.",
    quantity="expected calibration error",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.05, 0.5),
    healed=Range(0, 0.03),
    faulty={
        "weights = (0.5, 0.5, 0.5)": (
            "They sum to 1.5, which multiplies the logits by 1.5: the same winner, too sure of itself."
        ),
    },
    fine={
        "members = (first, second, third)": "All three members take part.",
        "logits = sum(": "A weighted sum of logits is one of two usual ways (the other averages probabilities).",
        "return logits.softmax": "The softmax over classes makes probabilities of the sum, and hides its scale.",
    },
    why_it_passes_review=(
        "The largest logit stays the largest, so accuracy and every test of it are unchanged. Thresholds, routing "
        "and deferral, which read the confidence, go wrong."
    ),
    repair="Weights that sum to 1, and a calibration error beside the accuracy.",
)
