"""Chapter 05, hyperparameter search: its known answers (K76, K77, K94) recomputed."""

import numpy as np

from course_lib.practice import known


def test_random_search():
    """Only the first of five dimensions matters; its best place is 0.37."""
    generator = np.random.default_rng(0)
    grid = np.abs(np.array([0, 0.5, 1]) - 0.37).min()
    wins = np.abs(generator.random((20_000, 9)) - 0.37).min(1) < grid
    known("random_search_wins").check(wins.mean())


def test_random_search_trials():
    known("random_search_trials").check(next(n for n in range(1000) if 1 - 0.95**n >= 0.95))


def test_hyperband():
    most, eta, largest = 81, 3, 4
    for s in range(largest + 1):
        # ⌈(s_max+1)·η^s/(s+1)⌉ in whole numbers, and R divided s times.
        known("hyperband_configurations", s_max=largest, s=s, eta=eta).check(-(-(largest + 1) * eta**s // (s + 1)))
        resource = most
        for _ in range(s):
            resource //= eta
        known("hyperband_resource", R=most, s=s, eta=eta).check(resource)
