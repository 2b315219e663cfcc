"""Chapter 25, federated learning: its known answers (K67, K68, K69) recomputed."""

import itertools

import numpy as np
import torch

from course_lib.practice import known
from tests.bank.known.digits import data

Weights = list[np.ndarray]


def gradient(weights: Weights, x: np.ndarray, y: np.ndarray) -> Weights:
    """Of the cross-entropy of a network 64-32-10."""
    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    out = hidden @ w2 + b2
    p = np.exp(out - out.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    back = (p @ w2.T) * (hidden > 0)
    return [x.T @ back, back.sum(0), hidden.T @ p, p.sum(0)]


def federated(clients: list[tuple[np.ndarray, np.ndarray]], epochs: int, rounds: int) -> int:
    """Rounds of averaging until 93 % of the test digits are right; epochs=0: one gradient of each client (FedSGD)."""
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((64, 32)) / 6, generator.standard_normal((32, 10)) / 6
    weights = [first, np.zeros(32), second, np.zeros(10)]
    x_test, y_test = (part.numpy() for part in data()[2:])
    for number in range(1, rounds + 1):
        results = []
        for x, y in clients:
            own = [w.copy() for w in weights]
            orders = [generator.permutation(len(y)) for _ in range(epochs)]
            batches = [batch for order in orders for batch in np.array_split(order, len(y) // 16)]
            for batch in batches or [np.arange(len(y))]:
                step = gradient(own, x[batch], y[batch])
                own = [w - (0.1 if epochs else 0.5) * g for w, g in zip(own, step, strict=True)]
            results.append(own)
        weights = [np.mean(parts, axis=0) for parts in zip(*results, strict=True)]
        hidden = np.maximum(x_test @ weights[0] + weights[1], 0)
        if np.mean((hidden @ weights[2] + weights[3]).argmax(1) == y_test) >= 0.93:
            return number
    return rounds + 1


def test_federated_averaging():
    x, y = (part.numpy() for part in data()[:2])
    alike = [(x[i::10], y[i::10]) for i in range(10)]
    shards = np.array_split(np.argsort(y, kind="stable"), 20)
    pairs = np.random.default_rng(0).permutation(20).reshape(10, 2)
    apart = [(x[both], y[both]) for both in (np.concatenate([shards[a], shards[b]]) for a, b in pairs)]
    rounds = {epochs: federated(alike, epochs, 120) for epochs in (0, 1, 5)}
    assert rounds[5] < rounds[1] < rounds[0] <= 120
    known("fedavg_rounds_e5").check(rounds[5])
    known("fedavg_rounds_saved").check(rounds[0] / rounds[5])
    known("fedavg_rounds_non_iid").check(federated(apart, 5, 120) / rounds[5])


def test_gradient_leak():
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(64, 16), torch.randn(64)
    torch.nn.functional.cross_entropy(torch.nn.Linear(16, 10)(layer(x).relu())[None], torch.tensor([3])).backward()
    unit = layer.bias.grad.abs().argmax()
    leaked = layer.weight.grad[unit] / layer.bias.grad[unit]
    known("gradient_leak_error").check((leaked - x).abs().max())


def test_secure_aggregation():
    generator = np.random.default_rng(0)
    values = generator.integers(0, 2**32, (5, 100), dtype=np.uint32)
    masked = values.copy()
    for a, b in itertools.combinations(range(5), 2):
        mask = generator.integers(0, 2**32, 100, dtype=np.uint32)
        masked[a] += mask
        masked[b] -= mask
    assert (masked != values).mean() > 0.99
    known("secure_aggregation_error").check(
        np.count_nonzero(masked.sum(0, dtype=np.uint32) != values.sum(0, dtype=np.uint32))
    )
