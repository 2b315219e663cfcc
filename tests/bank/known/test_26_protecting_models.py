"""Chapter 26, protecting models: its known answers (K71) recomputed."""

import math

import numpy as np

from course_lib.practice import known


def test_watermark():
    """z of green counts is a standard normal without a watermark: its mean and spread by the binomial law."""
    tokens, share = 200, 0.25
    counts = np.arange(tokens + 1)
    law = np.exp([math.lgamma(201) - math.lgamma(g + 1) - math.lgamma(201 - g) for g in counts])
    law *= share**counts * (1 - share) ** (tokens - counts)
    mean, spread = (counts * law).sum(), math.sqrt((counts**2 * law).sum() - (counts * law).sum() ** 2)
    for green in (70, 100):
        known("watermark_z", G=green, T=tokens, gamma=share).check((green - mean) / spread)
    shortest = next(t for t in range(2, 500, 2) if known("watermark_z", G=t / 2, T=t, gamma=share).value >= 4)
    known("watermark_shortest").check(shortest)
