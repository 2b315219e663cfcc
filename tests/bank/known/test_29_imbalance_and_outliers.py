"""Chapter 29, imbalance and outliers: its known answers (K78, K79, K80, K93) recomputed."""

import math

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble._iforest import _average_path_length
from sklearn.metrics import roc_auc_score

from course_lib.practice import known


def test_oversampling_before_the_split():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((600, 20)), np.arange(600) % 10 == 0
    minority = np.flatnonzero(y)

    def auc(train_rows: np.ndarray, test_rows: np.ndarray) -> float:
        model = RandomForestClassifier(100, random_state=0).fit(x[train_rows], y[train_rows])
        return roc_auc_score(y[test_rows], model.predict_proba(x[test_rows])[:, 1])

    everything = generator.permutation(np.concatenate([np.arange(600), generator.choice(minority, 480)]))
    known("oversampling_before_split_auc").check(auc(everything[:720], everything[720:]))
    rows = generator.permutation(600)
    more = np.concatenate([rows[:400], generator.choice(rows[:400][y[rows[:400]]], 320)])
    known("oversampling_after_split_auc").check(auc(more, rows[400:]))


EULER = 0.5772156649015329


def test_undersampling():
    positives, negatives, kept = 300, 7000, 0.1
    p = positives / (positives + kept * negatives)
    known("undersampling_correction", beta=kept, p=p).check(positives / (positives + negatives))


def test_isolation_forest():
    known("isolation_forest_c256").check(_average_path_length(np.array([256]))[0])
    harmonic = sum(1 / i for i in range(1, 256))
    known("isolation_forest_c256_exact").check(2 * harmonic - 2 * 255 / 256)
    known("isolation_forest_c256").check(2 * (math.log(255) + EULER) - 2 * 255 / 256)


def test_focal_loss():
    for p in (0.9, 0.968):
        loss, plain = -((1 - p) ** 2) * math.log(p), -math.log(p)
        known("focal_factor", p=p, gamma=2).check(loss / plain)
