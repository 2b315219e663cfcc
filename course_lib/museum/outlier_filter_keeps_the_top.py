"""Exhibit 13: an outlier filter that keeps only the five per cent that are most normal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from numpy import ndarray


def wrong(rows: ndarray) -> ndarray:
    """Rows without outliers; about a tenth are expected to be outliers."""
    import numpy as np
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(contamination=0.1, random_state=0).fit(rows)
    score = forest.decision_function(rows)
    threshold = np.percentile(score, 95)
    return rows[score >= threshold]


def repaired(rows: ndarray) -> ndarray:
    """Rows without outliers; about a tenth are expected to be outliers."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(contamination=0.1, random_state=0).fit(rows)
    return rows[forest.predict(rows) == 1]


def measure(program: Callable[[ndarray], ndarray]) -> Finding:
    """Count the rows that are dropped from 1,000, of which 100 lie far out."""
    import numpy as np

    generator = np.random.default_rng(0)
    rows = generator.normal(size=(1000, 4))
    rows[:100] *= 6
    kept = program(rows.copy())
    dropped = len(rows) - len(kept)
    far = int((np.linalg.norm(kept, axis=1) > 6).sum())
    return Finding(
        dropped,
        "rows",
        f"{dropped} of 1,000 rows are dropped; 100 are outliers.",
        f"{far} rows far out are kept." if far > 20 else "",
        {"far_kept": far},
    )


EXHIBIT = Exhibit(
    number="13",
    title="Outliers by isolation forest",
    fault_name="An outlier filter that keeps the top",
    chapters=("29",),
    questions=("s003-q30",),
    claim="Score the rows with an isolation forest and cut at the 95th percentile of the score.",
    quantity="rows dropped of 1,000",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(900, 999),
    healed=Range(50, 150),
    faulty={
        "np.percentile(score, 95)": (
            "decision_function is high for normal rows and low for outliers: what lies above its 95th percentile is "
            "the most normal twentieth."
        ),
    },
    fine={
        "IsolationForest(contamination=0.1": "A tenth is the share that is expected; it sets where predict() cuts.",
        "forest.decision_function(rows)": "A score per row is what a cut needs; mind its sign.",
        "return rows[score >= threshold]": (
            "Keeping the high scores is right: they are the normal rows. The threshold is not."
        ),
    },
    why_it_passes_review=(
        "'95 %' reads like 'drop 5 %', and metrics may even improve: what is left is easy. Nobody prints the number "
        "of rows before and after."
    ),
    repair=(
        "Keep predict() == 1, which uses the contamination, or cut at the 10th percentile. Print how many rows go "
        "and look at some of them."
    ),
)
