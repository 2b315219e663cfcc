"""Chapter 21, lime and saliency: its known answers (K55, K56, K57) recomputed."""

import itertools
import math

import numpy as np
import pytest
import torch
from lime.lime_tabular import LimeTabularExplainer
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier

from course_lib.practice import known


def test_lime_is_unstable():
    data = load_breast_cancer()
    model = RandomForestClassifier(20, max_depth=5, random_state=0).fit(data.data, data.target)
    overlaps = []
    for samples in (100, 500, 5000):
        tops = []
        for seed in range(4):
            explainer = LimeTabularExplainer(data.data, discretize_continuous=False, random_state=seed)
            found = explainer.explain_instance(data.data[0], model.predict_proba, num_features=5, num_samples=samples)
            tops.append({name for name, _ in found.as_map()[1]})
        overlaps.append(np.mean([len(a & b) / len(a | b) for a, b in itertools.combinations(tops, 2)]))
    known("lime_overlap_100").check(overlaps[0])
    known("lime_overlap_gain").check(overlaps[2] - overlaps[0])
    assert overlaps == sorted(overlaps)
    known("lime_kernel_width", M=30).check(0.75 * math.sqrt(data.data.shape[1]))


def network() -> torch.nn.Sequential:
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images / 16, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(labels)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(6):
        for part in torch.randperm(1500).split(100):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            optimizer.step()
    assert (model(x[1500:]).argmax(1) == y[1500:]).float().mean() > 0.9
    return model, x[1500:1550]


def maps(model: torch.nn.Module, x: torch.Tensor, guided: bool = False) -> torch.Tensor:
    """Gradient of the highest logit; guided: ReLUs pass on positive gradients only."""
    hooks = []
    if guided:
        for layer in model:
            if isinstance(layer, torch.nn.ReLU):
                hooks.append(layer.register_full_backward_hook(lambda _, given, __: (given[0].clamp(min=0),)))
    x = x.clone().requires_grad_()
    model(x).max(1).values.sum().backward()
    for hook in hooks:
        hook.remove()
    return x.grad.flatten(1)


def test_saliency_sanity_check(digits):
    """Rank correlation of a trained net's maps with those of nets that never saw a digit."""
    model, x = digits
    found = {name: [] for name in ("gradient", "guided", "gradient_times_input")}
    for seed in range(3):
        torch.manual_seed(seed + 1)
        other = network()
        pairs = {
            "gradient": [maps(net, x).abs() for net in (model, other)],
            "guided": [maps(net, x, guided=True).abs() for net in (model, other)],
            "gradient_times_input": [(maps(net, x) * x.flatten(1)).abs() for net in (model, other)],
        }
        for name, (ours, random) in pairs.items():
            found[name] += [spearmanr(a, b).statistic for a, b in zip(ours.numpy(), random.numpy(), strict=True)]
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    known("sanity_gradient_times_input").check(mean["gradient_times_input"])
    known("sanity_guided_over_gradient").check(mean["guided"] - mean["gradient"])
    assert mean["gradient"] < mean["guided"] < mean["gradient_times_input"], mean


def test_integrated_gradients(digits):
    model, x = digits
    target = model(x).argmax(1, keepdim=True)
    gaps = []
    for steps in (5, 50, 300):
        total = torch.zeros_like(x)
        for i in range(steps):
            point = ((i + 0.5) / steps * x).requires_grad_()
            (gradient,) = torch.autograd.grad(model(point).gather(1, target).sum(), point)
            total += gradient / steps
        with torch.no_grad():
            rise = (model(x) - model(torch.zeros_like(x))).gather(1, target)[:, 0]
        gaps.append(((x * total).flatten(1).sum(1) - rise).abs().sum().item() / rise.abs().sum().item())
    known("integrated_gradients_gap").check(gaps[1])
    assert gaps == sorted(gaps, reverse=True)
