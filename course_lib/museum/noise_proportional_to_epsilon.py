"""Exhibit 7: noise that grows with epsilon, added to raw data, called differential privacy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def wrong(values: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
    """Mean of people's values, each in [0, 1], with epsilon-differential privacy."""
    import torch

    people = len(values)
    noise = epsilon * torch.randn(1, generator=generator)
    total = values.sum()
    return total / people + noise


def repaired(values: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
    """Mean of people's values, each in [0, 1], with epsilon-differential privacy (the Laplace mechanism)."""
    import torch

    people = len(values)
    sensitivity = 1 / people  # replacing one person's value moves the mean by at most this, once values are clipped
    exponentials = torch.empty(2).exponential_(generator=generator)
    noise = sensitivity / epsilon * (exponentials[0] - exponentials[1])  # a Laplace variable
    total = values.clamp(0, 1).sum()
    return total / people + noise


def measure(program: Callable[..., Tensor]) -> Finding:
    """Release the same mean 2,000 times at a strict and at a loose epsilon; then let one person lie."""
    import torch

    values = torch.full((100,), 0.5)

    def spread(epsilon: float) -> float:
        generator = torch.Generator().manual_seed(0)
        return float(torch.stack([program(values, epsilon, generator) for _ in range(2000)]).std())

    strict, loose = spread(0.1), spread(10.0)
    liar = torch.cat([values[:-1], torch.tensor([1e6])])
    moved = abs(
        float(program(liar, 1.0, torch.Generator().manual_seed(0)))
        - float(program(values, 1.0, torch.Generator().manual_seed(0)))
    )
    ratio = strict / loose if loose else float("inf")
    least = 2**0.5 / len(values) / 0.1  # standard deviation of Laplace noise of scale sensitivity / epsilon
    still = "" if moved <= 0.011 else f"One value of 1,000,000 moves the mean by {rounded(moved)}: it is not clipped."
    if not 0.9 * least <= strict <= 1.1 * least:
        still = still or (
            f"At epsilon 0.1 the noise has a standard deviation of {rounded(strict, 2)}; Laplace noise of scale "
            f"sensitivity / epsilon has {rounded(least, 2)}."
        )
    return Finding(
        ratio,
        "times",
        f"Noise has a standard deviation of {rounded(strict, 2)} at epsilon 0.1 and {rounded(loose, 2)} at epsilon 10.",
        still,
        {"std_strict": strict, "std_loose": loose, "std_at_one": spread(1.0), "moved_by_one_person": moved},
    )


EXHIBIT = Exhibit(
    number="7",
    title="Differential privacy by adding noise",
    fault_name="Noise proportional to epsilon",
    chapters=("24",),
    questions=("s003-q15", "s001-q04"),
    claim="Differential privacy: add noise of size epsilon to the data; a strict setting is a small epsilon.",
    quantity="noise at epsilon 0.1 over noise at epsilon 10",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0, 1),
    healed=Range(80, 125),
    faulty={
        "noise = epsilon *": (
            "The stricter the setting, the smaller the noise: the protection is upside down. It must grow with "
            "sensitivity / epsilon."
        ),
        "total = values.sum()": "Nothing bounds one person's value, so no amount of noise hides that person.",
    },
    fine={
        "people = len(values)": "The number of people may be public; the guarantee meant here replaces a person.",
        "return total / people": "Noise on a released statistic is the right place.",
    },
    why_it_passes_review=(
        "There is a parameter called epsilon, there is noise, and nobody plots the noise against epsilon. At epsilon 1 "
        "and 100 people this noise has a standard deviation of 1, where Laplace noise has 0.014: 71 times too much, "
        "which looks safe; at epsilon 0.1 it has 0.1 where 0.14 is needed. A relative: a 'DP loss' computed after "
        "optimizer.step(), which leaves the weights as they were, bit by bit."
    ),
    repair=(
        "Clip each person's contribution, then add Laplace noise of scale sensitivity / epsilon (for training: clip "
        "per-sample gradients, add Gaussian noise to their sum, account for delta)."
    ),
    source="Dwork and Roth, The Algorithmic Foundations of Differential Privacy, theorem 3.6: quoted, not verified.",
)
