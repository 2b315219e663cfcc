"""K84 to K89: queues, pools, fan-out, two choices, fair shares and autoscaling."""

import math

import numpy as np
import pytest

from course_lib.practice import known


@pytest.mark.parametrize("kind", ["mm1", "md1"])
def test_queue(kind):
    """Lindley's recursion over 2 million customers: wait ← max(0, wait + service - gap)."""
    rho, customers = 0.8, 2_000_000
    generator = np.random.default_rng(0)
    service = generator.exponential(1, customers) if kind == "mm1" else np.ones(customers)
    steps = np.concatenate([[0], (service - generator.exponential(1 / rho, customers)).cumsum()])
    waits = steps - np.minimum.accumulate(steps)
    known(f"queue_wait_{kind}", rho=rho).check(waits.mean())


@pytest.mark.parametrize("servers", [1, 4, 16])
def test_pooling(servers):
    """The birth-death chain's stationary law, summed."""
    load = 0.8 * servers
    weights = [1.0]
    for n in range(1, 2000):
        weights.append(weights[-1] * load / min(n, servers))
    queued = sum((n - servers) * weight for n, weight in enumerate(weights) if n > servers) / sum(weights)
    known(f"pooled_wait_{servers}").check(queued / load)  # Little's law


def test_fan_out():
    servers, slow = 100, 0.01
    state, hedged = 1.0, 1.0
    for _ in range(servers):
        state *= 1 - slow
        hedged *= 1 - slow * slow
    known("fan_out_slow", n=servers, p=slow).check(1 - state)
    known("fan_out_slow_hedged", n=servers, p=slow).check(1 - hedged)


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
