"""K73 to K83 and K95: tests that are looked at early, sample sizes, searches, drift, budgets and availability."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.ensemble._iforest import _average_path_length

from course_lib.practice import known

EULER = 0.5772156649015329


def largest_z(looks: int, runs: int, absolute: bool) -> np.ndarray:
    """The largest z of each of `runs` experiments without an effect, looked at `looks` times at equal distances."""
    sums = np.random.default_rng(0).standard_normal((runs, looks)).cumsum(1)
    z = sums / np.sqrt(np.arange(1, looks + 1))
    return (np.abs(z) if absolute else z).max(1)


@pytest.mark.parametrize("looks", [1, 2, 5, 10, 20])
def test_peeking(looks):
    found = largest_z(looks, 200_000, absolute=True) > stats.norm.isf(0.025)
    known(f"peeking_false_alarms_{looks}").check(found.mean())


def test_naive_canary():
    known("naive_canary_false_alarms").check((largest_z(50, 20_000, absolute=False) > 1.645).mean())


def test_sample_size():
    for sigma, delta in ((1, 0.1), (3, 0.5)):
        exact = 2 * (stats.norm.isf(0.025) + stats.norm.isf(0.2)) ** 2 * sigma**2 / delta**2
        known("sample_size_rule", sigma=sigma, delta=delta).check(exact)


@pytest.mark.parametrize("rho", [0.8, 0.5])
def test_cuped(rho):
    generator = np.random.default_rng(0)
    before = generator.standard_normal(1_000_000)
    y = rho * before + math.sqrt(1 - rho**2) * generator.standard_normal(len(before))
    theta = np.cov(before, y)[0, 1] / before.var()
    known("cuped_variance", rho=rho).check((y - theta * before).var() / y.var())


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


def test_population_stability_index():
    """Mean and 95 % quantile over pairs of samples of one law, ten equally likely bins."""
    generator = np.random.default_rng(0)
    first, second = (generator.multinomial(1000, [0.1] * 10, 20_000) / 1000 for _ in range(2))
    psi = ((first - second) * np.log(first / second)).sum(1)
    known("psi_without_drift", bins=10, N=1000, M=1000).check(psi.mean())
    known("psi_without_drift_95").check(np.quantile(psi, 0.95))


def test_burn_rate():
    """At that rate the alert's window takes that share of the budget."""
    for share, hours in ((0.02, 1), (0.05, 6), (0.1, 72)):
        rate = known("burn_rate", share=share, budget_hours=720, alert_hours=hours)
        allowed = 0.001  # errors per request that the objective allows
        rate.check((share * allowed * 720 / hours) / allowed)


def test_availability():
    known("downtime_minutes", a=0.999, minutes=30 * 24 * 60).check(43.2)
    for key, a, n, works in (("availability_parallel", 0.99, 2, any), ("availability_series", 0.999, 3, all)):
        up = sum(
            math.prod(a if state else 1 - a for state in states)
            for states in itertools.product((True, False), repeat=n)
            if works(states)
        )
        known(key, a=a, n=n).check(up)
