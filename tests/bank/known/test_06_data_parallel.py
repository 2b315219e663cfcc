"""Chapter 06, data parallel: its known answers (K19, K20, K21, K22, K91) recomputed."""

import pytest
import torch

from course_lib.data.text import Corpus
from course_lib.lab.device import seed_all
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.practice import known
from tests.bank.known.shared import passes_of_a_ring


def test_linear_scaling():
    """Where the gradient does not change, B/256 steps at 0.1 go as far as one step at the scaled rate."""
    for batch in (256, 1024, 8192):
        known("linear_scaling_lr", B=batch).check(sum([0.1] * (batch // 256)))


def test_algbw_and_busbw():
    """A ring that moves 2(n-1)/n of the payload over each link in a second has that busbw."""
    n, payload = 8, 800
    sent = 2 * passes_of_a_ring(n, payload)[0]
    known("bus_bandwidth", n=n, bytes=payload, seconds=2.0).check(sent / 2.0)
    known("algorithm_bandwidth", bytes=payload, seconds=2.0).check(payload / 2.0)


def test_ring_by_counting_a_simulated_ring():
    """K19: pass chunks round a ring and count, for payloads that divide and that do not."""
    for n in (2, 3, 4, 8):
        for payload in (0, 1, 5, 24, 1000):
            chunks = [payload // n + (i < payload % n) for i in range(n)]
            sent = [0] * n
            for rank in range(n):
                for step in range(n - 1):
                    sent[rank] += chunks[(rank - step) % n] + chunks[(rank + 1 - step) % n]
            known("ring_all_reduce_bytes", n=n, K=payload).check(sum(sent))
            for rank in range(n):
                kept = {"kept_first": chunks[(rank + 1) % n], "kept_second": chunks[(rank + 2) % n]}
                known("ring_all_reduce_rank_bytes", K=payload, **kept).check(sent[rank])
            if payload and payload % n == 0:
                known("ring_all_reduce_factor", n=n).check(sent[0] / payload)


def test_overlap_ratio_from_its_two_times():
    """K20: all-reduce time over backward time; the number of parameters cancels."""
    n, b, tokens, peak, bw = 4, 2, 512, 3e11, 2e9
    for parameters in (1e5, 7e10):
        communication = 2 * (n - 1) / n * b * parameters / bw
        backward = 4 * parameters * tokens / peak
        known("data_parallel_overlap_ratio", n=n, b=b, tokens=tokens, peak=peak, bw=bw).check(communication / backward)


def test_two_levels_by_following_each_shard():
    """Reduce-scatter and all-gather stay in the node; a shard of 1/g goes round a ring of the m ranks of its rail."""
    for m, g in ((2, 4), (4, 2), (3, 5)):
        shard = 1 / g
        chunks_sent = 2 * (m - 1)  # of a ring of m ranks, each 1/m of the shard, by each rank and so by each port
        known("two_level_port_bytes", m=m, g=g).check(chunks_sent * shard / m)


def gradient(model, losses):
    model.zero_grad()
    for loss in losses:
        loss().backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("seed", [0, 1])
def test_accumulation_over_ragged_batches(seed):
    """K21 and K91: micro-batches of 2, 30, 5 and 63 tokens of the real text through the course's GPT."""
    counts = (2, 30, 5, 63)
    corpus = Corpus.load()
    generator = seed_all(seed)
    model = GPT(GPTConfig(corpus.vocab_size))
    x, y = corpus.batch("held_out", 4, generator)
    parts = [(x[i : i + 1, :n], y[i : i + 1, :n]) for i, n in enumerate(counts)]
    masked = y.clone()
    for i, n in enumerate(counts):
        masked[i, n:] = -100
    union = gradient(model, [lambda: model.loss(x, masked)])
    means = gradient(model, [lambda part=part: model.loss(*part) / 4 for part in parts])
    sums = gradient(model, [lambda part=part: model.loss(*part, reduction="sum") / sum(counts) for part in parts])
    known("mean_of_means_gradient_error").check((means - union).norm() / union.norm())
    known("token_weighted_gradient_error").check((sums - union).norm() / union.norm())
    # The mean of means of two micro-batches, by the row's formula.
    m1, m2 = (model.loss(*part).item() for part in parts[1:3])
    gap = (m1 + m2) / 2 - (30 * m1 + 5 * m2) / 35
    known("mean_of_means_gap", m1=m1, m2=m2, t1=30, t2=5).check(gap)


def test_equal_batches_accumulate_exactly():
    model = GPT(GPTConfig(11, 8))
    x, y = torch.randint(11, (2, 4, 8))
    union = gradient(model, [lambda: model.loss(x, y)])
    means = gradient(model, [lambda i=i: model.loss(x[i : i + 1], y[i : i + 1]) / 4 for i in range(4)])
    known("token_weighted_gradient_error").check((means - union).norm() / union.norm())
