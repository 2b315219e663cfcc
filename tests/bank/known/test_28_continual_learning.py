"""Chapter 28, continual learning: its known answers (K90) recomputed."""

import torch
from torch.nn import functional as F

from course_lib.practice import known
from tests.bank.known.digits import accuracy, data, mlp, train


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
