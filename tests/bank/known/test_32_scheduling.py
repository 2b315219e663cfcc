"""Chapter 32, scheduling: its known answers (K83, K85, K87, K88, K89) recomputed."""

import itertools
import math

import numpy as np
import pytest

from course_lib.practice import known


@pytest.mark.parametrize("servers", [1, 4, 16])
def test_pooling(servers):
    """The birth-death chain's stationary law, summed."""
    load = 0.8 * servers
    weights = [1.0]
    for n in range(1, 2000):
        weights.append(weights[-1] * load / min(n, servers))
    queued = sum((n - servers) * weight for n, weight in enumerate(weights) if n > servers) / sum(weights)
    known(f"pooled_wait_{servers}").check(queued / load)  # Little's law


def test_two_choices():
    loads = {1: [], 2: []}
    for seed in range(8):
        generator = np.random.default_rng(seed)
        for choices, found in loads.items():
            bins = [0] * 10_000
            for options in generator.integers(10_000, size=(10_000, choices)).tolist():
                chosen = min(options, key=bins.__getitem__)
                bins[chosen] += 1
            found.append(max(bins))
    known("max_load_one_choice").check(np.mean(loads[1]))
    known("max_load_two_choices").check(np.mean(loads[2]))


def test_dominant_resource_fairness():
    total, needs = (9, 18), {"a": (1, 4), "b": (3, 1)}
    tasks = {"a": 0, "b": 0}
    while True:
        user = min(tasks, key=lambda u: max(tasks[u] * n / t for n, t in zip(needs[u], total, strict=True)))
        tasks[user] += 1
        used = [sum(tasks[u] * needs[u][i] for u in tasks) for i in range(2)]
        if any(u > t for u, t in zip(used, total, strict=True)):
            tasks[user] -= 1
            break
    for user, number in tasks.items():
        known(f"drf_tasks_{user}").check(number)


def test_autoscaler():
    def wanted(current: int, metric: float, target: float) -> int:
        ratio = metric / target
        return current if abs(ratio - 1) <= 0.1 else math.ceil(current * ratio)

    known("hpa_replicas", current=4, metric=90, target=60).check(wanted(4, 90, 60))
    known("hpa_replicas_in_tolerance").check(wanted(4, 64.8, 60))


def test_availability():
    known("downtime_minutes", a=0.999, minutes=30 * 24 * 60).check(43.2)
    for key, a, n, works in (("availability_parallel", 0.99, 2, any), ("availability_series", 0.999, 3, all)):
        up = sum(
            math.prod(a if state else 1 - a for state in states)
            for states in itertools.product((True, False), repeat=n)
            if works(states)
        )
        known(key, a=a, n=n).check(up)
