"""Chapter 23, adversarial robustness: its known answers (K58, K59, K96) recomputed."""

import itertools

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from course_lib.practice import known
from tests.bank.known.digits import accuracy, data, mlp, train


def test_linear_worst_case():
    """The margin that is left, by trying all corners of the box and by the sign of the gradient."""
    generator = np.random.default_rng(0)
    w, x, b, y, epsilon = generator.standard_normal(10), generator.standard_normal(10), 0.3, -1, 0.2
    formula = y * (w @ x + b) - epsilon * np.abs(w).sum()
    corners = np.array(list(itertools.product([-epsilon, epsilon], repeat=10)))
    searched = (y * ((x + corners) @ w + b)).min()
    fgsm = y * (w @ (x - y * epsilon * np.sign(w)) + b)
    known("linear_worst_case_gap").check(searched - formula)
    known("linear_worst_case_gap").check(fgsm - formula)


def zero_or_one() -> tuple[np.ndarray, ...]:
    x, y, x_test, y_test = (part.numpy() for part in data())
    return x[y < 2], y[y < 2], x_test[y_test < 2], y_test[y_test < 2]


def test_linear_model_under_attack():
    x, y, x_test, y_test = zero_or_one()
    model = LogisticRegression(C=1.0).fit(x, y)
    w, sign = model.coef_[0], 2 * y_test - 1
    margins = sign * model.decision_function(x_test)
    errors = [float(np.mean(margins - epsilon * np.abs(w).sum() < 0)) for epsilon in (0, 0.1, 0.2, 0.3)]
    known("linear_clean_error").check(errors[0])
    known("linear_attacked_error").check(errors[3])
    assert errors == sorted(errors)
    robust = robust_linear(x, 2 * y - 1, 0.2)
    attacked = np.mean(sign * (x_test @ robust[:-1] + robust[-1]) - 0.2 * np.abs(robust[:-1]).sum() < 0)
    known("linear_robust_training_gain").check(errors[2] - attacked)


def robust_linear(x: np.ndarray, sign: np.ndarray, epsilon: float) -> np.ndarray:
    """Weights and offset that minimise the worst-case logistic loss in the box of radius epsilon."""
    inputs, signs = torch.tensor(x), torch.tensor(sign, dtype=torch.float32)
    layer = torch.nn.Linear(64, 1)
    train(
        layer,
        inputs,
        signs,
        500,
        lr=0.05,
        loss=lambda out, s: F.softplus(-(s * out[:, 0] - epsilon * layer.weight.abs().sum())).mean(),
    )
    return np.append(layer.weight.detach().numpy()[0], layer.bias.item())


def fgsm(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, epsilon: float) -> torch.Tensor:
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
    return (x + epsilon * gradient.sign()).clamp(0, 1).detach()


def pgd(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, epsilon: float, steps: int = 20) -> torch.Tensor:
    moved = x
    for _ in range(steps):
        moved = fgsm(model, moved, y, 2.5 * epsilon / steps)
        moved = (x + (moved - x).clamp(-epsilon, epsilon)).clamp(0, 1)
    return moved


def test_network_under_attack():
    x, y, x_test, y_test = data()
    plain = train(mlp(64, 64, 10), x, y, 200)
    found = {}
    for epsilon in (0.05, 0.1, 0.2):
        found[epsilon] = [accuracy(plain, attack(plain, x_test, y_test, epsilon), y_test) for attack in (fgsm, pgd)]
        known("pgd_minus_fgsm").check(found[epsilon][1] - found[epsilon][0])
    known("mlp_clean_accuracy").check(accuracy(plain, x_test, y_test))
    known("mlp_fgsm_accuracy").check(found[0.2][0])
    hardened = mlp(64, 64, 10)
    optimizer = torch.optim.Adam(hardened.parameters(), lr=5e-3)
    for _ in range(200):
        moved = pgd(hardened, x, y, 0.15, steps=5)
        optimizer.zero_grad()
        F.cross_entropy(hardened(moved), y).backward()
        optimizer.step()
    robust = [accuracy(model, pgd(model, x_test, y_test, 0.15), y_test) for model in (plain, hardened)]
    known("pgd_training_gain").check(robust[1] - robust[0])
    assert accuracy(hardened, x_test, y_test) > 0.9
