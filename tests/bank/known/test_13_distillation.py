"""Chapter 13, distillation: its known answers (K40, K41, K42) recomputed."""

import itertools

import torch
from torch.nn import functional as F

from course_lib.practice import known
from tests.bank.known.digits import accuracy, data, mlp, train


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


def test_distillation_gradient():
    """The gradient of the soft loss tends to (z - v)/(N·T²) for logits of zero mean."""
    generator = torch.Generator().manual_seed(0)
    z, v = (torch.randn(64, 10, generator=generator, dtype=torch.float64) for _ in range(2))
    z, v = z - z.mean(1, keepdim=True), v - v.mean(1, keepdim=True)
    errors = []
    for temperature in (1, 10, 100):
        student = z.clone().requires_grad_()
        F.kl_div((student / temperature).log_softmax(1), (v / temperature).softmax(1), reduction="sum").backward()
        limit = (z - v) / (10 * temperature**2)
        errors.append(((student.grad - limit).norm() / limit.norm()).item())
    known("distillation_gradient_error").check(errors[2])
    assert all(5 < a / b < 20 for a, b in itertools.pairwise(errors))  # ∝ 1/T


def test_lora():
    d, r = 64, 8
    full, low = torch.nn.Linear(d, d, bias=False), [torch.empty(r, d), torch.empty(d, r)]
    count = sum(matrix.numel() for matrix in low)
    known("lora_parameters", r=r, d=d).check(count)
    known("lora_share", r=r, d=d).check(count / full.weight.numel())
