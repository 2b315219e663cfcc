"""Chapter 20, shap: its known answers (K49, K50, K51, K52, K53, K54) recomputed."""

import itertools
import math

import numpy as np
import pytest
import shap
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
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
