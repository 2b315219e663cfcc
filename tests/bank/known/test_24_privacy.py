"""Chapter 24, privacy: its known answers (K60, K61, K62, K63, K64, K65, K66, K70) recomputed."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from torch.nn import functional as F

from course_lib.practice import known
from tests.bank.known.accountant import pld_epsilon, rdp_epsilon
from tests.bank.known.digits import accuracy, data, mlp, train


@pytest.mark.parametrize(("sigma", "epochs", "name"), [(1.3, 15, "13"), (1.1, 60, "11"), (0.7, 45, "07")])
def test_opacus_example(sigma, epochs, name):
    """MNIST in batches of 240 of 60,000: 250 steps an epoch."""
    run = (240 / 60_000, sigma, 250 * epochs, 1e-5)
    known(f"opacus_mnist_epsilon_{name}").check(rdp_epsilon(*run))
    known(f"opacus_mnist_epsilon_{name}_published").check(rdp_epsilon(*run, classic=True))
    assert rdp_epsilon(*run) <= rdp_epsilon(*run, classic=True)


def test_accountants_in_order():
    run = (0.01, 4.0, 10_000, 1e-5)
    pld, rdp = pld_epsilon(*run), rdp_epsilon(*run)
    known("abadi_epsilon_pld").check(pld)
    known("abadi_epsilon_rdp").check(rdp)
    known("abadi_epsilon_moments").check(rdp_epsilon(*run, classic=True))
    assert pld <= rdp <= known("abadi_epsilon_moments").value


def test_pld_of_the_plain_gaussian():
    """Without sampling the accountant must give the analytic Gaussian mechanism back."""
    sigma = 3.731 * math.sqrt(100)
    assert pld_epsilon(1.0, sigma, 100, 1e-5) == pytest.approx(1.0, abs=0.02)


def test_gaussian_mechanism():
    epsilon, delta = 1.0, 1e-5

    def excess(sigma: float) -> float:
        shift = epsilon * sigma
        return norm.cdf(0.5 / sigma - shift) - math.exp(epsilon) * norm.cdf(-0.5 / sigma - shift) - delta

    known("gaussian_sigma_analytic").check(brentq(excess, 0.5, 20))
    known("gaussian_sigma_classic").check(math.sqrt(2 * math.log(1.25 / delta)) / epsilon)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
def test_membership_advantage(epsilon):
    """The largest TPR - FPR under TPR ≤ e^ε·FPR and 1 - FPR ≤ e^ε·(1 - TPR), searched over FPR."""
    false = np.linspace(0, 1, 1_000_001)
    true = np.minimum(math.exp(epsilon) * false, 1 - math.exp(-epsilon) * (1 - false))
    assert known("membership_advantage_bound", epsilon=epsilon).value == pytest.approx((true - false).max(), abs=1e-5)
    # Randomised response of one bit reaches it.
    truth = known("randomised_response_truth", epsilon=epsilon).value
    known("membership_advantage_bound", epsilon=epsilon).check(truth - (1 - truth))


def test_randomised_response():
    """The probabilities of one answer under the two truths stand e^ε apart."""
    epsilon = math.log(3)
    truth = brentq(lambda p: p / (1 - p) - math.exp(epsilon), 0.5, 0.999, xtol=1e-15)
    known("randomised_response_truth", epsilon=epsilon).check(truth)


def test_width_of_logits():
    """The rank of many outputs tells the hidden width; log-probabilities have one direction more."""
    generator = np.random.default_rng(0)
    logits = generator.standard_normal((512, 32)) @ generator.standard_normal((32, 200))
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    known("rank_of_logits").check(np.linalg.matrix_rank(logits) / 32)
    known("rank_of_log_probabilities").check(np.linalg.matrix_rank(logs) - 32)


def test_stealing_a_logistic_regression():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 8))
    model = LogisticRegression().fit(x, x[:, 0] + 0.5 * generator.standard_normal(200) > 0)
    queries = np.vstack([np.zeros(8), np.eye(8)])
    p = model.predict_proba(queries)[:, 1]
    stolen = np.linalg.solve(np.hstack([queries, np.ones((9, 1))]), np.log(p / (1 - p)))
    exact = np.append(model.coef_, model.intercept_)
    known("stolen_logistic_error").check(np.abs(stolen - exact).max())


@pytest.mark.parametrize("seed", [0, 1])
def test_membership_by_loss(seed):
    x, y, x_test, y_test = data()
    torch.manual_seed(seed)
    noisy = [torch.where(torch.rand(300) < 0.3, torch.randint(10, (300,)), part[:300]) for part in (y, y_test)]
    model = train(mlp(64, 512, 10, seed=seed), x[:300], noisy[0], 400, lr=3e-3)
    assert accuracy(model, x[:300], noisy[0]) > 0.98
    with torch.no_grad():
        inside = F.cross_entropy(model(x[:300]), noisy[0], reduction="none")
        outside = F.cross_entropy(model(x_test[:300]), noisy[1], reduction="none")
    member, score = np.repeat([1, 0], 300), -torch.cat([inside, outside]).numpy()
    false, true, _ = roc_curve(member, score)
    known("membership_advantage").check((true - false).max())
    known("membership_auc").check(roc_auc_score(member, score))
