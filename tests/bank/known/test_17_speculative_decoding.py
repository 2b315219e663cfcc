"""Chapter 17, speculative decoding: its known answers (K47, K48) recomputed."""

import numpy as np
import pytest

from course_lib.museum.speculative_bonus_token import simulated as simulated_speculation
from course_lib.practice import known


def test_speculative_tokens():
    for alpha, gamma in ((0.8, 4), (0.6, 1), (0.3, 3)):
        known("speculative_tokens_per_pass", alpha=alpha, gamma=gamma).check(simulated_speculation(alpha, gamma, 0.0))


def test_speculative_sampling():
    """Draft from q, accept with min(1, p/q), else draw from max(0, p - q): share accepted and law of the output."""
    generator = np.random.default_rng(0)
    p, q = generator.dirichlet(np.ones(20)), generator.dirichlet(np.ones(20))
    drafts = generator.choice(20, 400_000, p=q)
    accepted = generator.random(len(drafts)) < np.minimum(1, p[drafts] / q[drafts])
    rest = np.maximum(p - q, 0)
    output = np.where(accepted, drafts, generator.choice(20, len(drafts), p=rest / rest.sum()))
    variation = np.abs(p - q).sum() / 2
    assert np.minimum(p, q).sum() == pytest.approx(1 - variation)
    known("speculative_acceptance").check(accepted.mean() / (1 - variation))
    known("speculative_output_tv").check(np.abs(np.bincount(output[:20_000], minlength=20) / 20_000 - p).sum() / 2)
