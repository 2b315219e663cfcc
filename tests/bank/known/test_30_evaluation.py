"""Chapter 30, evaluation: its known answers (K73, K74, K75) recomputed."""

import math

import numpy as np
import pytest
from scipy import stats

from course_lib.practice import known
from tests.bank.known.shared import largest_z


@pytest.mark.parametrize("looks", [1, 2, 5, 10, 20])
def test_peeking(looks):
    found = largest_z(looks, 200_000, absolute=True) > stats.norm.isf(0.025)
    known(f"peeking_false_alarms_{looks}").check(found.mean())


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
