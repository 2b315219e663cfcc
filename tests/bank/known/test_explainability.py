"""K49 to K57: SHAP, LIME and gradients as explanations, by the libraries and by enumeration."""

import itertools
import math

import numpy as np
import pytest
import shap
import torch
from lime.lime_tabular import LimeTabularExplainer
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression

from course_lib.practice import known

FEATURES, BACKGROUND, POINTS = 10, 20, 3


@pytest.fixture(scope="module")
def trees():
    x, y = load_diabetes(return_X_y=True)
    x = x.astype(np.float32).astype(float)  # scikit-learn's trees compare in single precision, shap in double
    model = GradientBoostingRegressor(n_estimators=30, max_depth=3, random_state=0).fit(x, y)
    return model, x, x[:BACKGROUND], x[100 : 100 + POINTS]


@pytest.fixture(scope="module")
def enumerated(trees):
    """Shapley values by all 2^10 coalitions, absent features taken from the background rows."""
    model, _, background, points = trees
    masks = np.array(list(itertools.product([False, True], repeat=FEATURES)))
    values = []
    for point in points:
        rows = np.where(masks[:, None], point, background).reshape(-1, FEATURES)
        values.append(model.predict(rows).reshape(len(masks), -1).mean(1))
    sizes, position = masks.sum(1), {mask.tobytes(): i for i, mask in enumerate(masks)}
    phi = np.zeros((POINTS, FEATURES))
    for feature in range(FEATURES):
        for i in np.flatnonzero(~masks[:, feature]):
            joined = masks[i].copy()
            joined[feature] = True
            s = int(sizes[i])
            weight = math.factorial(s) * math.factorial(FEATURES - s - 1) / math.factorial(FEATURES)
            phi[:, feature] += [weight * (v[position[joined.tobytes()]] - v[i]) for v in values]
    return phi


def test_tree_shap_by_enumeration(trees, enumerated):
    model, x, background, points = trees
    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional")
    found = explainer.shap_values(points, check_additivity=False)
    scale = np.abs(enumerated).max()
    known("tree_shap_against_enumeration").check(np.abs(found - enumerated).max() / scale)
    gap = found.sum(1) + model.predict(background).mean() - model.predict(points)
    known("shap_efficiency_gap").check(np.abs(gap).max() / scale)
    paths = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    many = x[:100]
    by_path = paths.shap_values(many, check_additivity=False)
    known("shap_efficiency_gap").check(
        np.abs(by_path.sum(1) + paths.expected_value - model.predict(many)).max() / scale
    )
    interventional = explainer.shap_values(many, check_additivity=False)
    known("interventional_against_path_shap").check(np.abs(interventional - by_path).mean() / np.abs(by_path).mean())


def test_kernel_shap_by_enumeration(trees, enumerated):
    model, _, background, points = trees
    scale = np.abs(enumerated).max()
    explainer = shap.KernelExplainer(model.predict, background)
    every = explainer.shap_values(points[:1], nsamples=2**FEATURES, silent=True, l1_reg=False)
    known("kernel_shap_against_enumeration").check(np.abs(every - enumerated[:1]).max() / scale)
    np.random.seed(0)
    some = explainer.shap_values(points, nsamples=100, silent=True, l1_reg=False)
    known("kernel_shap_sampled_sum_error").check(np.abs(some.sum(1) - enumerated.sum(1)).max() / scale)
    known("kernel_shap_sampled_value_error").check(np.abs(some - enumerated).max() / scale)


def test_linear_shap(trees):
    _, x, background, points = trees
    model = LinearRegression().fit(x, load_diabetes().target)
    found = shap.LinearExplainer(model, background).shap_values(points)
    exact = model.coef_ * (points - background.mean(0))
    known("linear_shap_difference").check(np.abs(found - exact).max() / np.abs(exact).max())


def test_kernel_shap_weights():
    """The weights for which a weighted regression gives Shapley values: of a size's coalitions, by the definition."""
    size = 4
    for s in (1, 2, 3):
        definition = (size - 1) * math.factorial(s) * math.factorial(size - s) / math.factorial(size) / (s * (size - s))
        known("kernel_shap_weight", M=size, s=s, ways=math.comb(size, s)).check(definition)


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
