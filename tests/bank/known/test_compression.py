"""K31 to K37, K40, K42: what quantising, pruning, distilling and low-rank adapting do to one matrix."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_lib.practice import known


def quantise(x: np.ndarray, bits: int, axis: int | None = None) -> np.ndarray:
    """Symmetric absmax rounding to 2^(bits-1) - 1 steps a side; one scale, or one along `axis`."""
    scale = np.abs(x).max(axis=axis, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.round(x / scale) * scale


def error(measured: np.ndarray, exact: np.ndarray) -> float:
    """Relative error in the squared norm's root."""
    return float(np.linalg.norm(measured - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_sqnr_of_a_sine(bits):
    x = np.sin(np.arange(400_000) * math.sqrt(2))
    noise = quantise_mid_rise(x, bits) - x
    known("quantiser_sqnr_sine", b=bits).check(10 * math.log10(np.mean(x**2) / np.mean(noise**2)))


def quantise_mid_rise(x: np.ndarray, bits: int) -> np.ndarray:
    """2^bits levels over [-1, 1]."""
    step = 2 / 2**bits
    return (np.clip(np.floor(x / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) + 0.5) * step


def test_noise_of_a_gaussian():
    x = np.random.default_rng(0).standard_normal(1_000_000)
    ratios = {}
    for bits in (8, 4, 3, 2):
        step = np.abs(x).max() / (2 ** (bits - 1) - 1)
        ratios[bits] = np.mean((quantise(x, bits) - x) ** 2) / (step**2 / 12)
    for bits in (8, 4, 3):
        known("quantiser_noise_gaussian_8bit").check(ratios[bits])
    known("quantiser_noise_gaussian_2bit").check(ratios[2])


def test_double_quantisation():
    parameters, block, blocks = 64 * 256 * 4, 64, 256
    scales = np.ones(parameters // block, np.float32)
    once = scales.nbytes
    again = np.ones(len(scales), np.int8).nbytes + np.ones(len(scales) // blocks, np.float32).nbytes
    known("double_quantisation_bits").check(8 * (once - again) / parameters)


@pytest.mark.parametrize(
    ("dtype", "key"), [(np.float16, "sparse_24_storage_fp16"), (np.int8, "sparse_24_storage_int8")]
)
def test_sparse_24_storage(dtype, key):
    """Two values of four and two bits each for their places, packed, and unpacked again."""
    dense = np.random.default_rng(0).integers(1, 100, (64, 64)).astype(dtype)
    groups = dense.reshape(-1, 4)
    places = np.sort(np.random.default_rng(1).permuted(np.tile(np.arange(4), (len(groups), 1)), axis=1)[:, :2], axis=1)
    pruned = np.zeros_like(groups)
    np.put_along_axis(pruned, places, np.take_along_axis(groups, places, axis=1), axis=1)
    values = np.take_along_axis(pruned, places, axis=1)
    bits = np.packbits(np.stack([places >> 1, places & 1], -1).astype(np.uint8))
    known(key).check((values.nbytes + bits.nbytes) / dense.nbytes)
    read = np.unpackbits(bits).reshape(*places.shape, 2)
    restored = np.zeros_like(groups)
    np.put_along_axis(restored, (2 * read[..., 0] + read[..., 1]).astype(int), values, axis=1)
    assert (restored == pruned).all()


@pytest.fixture(scope="module")
def outliers() -> tuple[np.ndarray, np.ndarray]:
    """Activations (256, 512) of which 8 columns are 60 times larger, and weights (512, 512)."""
    generator = np.random.default_rng(0)
    x, w = generator.standard_normal((256, 512)), generator.standard_normal((512, 512)) / math.sqrt(512)
    x[:, generator.choice(512, 8, replace=False)] *= 60
    return x, w


def test_outlier_columns(outliers):
    x, w = outliers
    exact = x @ w
    weights = quantise(w, 8, axis=0)
    large = np.abs(x).max(0) > 20
    s = np.sqrt(np.abs(x).max(0) / np.abs(w).max(1))
    smooth = quantise(x / s, 8) @ quantise(s[:, None] * w, 8)
    errors = {
        "w8a8_error_per_tensor": error(quantise(x, 8) @ weights, exact),
        "w8a8_error_per_token": error(quantise(x, 8, axis=1) @ weights, exact),
        "w8a8_error_smoothquant": error(smooth, exact),
        "w8a8_error_llm_int8": error(
            quantise(x[:, ~large], 8, axis=1) @ weights[~large] + x[:, large] @ w[large], exact
        ),
    }
    for key, value in errors.items():
        known(key).check(value)
    assert list(errors.values()) == sorted(errors.values(), reverse=True)


def test_smoothquant_identity(outliers):
    x, w = outliers
    s = np.sqrt(np.abs(x).max(0) / np.abs(w).max(1))
    known("smoothquant_identity").check(error((x / s) @ (s[:, None] * w), x @ w))


def gptq(w: np.ndarray, hessian: np.ndarray, bits: int) -> np.ndarray:
    """Round column by column and move each column's error into those not yet rounded. w: (out, in)."""
    w, h = w.copy(), hessian + 0.01 * np.mean(np.diag(hessian)) * np.eye(len(hessian))
    u = np.linalg.cholesky(np.linalg.inv(h)).T  # the upper factor: row i holds what column i spreads
    scale = np.abs(w).max(1) / (2 ** (bits - 1) - 1)
    q = np.zeros_like(w)
    for i in range(w.shape[1]):
        q[:, i] = np.clip(np.round(w[:, i] / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * scale
        w[:, i + 1 :] -= np.outer((w[:, i] - q[:, i]) / u[i, i], u[i, i + 1 :])
    return q


@pytest.mark.parametrize("bits", [4, 3])
def test_gptq_against_rounding(bits):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((1024, 16)) @ generator.standard_normal((16, 128))
    x += 0.1 * generator.standard_normal(x.shape)
    w = generator.standard_normal((64, 128))
    near, better = quantise(w, bits, axis=1), gptq(w, x.T @ x, bits)
    known("gptq_output_error_ratio").check(error(x @ near.T, x @ w.T) / error(x @ better.T, x @ w.T))
    known("gptq_weight_error_ratio").check(np.mean((better - w) ** 2) / np.mean((near - w) ** 2))


def test_wanda_against_magnitude():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((512, 256)) * np.exp(1.5 * generator.standard_normal(256))
    w = generator.standard_normal((128, 256))
    by_magnitude, by_wanda = np.abs(w), np.abs(w) * np.linalg.norm(x, axis=0)
    for key, kept, of in (("wanda_error_ratio", 128, 256), ("wanda_24_error_ratio", 2, 4)):
        errors = [error(x @ (w * largest(score, kept, of)).T, x @ w.T) for score in (by_magnitude, by_wanda)]
        known(key).check(errors[0] / errors[1])


def largest(score: np.ndarray, kept: int, of: int) -> np.ndarray:
    """A mask of the `kept` highest scores of each group of `of` neighbours in a row."""
    groups = score.reshape(len(score), -1, of)
    ranks = groups.argsort(-1).argsort(-1)
    return (ranks >= of - kept).reshape(score.shape)


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
