"""K43 to K48: the KV cache and its waste, batching, and speculative decoding."""

import heapq
import math

import numpy as np
import pytest
import torch

from course_lib.museum.speculative_bonus_token import simulated as simulated_speculation
from course_lib.museum.whose_speed_up import continuous_over_static
from course_lib.practice import known


@pytest.mark.parametrize(("layers", "heads", "width"), [(32, 32, 128), (32, 8, 128), (40, 40, 128)])
def test_kv_bytes(layers, heads, width):
    cache = torch.empty(layers, 2, heads, 1, width, dtype=torch.bfloat16, device="meta")
    known("kv_bytes_per_token", L=layers, n_kv=heads, d_head=width, bytes=2).check(cache.nbytes)


def test_gigabytes_and_gibibytes():
    size = torch.empty(40, 2, 8192, 5120, dtype=torch.bfloat16, device="meta").nbytes
    known("gigabytes", bytes=size).check(size * 1e-9)
    known("gibibytes", bytes=size).check(math.ldexp(size, -30))


def test_online_softmax():
    """Attention over blocks of keys with a running maximum and sum, against all keys at once."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(64, 32, generator=generator) * 3 for _ in range(3))
    dense = (q @ k.T / math.sqrt(32)).softmax(1) @ v
    largest, total, mixed = torch.full((64, 1), -math.inf), torch.zeros(64, 1), torch.zeros(64, 32)
    for keys, values in zip(k.split(16), v.split(16), strict=True):
        scores = q @ keys.T / math.sqrt(32)
        new = torch.maximum(largest, scores.max(1, keepdim=True).values)
        old, weights = (largest - new).exp(), (scores - new).exp()
        total, mixed, largest = total * old + weights.sum(1, keepdim=True), mixed * old + weights @ values, new
    known("online_softmax_difference").check((mixed / total - dense).abs().max())


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
