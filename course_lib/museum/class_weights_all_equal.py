"""Exhibit 12: class weights that are all equal, because they are computed from the sample and not from its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(samples: Sequence[tuple[float, int]]) -> list[float]:
    """Sampling weight of each (value, class) pair, so that rare classes are drawn as often as common ones."""
    weights = []
    for sample in samples:
        size = len(sample)
        weights.append(1 / size)
    return weights


def repaired(samples: Sequence[tuple[float, int]]) -> list[float]:
    """Sampling weight of each (value, class) pair, so that rare classes are drawn as often as common ones."""
    from collections import Counter

    size_of = Counter(label for _, label in samples)
    return [1 / size_of[label] for _, label in samples]


def measure(program: Callable[[Sequence[tuple[float, int]]], list[float]]) -> Finding:
    """Draw 10,000 samples with the weights and count the minority's share."""
    import torch
    from torch.utils.data import WeightedRandomSampler

    samples = [(0.1 * i, int(i % 20 == 0)) for i in range(1000)]  # one in twenty is of class 1
    weights = program(samples)
    drawn = WeightedRandomSampler(weights, 10_000, generator=torch.Generator().manual_seed(0))
    share = sum(samples[i][1] for i in drawn) / 10_000
    return Finding(
        share,
        "of the draws",
        f"The minority is 5 % of the data and {rounded(100 * share, 2)} % of what is drawn; different weights: "
        f"{len(set(weights))}.",
        others={"cosine_of_scaled_mean_loss": _cosine(per_sample=False), "cosine_per_sample": _cosine(per_sample=True)},
    )


def _cosine(per_sample: bool) -> float:
    """Cosine between the unweighted gradient and one with class weights, on the loss' mean or on each sample's loss."""
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 8, generator=generator)
    y = (torch.arange(200) % 20 == 0).long()
    layer = torch.zeros(8, 2, requires_grad=True)
    class_weights = torch.tensor([1.0, 19.0])[y]

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(loss, layer)[0].flatten()

    losses = F.cross_entropy(x @ layer, y, reduction="none")
    plain = gradient(losses.mean())
    losses = F.cross_entropy(x @ layer, y, reduction="none")
    weighted = (class_weights * losses).mean() if per_sample else (class_weights * losses.mean()).mean()
    return float(F.cosine_similarity(plain, gradient(weighted), dim=0))


EXHIBIT = Exhibit(
    number="12",
    title="Imbalanced classes, weighted",
    fault_name="Class weights that are all equal",
    chapters=("29",),
    questions=("s003-q14", "s003-q27"),
    claim=(
        "Weight every sample by one over its size and give the weights to a WeightedRandomSampler: imbalance solved."
    ),
    quantity="the minority's share of the draws",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.03, 0.07),
    healed=Range(0.47, 0.53),
    faulty={
        "size = len(sample)": (
            "It is the length of a (value, class) tuple, 2 for everybody, not the size of the class."
        ),
    },
    fine={
        "weights.append(1 / size)": "One over a count is right, if it is the count of the sample's class.",
        "for sample in samples:": "A weight per sample, in the data's order, is what the sampler wants.",
        "return weights": "The sampler needs no normalised weights.",
    },
    why_it_passes_review=(
        "A sampler with weights is in place and reported as the fix; nobody counts classes in a batch. A relative: "
        "multiplying a loss that is already averaged by class weights changes the gradient's length and not its "
        "direction (cosine 1)."
    ),
    repair="Weight by one over the class count (read labels from the dataset's own list), and count what is drawn.",
)
