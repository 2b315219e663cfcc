"""Chapter 10, distributed design: its known answers (K28, K29, K30) recomputed."""

import hashlib
import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from course_lib.practice import known

HOURS, DELTA = 54 * 24, 30.0


M = HOURS / 419 * 3600


def overhead(work: float) -> float:
    """Exact time per useful time of a renewal process: failures at rate 1/M, a checkpoint after `work` seconds."""
    return M * (math.exp((work + DELTA) / M) - 1) / work - 1


def test_checkpoint_interval():
    known("mean_time_between_interruptions", hours=HOURS, interruptions=419).check(M / 3600)
    best = minimize_scalar(overhead, bounds=(60, 7200), method="bounded")
    known("checkpoint_interval", delta=DELTA, M=M).check(best.x)
    known("checkpoint_waste", delta=DELTA, M=M).check(best.fun)
    rows = [known("checkpoint_interval", delta=DELTA, M=M).value, known("checkpoint_waste", delta=DELTA, M=M).value]
    assert rows == pytest.approx([13.6 * 60, 0.073], rel=0.01)


def test_checkpoint_waste_in_a_simulation():
    generator = np.random.default_rng(0)
    known("checkpoint_waste", delta=DELTA, M=M).check(simulated_waste(generator, 817.0, segments=60_000))


def simulated_waste(generator: np.random.Generator, work: float, segments: int) -> float:
    """Wasted over useful time: each segment is repeated until no failure falls into it."""
    lost = 0.0
    for _ in range(segments):
        while (failure := generator.exponential(M)) < work + DELTA:
            lost += failure
        lost += DELTA
    return lost / (segments * work)


def test_longest_checkpoint_for_ten_per_cent():
    limit = known("checkpoint_seconds_for_waste", waste=0.1, M=M)
    limit.check((0.1 * M) ** 2 / (2 * M))  # √(2δM) of work loses 10 %: δ = w·interval/2, interval = wM
    assert known("checkpoint_waste", delta=limit.value, M=M).value == pytest.approx(0.1)


def test_reed_solomon():
    """Polynomials over GF(256) through 6 points, evaluated at 3 more: any 6 of the 9 values give the rest back."""
    exponent, logarithm = [0] * 510, [0] * 256
    x = 1
    for i in range(255):
        exponent[i] = exponent[i + 255] = x
        logarithm[x] = i
        x = (x << 1) ^ (0x11D if x & 0x80 else 0)

    def times(a: int, b: int) -> int:
        return exponent[logarithm[a] + logarithm[b]] if a and b else 0

    def over(a: int, b: int) -> int:
        return exponent[logarithm[a] - logarithm[b] + 255] if a else 0

    def interpolate(points: list[tuple[int, int]], at: int) -> int:
        value = 0
        for i, (xi, yi) in enumerate(points):
            term = yi
            for j, (xj, _) in enumerate(points):
                if i != j:
                    term = over(times(term, at ^ xj), xi ^ xj)
            value ^= term
        return value

    data = [17, 0, 255, 3, 99, 128]
    points = list(enumerate(data, start=1))
    stored = points + [(at, interpolate(points, at)) for at in (7, 8, 9)]
    known("erasure_overhead", data=6, parity=3).check(len(stored) / len(data))
    known("erasure_overhead", data=1, parity=2).check(3)
    survived = sum(
        [interpolate([p for p in stored if p not in lost], at) for at in range(1, 7)] == data
        for lost in itertools.combinations(stored, 3)
    )
    known("erasure_survives").check(survived)


def test_keys_that_move():
    def score(key: int, node: int) -> bytes:
        return hashlib.blake2b(f"{key}:{node}".encode(), digest_size=8).digest()

    keys = range(6000)
    before = [max(range(10), key=lambda node: score(key, node)) for key in keys]
    after = [max((before[key], 10), key=lambda node: score(key, node)) for key in keys]
    known("keys_moved_rendezvous").check(np.mean(np.array(before) != np.array(after)))
    hashes = [int.from_bytes(score(key, 0)) for key in keys]
    known("keys_moved_modulo").check(np.mean([h % 10 != h % 11 for h in hashes]))
