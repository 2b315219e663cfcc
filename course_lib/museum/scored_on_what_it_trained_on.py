"""Exhibit 15: cross-validation without a new model per fold scores what was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from numpy import ndarray


def wrong(x: ndarray, y: ndarray) -> list[float]:
    """Accuracy of a linear classifier on each of five folds."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import KFold

    model = SGDClassifier(random_state=0)
    scores = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(x):
        for _ in range(20):
            model.partial_fit(x[train], y[train], classes=[0, 1])
        scores.append(model.score(x[test], y[test]))
    return scores


def repaired(x: ndarray, y: ndarray) -> list[float]:
    """Accuracy of a linear classifier on each of five folds."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import KFold

    scores = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(x):
        model = SGDClassifier(random_state=0)  # a new model for each fold
        for _ in range(20):
            model.partial_fit(x[train], y[train], classes=[0, 1])
        scores.append(model.score(x[test], y[test]))
    return scores


def measure(program: Callable[[ndarray, ndarray], list[float]]) -> Finding:
    """Score labels that are coin tosses: nothing can predict them, so the accuracy must be near a half."""
    import numpy as np

    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(400, 600)), generator.integers(0, 2, 400)
    scores = program(x, y)
    folds = ", ".join(f"{score:.2f}" for score in scores)
    mean = float(np.mean(scores))
    return Finding(
        mean,
        "accuracy",
        f"On random labels the folds score {folds}: {rounded(mean, 2)} on average where 0.5 is all there is.",
        "" if len(scores) == 5 else f"There are {len(scores)} scores for 5 folds.",
        {"last_fold": scores[-1]},
    )


EXHIBIT = Exhibit(
    number="15",
    title="Cross-validated accuracy",
    fault_name="Scored on what it was trained on",
    chapters=("30",),
    questions=("s000-q04", "s000-q22", "s003-q16", "s003-q22", "s003-q24"),
    claim="Train and score fold after fold; the average is the cross-validated accuracy.",
    quantity="mean accuracy on random labels",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.75, 1),
    healed=Range(0.35, 0.65),
    faulty={
        "model = SGDClassifier(": (
            "The model is made once: from the second fold on it is tested on rows that it has trained on."
        ),
    },
    fine={
        "for train, test in KFold": "The folds are shuffled and disjoint.",
        "model.partial_fit(": "Each round trains on the fold's training rows only.",
        "scores.append(": "Each round scores the fold's test rows.",
        "for _ in range(20):": "Twenty passes overfit, which is allowed: that is what held-out rows are for.",
    },
    why_it_passes_review=(
        "The loop has train and test rows, and KFold is used as documented. The scores rise from fold to fold, "
        "which reads as learning. Relatives: accuracy on the training loader, accuracy on the stream just trained "
        "on."
    ),
    repair="Make the model and its optimizer inside the loop. As a test of the test, score random labels.",
)
