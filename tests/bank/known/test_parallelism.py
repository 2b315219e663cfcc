"""K3, K23 to K30: traffic of ZeRO, bubbles of pipelines, checkpoints, erasure codes and keys that move."""

import hashlib
import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from course_lib.museum.zero_bubble_definitions import simulated as simulated_zb1p
from course_lib.practice import known
from tests.bank.known.pipeline import gpipe, one_f_one_b, peak_held, simulate, zero_bubble


def test_linear_scaling():
    """Where the gradient does not change, B/256 steps at 0.1 go as far as one step at the scaled rate."""
    for batch in (256, 1024, 8192):
        known("linear_scaling_lr", B=batch).check(sum([0.1] * (batch // 256)))


SPLIT = {"F": 1.0, "B": 1.0, "W": 1.0}
WHOLE = {"F": 1.0, "B": 2.0}  # a backward for inputs and weights at once


def passes_of_a_ring(n: int, elements: int) -> list[int]:
    """Elements each rank sends when n equal chunks go once round a ring (reduce-scatter or all-gather)."""
    chunks = [elements // n] * n
    return [sum(chunks[(rank - step) % n] for step in range(n - 1)) for rank in range(n)]


@pytest.mark.parametrize("n", [2, 4, 8])
def test_zero_traffic(n):
    elements = 16 * n
    half = passes_of_a_ring(n, elements)[0]
    known("zero_12_traffic", n=n).check(2 * half / elements)
    known("zero_3_traffic", n=n).check(3 * half / elements)


def test_algbw_and_busbw():
    """A ring that moves 2(n-1)/n of the payload over each link in a second has that busbw."""
    n, payload = 8, 800
    sent = 2 * passes_of_a_ring(n, payload)[0]
    known("bus_bandwidth", n=n, bytes=payload, seconds=2.0).check(sent / 2.0)
    known("algorithm_bandwidth", bytes=payload, seconds=2.0).check(payload / 2.0)


@pytest.mark.parametrize(("p", "m"), [(4, 8), (8, 32), (4, 4)])
@pytest.mark.parametrize("schedule", [gpipe, one_f_one_b])
def test_bubble_of_gpipe_and_1f1b(schedule, p, m):
    times = simulate(schedule(p, m), WHOLE, list(range(p)))
    whole, work = max(ends[-1][1] for ends in times), m * 3.0
    known("pipeline_bubble_fraction", p=p, m=m).check((whole - work) / whole)
    known("pipeline_bubble_ratio", p=p, m=m).check((whole - work) / work)
    known("bubble_1f1b_time", p=p, F=1, B=1, W=1).check(whole - work)


def test_1f1b_with_other_times():
    times = simulate(one_f_one_b(4, 8), {"F": 2.0, "B": 3.0 + 1.0}, list(range(4)))
    known("bubble_1f1b_time", p=4, F=2, B=3, W=1).check(max(ends[-1][1] for ends in times) - 8 * 6)


@pytest.mark.parametrize("p", [4, 8])
def test_bubble_of_zb_h1(p):
    known("bubble_zb_h1_time", p=p, F=1, B=1, W=1).check(simulated_zb1p(p))


@pytest.mark.parametrize("p", [4, 8])
def test_zb_h2_has_no_gap_and_holds_more(p):
    m = 3 * p
    lists = zero_bubble(p, m, 2 * p - 1)
    times = simulate(lists, SPLIT, list(range(p)))
    idle = [ends[-1][1] - ends[0][0] - 3 * m for ends in times]
    known("bubble_zb_h2").check(max(idle))
    held = peak_held(one_f_one_b(p, m)[0])
    assert held == p
    known("zb_h2_memory", p=p).check(peak_held(lists[0]) / held)


@pytest.mark.parametrize("v", [1, 2, 4])
def test_interleaved_bubble(v):
    p, m = 4, 8
    lists = one_f_one_b(p, m, v)
    times = simulate(lists, {kind: time / v for kind, time in WHOLE.items()}, [c % p for c in range(p * v)])
    whole = max(ends[-1][1] for ends in times)
    known("interleaved_bubble_ratio", p=p, m=m, v=v).check((whole - 3 * m) / (3 * m))


def crossings(place: list[int]) -> dict[int, int]:
    """How often each device hands an activation to another one, per micro-batch."""
    sent = dict.fromkeys(place, 0)
    for a, b in itertools.pairwise(place):
        sent[a] += a != b
    return sent


@pytest.mark.parametrize("v", [2, 4])
def test_traffic_of_interleaving(v):
    p = 4
    plain, cut = crossings(list(range(p))), crossings([c % p for c in range(p * v)])
    for device in range(1, p - 1):
        known("interleaved_traffic", v=v).check(cut[device] / plain[device])


def test_traffic_of_zbv():
    p = 4
    down = list(range(p))
    v_shape = crossings(down + down[::-1])
    known("zbv_traffic").check(sum(v_shape.values()) / sum(crossings(down).values()))


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
