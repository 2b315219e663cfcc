"""Chapter 12, quantization: its known answers (K31, K32, K33, K34, K35) recomputed."""

import math

import numpy as np
import pytest

from course_lib.practice import known
from tests.bank.known.shared import error


def quantise(x: np.ndarray, bits: int, axis: int | None = None) -> np.ndarray:
    """Symmetric absmax rounding to 2^(bits-1) - 1 steps a side; one scale, or one along `axis`."""
    scale = np.abs(x).max(axis=axis, keepdims=True) / (2 ** (bits - 1) - 1)
    return np.round(x / scale) * scale


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
