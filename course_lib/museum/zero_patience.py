"""Exhibit 24: early stopping that ends at the first epoch without improvement."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(validation_losses: list[float]) -> int:
    """The epoch, from 0, whose checkpoint is kept by early stopping."""
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate(validation_losses):
        if loss < best:
            best, best_epoch = loss, epoch
        else:
            break
    return best_epoch


def repaired(validation_losses: list[float]) -> int:
    """The epoch, from 0, whose checkpoint is kept by early stopping with a patience of 10 epochs."""
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate(validation_losses):
        if loss < best:
            best, best_epoch = loss, epoch
        elif epoch - best_epoch >= 10:
            break
    return best_epoch


def measure(program: Callable[[list[float]], int]) -> Finding:
    """Mean true loss, without the noise of validation, at the epoch kept on each of 200 curves."""
    import random

    generator = random.Random(0)
    kept, losses = [], []
    for _ in range(200):
        true = [0.15 + 1.35 * 0.95**epoch for epoch in range(100)]
        noisy = [loss + generator.gauss(0, 0.05) for loss in true]
        epoch = program(noisy)
        kept.append(epoch)
        losses.append(true[epoch])
    mean = sum(losses) / len(losses)
    return Finding(
        mean,
        "nats",
        f"On 200 noisy curves it keeps epoch {rounded(sum(kept) / 200, 2)} on average, with a loss of "
        f"{rounded(mean, 2)}; the curves end at 0.16.",
        others={"mean_epoch": sum(kept) / 200},
    )


EXHIBIT = Exhibit(
    number="24",
    title="Early stopping",
    fault_name="Early stopping with zero patience",
    chapters=("04",),
    questions=("s003-q05",),
    claim="Stop as soon as the validation loss no longer improves.",
    quantity="mean true loss of the kept checkpoint",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.5, 1.5),
    healed=Range(0.15, 0.3),
    faulty={
        "else:": "One worse epoch, which noise alone brings within a few epochs, ends the training.",
    },
    fine={
        "if loss < best:": "Comparing with the best so far, not with the last epoch, is right.",
        "best, best_epoch = loss, epoch": "The best checkpoint is remembered.",
        "return best_epoch": "The best checkpoint is kept, not the last one.",
    },
    why_it_passes_review=(
        "Drawn on a smooth curve it is perfect, and the compute it saves is reported at once. The worse model is "
        "noticed later, if at all."
    ),
    repair="Wait for a patience of several epochs (set by the noise of the validation loss) before stopping.",
)
