"""Chapter 09, pipeline parallel: its known answers (K23, K24, K25, K26) recomputed."""

import itertools

import pytest

from course_lib.museum.zero_bubble_definitions import simulated as simulated_zb1p
from course_lib.practice import known
from tests.bank.known.pipeline import gpipe, one_f_one_b, peak_held, simulate, zero_bubble

SPLIT = {"F": 1.0, "B": 1.0, "W": 1.0}


WHOLE = {"F": 1.0, "B": 2.0}  # a backward for inputs and weights at once


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
