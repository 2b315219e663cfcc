"""scikit-learn's digits, small networks on them, and full-batch training: what the trained known answers share."""

from __future__ import annotations

import itertools
from functools import lru_cache

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F


@lru_cache(maxsize=1)
def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y to train on (1,200) and to test on (597), shuffled once; pixels from 0 to 1, (n, 64)."""
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    x, y = torch.tensor(images / 16, dtype=torch.float32)[order], torch.tensor(labels)[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


def mlp(*widths: int, seed: int = 0) -> nn.Sequential:
    """Linear layers of these widths with ReLUs between them."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(model: nn.Module, x: Tensor, y: Tensor, steps: int, *, lr: float = 5e-3, loss=F.cross_entropy, after=None):
    """Full-batch Adam; `loss(model(x), y)`; `after()` is called behind each step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
        if after:
            after()
    return model


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of right answers."""
    return (model(x).argmax(1) == y).float().mean().item()
