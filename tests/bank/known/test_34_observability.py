"""Chapter 34, observability: its known answers (K81, K82) recomputed."""

import numpy as np

from course_lib.practice import known


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
