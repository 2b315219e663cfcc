"""Exhibit 2: data parallelism without a distributed sampler: every rank reads everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset


def wrong(dataset: Dataset, epochs: int, train_step: Callable[[int, Tensor], None]) -> None:
    """What each rank runs: train on its share of the data, shuffled anew for each epoch."""
    from torch.utils.data import DataLoader

    loader = DataLoader(dataset, batch_size=8, shuffle=True)
    for epoch in range(epochs):
        for batch in loader:
            train_step(epoch, batch)


def repaired(dataset: Dataset, epochs: int, train_step: Callable[[int, Tensor], None]) -> None:
    """What each rank runs: train on its share of the data, shuffled anew for each epoch."""
    from torch.utils.data import DataLoader, DistributedSampler

    sampler = DistributedSampler(dataset, shuffle=True)
    loader = DataLoader(dataset, batch_size=8, sampler=sampler)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for batch in loader:
            train_step(epoch, batch)


def measure(program: Callable[..., None]) -> Finding:
    """Record which of 64 samples 2 equally seeded ranks draw in two epochs, and their first batches' gradients."""
    from course_lib.lab import Gang

    ranks = Gang(2, timeout=20).run(_on_a_rank, program)
    draws = [[index for drawn, _ in ranks for index in drawn[epoch]] for epoch in (0, 1)]
    per_sample = len(draws[0]) / max(1, len(set(draws[0])))
    apart = float((ranks[0][1] - ranks[1][1]).abs().max())
    first, different = ranks[0][0], len(set(draws[0]))
    still = "Both epochs come in the same order: the sampler is not told the epoch." if first[0] == first[1] else ""
    if different < 64:
        still = f"Only {different} of 64 samples are drawn in an epoch."
    return Finding(
        per_sample,
        "draws per sample",
        f"Two ranks make {len(draws[0])} draws of {different} different samples in an epoch; their first "
        f"gradients differ by {rounded(apart, 2)}.",
        still,
        {"gradient_difference": apart},
    )


def _on_a_rank(rank: int, program: Callable[..., None]) -> tuple[tuple[list[int], list[int]], Tensor]:
    """Indices drawn in epochs 0 and 1, and the gradient of a linear model on this rank's first batch."""
    import torch

    torch.manual_seed(0)
    features = torch.randn(64, 5)
    drawn: tuple[list[int], list[int]] = ([], [])
    gradients = []

    def train_step(epoch: int, batch: Tensor) -> None:
        weight = torch.zeros(5, requires_grad=True)
        (features[batch] @ weight - 1).square().mean().backward()
        gradients.append(weight.grad)
        drawn[epoch].extend(batch.tolist())

    program(torch.arange(64), 2, train_step)
    return drawn, gradients[0]


EXHIBIT = Exhibit(
    number="2",
    title="DDP with the usual loader",
    fault_name="Every rank reads everything",
    chapters=("06",),
    questions=("s003-q08", "s003-q12", "s003-q20", "s004-q01", "s004-q05", "s000-q16", "s001-q01", "s001-q10"),
    claim="Wrap the model in DDP and train with the usual DataLoader(shuffle=True): N GPUs, N times as fast.",
    quantity="draws per different sample in an epoch on 2 ranks",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    ranks=2,
    fault=Range(1.5, 2),
    healed=Range(1, 1),
    faulty={
        "loader = DataLoader(": (
            "Nothing tells the ranks apart: each walks the whole data set, and with equal seeds in the same order, "
            "so that the second GPU adds nothing."
        ),
    },
    fine={
        "for epoch in range(epochs):": "Epochs are counted, which set_epoch will need.",
        "for batch in loader:": "The loop over batches is the usual one.",
        "train_step(epoch, batch)": "The step, with DDP's reduction in its backward pass, is right.",
    },
    why_it_passes_review=(
        "Losses fall as they should and all GPUs are busy. An epoch takes as long as on one GPU, and that is put "
        "down to communication."
    ),
    repair=(
        "DistributedSampler, and set_epoch in each epoch: without it every epoch has the first one's order. Count "
        "draws against different samples."
    ),
)
