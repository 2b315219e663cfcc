"""K39, K41, K69, K90, K93, K94: tickets, distillation, averaging, forgetting, leakage and random search."""

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F

from course_lib.practice import known
from tests.bank.known.digits import accuracy, data, mlp, train


def test_lottery_ticket():
    """Prune 30 % of what is left by magnitude, rewind, again; against masks of the same size drawn at random."""
    x, y, x_test, y_test = data()
    start = mlp(64, 100, 50, 10).state_dict()
    names = [name for name in start if name.endswith("weight")]
    masks = {name: torch.ones_like(start[name]) for name in names}

    def trained(masks: dict[str, torch.Tensor]) -> nn.Module:
        model = mlp(64, 100, 50, 10)
        weights = [(p, masks[name]) for name, p in model.named_parameters() if name in masks]

        def apply() -> None:
            with torch.no_grad():
                for weight, mask in weights:
                    weight.mul_(mask)

        apply()
        return train(model, x, y, 80, after=apply)

    for _ in range(7):
        weights = trained(masks).state_dict()
        for name in names:
            left = weights[name][masks[name] > 0].abs()
            masks[name] *= (weights[name].abs() > left.quantile(0.3)).float()
    kept = sum(m.sum() for m in masks.values()).item() / sum(m.numel() for m in masks.values())
    known("lottery_ticket_weights").check(kept)
    generator = torch.Generator().manual_seed(1)
    shuffled = {n: m.flatten()[torch.randperm(m.numel(), generator=generator)].view_as(m) for n, m in masks.items()}
    ticket, random = (accuracy(trained(m), x_test, y_test) for m in (masks, shuffled))
    known("lottery_ticket_gain").check(ticket - random)


def test_omitted_digit():
    """A student that never sees a 3 learns it from what the teacher says of the other digits."""
    x, y, x_test, y_test = data()
    teacher = train(mlp(64, 256, 10), x, y, 150)
    seen = y != 3
    with torch.no_grad():
        soft = (teacher(x[seen]) / 8).softmax(1)
    hard = train(mlp(64, 64, 10, seed=1), x[seen], y[seen], 150)
    student = train(
        mlp(64, 64, 10, seed=1), x[seen], soft, 800, loss=lambda out, p: -(p * (out / 8).log_softmax(1)).sum(1).mean()
    )
    threes = y_test == 3
    known("omitted_digit_hard").check(accuracy(hard, x_test[threes], y_test[threes]))
    known("omitted_digit_distilled").check(accuracy(student, x_test[threes], y_test[threes]))
    with torch.no_grad():
        student[-1].bias[3] += 1.5
    known("omitted_digit_shifted").check(accuracy(student, x_test[threes], y_test[threes]))
    assert accuracy(student, x_test, y_test) > 0.9


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
    known("fedavg_rounds_non_iid").check(federated(apart, 5, 2 * rounds[5]) / rounds[5])


def test_forgetting():
    """Five tasks of two digits, one after the other: all ten classes are asked for in the end."""
    x, y, x_test, y_test = data()
    found = {}
    for replay in (0, 20):
        model = mlp(64, 100, 10)
        memory: list[torch.Tensor] = []
        for task in range(5):
            own = torch.nonzero(y // 2 == task)[:, 0]
            rows = torch.cat([own, *memory * 5])  # seen five times as often as the new digits
            train(model, x[rows], y[rows], 200)
            memory.append(own[:replay])
        found[replay] = accuracy(model, x_test, y_test)
        if not replay:
            with torch.no_grad():
                out = model(x_test).masked_fill(torch.arange(10) // 2 != y_test[:, None] // 2, -torch.inf)
            known("split_digits_task_gain").check((out.argmax(1) == y_test).float().mean() - found[0])
    known("split_digits_none").check(found[0])
    known("split_digits_replay").check(found[20])
    joint = train(mlp(64, 100, 10), x, y, 100)
    known("split_digits_joint").check(accuracy(joint, x_test, y_test))


STRENGTH = 50  # of the penalty


def test_elastic_weight_consolidation():
    x, y, x_test, y_test = data()
    model = mlp(64, 100, 10)
    anchors: list[tuple[list[torch.Tensor], list[torch.Tensor]]] = []

    def penalised(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        penalty = sum(
            (f * (p - old) ** 2).sum()
            for fisher, olds in anchors
            for f, p, old in zip(fisher, model.parameters(), olds, strict=True)
        )
        return F.cross_entropy(out, target) + STRENGTH * penalty

    for task in range(5):
        own = y // 2 == task
        train(model, x[own], y[own], 100, loss=penalised)
        logs = model(x[own]).log_softmax(1)
        drawn = torch.multinomial(logs.exp(), 1, generator=torch.Generator().manual_seed(task))
        fisher = [torch.zeros_like(p) for p in model.parameters()]
        for one in logs.gather(1, drawn)[:60]:
            for f, g in zip(fisher, torch.autograd.grad(one.sum(), model.parameters(), retain_graph=True), strict=True):
                f += g**2 / 60
        anchors.append((fisher, [p.detach().clone() for p in model.parameters()]))
    known("split_digits_ewc").check(accuracy(model, x_test, y_test))


def test_oversampling_before_the_split():
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((600, 20)), np.arange(600) % 10 == 0
    minority = np.flatnonzero(y)

    def auc(train_rows: np.ndarray, test_rows: np.ndarray) -> float:
        model = RandomForestClassifier(100, random_state=0).fit(x[train_rows], y[train_rows])
        return roc_auc_score(y[test_rows], model.predict_proba(x[test_rows])[:, 1])

    everything = generator.permutation(np.concatenate([np.arange(600), generator.choice(minority, 480)]))
    known("oversampling_before_split_auc").check(auc(everything[:720], everything[720:]))
    rows = generator.permutation(600)
    more = np.concatenate([rows[:400], generator.choice(rows[:400][y[rows[:400]]], 320)])
    known("oversampling_after_split_auc").check(auc(more, rows[400:]))


def test_random_search():
    """Only the first of five dimensions matters; its best place is 0.37."""
    generator = np.random.default_rng(0)
    grid = np.abs(np.array([0, 0.5, 1]) - 0.37).min()
    wins = np.abs(generator.random((20_000, 9)) - 0.37).min(1) < grid
    known("random_search_wins").check(wins.mean())
