"""Chapter 18, serving under load: its known answers (K84, K86, K92) recomputed."""

import heapq
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


def test_fan_out():
    servers, slow = 100, 0.01
    state, hedged = 1.0, 1.0
    for _ in range(servers):
        state *= 1 - slow
        hedged *= 1 - slow * slow
    known("fan_out_slow", n=servers, p=slow).check(1 - state)
    known("fan_out_slow_hedged", n=servers, p=slow).check(1 - hedged)


RATE, PREFILL, STEP, PROMPT, OUTPUT = 2.0, 1e-4, 0.015, (500, 4000), 100


def serve(chunk: int | None, seconds: float = 120.0) -> dict[str, float]:
    """A server in virtual time: a step costs 15 ms and 0.1 ms per prompt token, and makes a token per open answer.

    chunk: prompt tokens a step may take in; None takes whole prompts first, decoding nothing meanwhile.
    """
    generator = np.random.default_rng(0)
    arrivals = np.cumsum(generator.exponential(1 / RATE, int(RATE * seconds))).tolist()
    waiting = [(t, int(generator.integers(*PROMPT))) for t in arrivals]
    now, prompts, answers, stamps = 0.0, [], [], {t: [] for t, _ in waiting}
    heapq.heapify(waiting)
    while waiting or prompts or answers:
        while waiting and waiting[0][0] <= now:
            prompts.append(list(heapq.heappop(waiting)))
        if not prompts and not answers:
            now = waiting[0][0]
            continue
        room = math.inf if chunk is None else chunk - len(answers)
        decoding = list(answers) if chunk is not None or not prompts else []
        taken, finished = 0, []
        while prompts and taken < room:
            part = min(prompts[0][1], room - taken)
            prompts[0][1] -= part
            taken += part
            if prompts[0][1] == 0:
                finished.append(prompts.pop(0)[0])
            if chunk is None:
                break
        now += STEP + PREFILL * taken
        for request in decoding + finished:
            stamps[request].append(now)
        answers = [r for r in answers + finished if len(stamps[r]) < OUTPUT]
    first = np.array([times[0] - t for t, times in stamps.items()])
    gaps = [np.diff(times).max() for times in stamps.values()]
    good = np.mean([f < 1.0 and g < 0.1 for f, g in zip(first, gaps, strict=True)])
    return {"throughput": len(stamps) * OUTPUT / now, "worst gap": max(gaps), "goodput": float(good)}


def test_chunked_prefill():
    whole, chunked = serve(None), serve(512)
    known("chunked_prefill_throughput").check(chunked["throughput"] / whole["throughput"])
    known("chunked_prefill_goodput_gain").check(chunked["goodput"] - whole["goodput"])
    known("chunked_prefill_worst_gap").check(chunked["worst gap"] / whole["worst gap"])
