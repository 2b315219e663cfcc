"""Chapter 16, serving engine: its known answers (K45, K46) recomputed."""

import numpy as np
import pytest

from course_lib.museum.whose_speed_up import continuous_over_static
from course_lib.practice import known


def test_kv_waste():
    lengths = np.random.default_rng(0).integers(32, 2049, 200_000)
    known("kv_waste_preallocated").check(100 * (1 - lengths.mean() / 2048))
    for block in (16, 64, 256):
        held = -(-lengths // block) * block
        known(f"kv_waste_blocks_{block}").check(100 * (1 - lengths.sum() / held.sum()))


@pytest.mark.parametrize("batch", [4, 16, 64])
def test_continuous_batching(batch):
    gain = known(f"continuous_batching_gain_{batch}")
    gain.check(continuous_over_static(batch, requests=400 * batch, mean_length=400.0))
    lengths = np.random.default_rng(0).exponential(1, (20_000, batch))
    gain.check(lengths.max(1).mean() / lengths.mean())
    assert gain.value == pytest.approx(sum(1 / i for i in range(1, batch + 1)), rel=1e-5)
