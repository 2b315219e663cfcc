"""Chapter 01, numbers first: its known answers (K9, K10, K11, K12, K13, K14, K15, K17, K18, K27) recomputed."""

import pytest
import torch
from torch import nn

from course_lib.lab.measure import count_flops
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.museum.chinchilla_rounded_fit import PRINTED, REFIT, searched
from course_lib.practice import known
from tests.bank.known.shared import attention


def test_training_flops():
    layers, width, tokens, batch = 2, 128, 128, 2
    linear = [nn.Linear(width, k * width, bias=False) for k in (3, 1, 4)] + [nn.Linear(4 * width, width, bias=False)]

    def step() -> None:
        x = torch.ones(batch, tokens, width, requires_grad=True)
        for _ in range(layers):
            parts = linear[0](x).view(batch, tokens, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
            x = linear[3](linear[2](linear[1](attention(*parts).transpose(1, 2).reshape(batch, tokens, width))))
        x.sum().backward()

    n = layers * sum(layer.weight.numel() for layer in linear)
    d = batch * tokens
    flops = count_flops(step)
    known("training_flops", N=n, D=d, L=layers, h=width, s=tokens).check(flops)
    short = 1 - known("training_flops_6nd", N=n, D=d).value / flops
    assert short == pytest.approx(1 / 7)  # attention is as much again as a sixth of the products at s = h
    perceptron = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    x = torch.ones(d, 64, requires_grad=True)
    known("training_flops_6nd", N=2 * 64 * 64, D=d).check(count_flops(lambda: perceptron(x).sum().backward()))


def test_gpt2_parameters():
    with torch.device("meta"):
        model = GPT(GPTConfig(50257, 1024, 12, 12, 768, tie_weights=True))
    known("gpt2_parameters", V=50257, S=1024, L=12, h=768).check(sum(p.numel() for p in model.parameters()))


def test_attention_crossovers():
    """Lengths at which the counted FLOPs are equal: both are linear in T beyond the part that is not attention."""
    width, tokens = 16, 64

    def flops(layers: list[nn.Module]) -> int:
        x = torch.ones(1, tokens, width)
        return sum(count_flops(layer, x) for layer in layers)

    def linear(k: int) -> nn.Linear:
        return nn.Linear(width, k * width, bias=False)

    def attend(x: torch.Tensor) -> torch.Tensor:
        q = x.view(1, tokens, 2, width // 2).transpose(1, 2)
        return attention(q, q, q)

    down = nn.Linear(4 * width, width, bias=False)
    projections = [linear(1) for _ in range(4)]
    mlp = [linear(4), linear(4), lambda x: down(x.repeat(1, 1, 4))]
    per_width = flops([attend]) / (tokens / width)
    known("attention_crossover_projections").check(flops(projections) / per_width)
    known("attention_crossover_layer").check(flops(projections + mlp) / per_width)


def test_roofline():
    peak, bandwidth, width = 197e12, 8.2e11, 4096
    for weight_bytes in (1, 2):
        # The smallest batch whose product takes as long as reading its weights.
        batch = next(b for b in range(1, 1000) if 2 * b * width**2 / peak >= weight_bytes * width**2 / bandwidth)
        known("critical_batch", weight_bytes=weight_bytes, peak=peak, bandwidth=bandwidth).check(batch)
    values = {w: known("critical_batch", weight_bytes=w, peak=peak, bandwidth=bandwidth).value for w in (1, 2)}
    known("critical_batch_int8_weights").check(values[1] / values[2])


def test_intensity_of_a_dot_product():
    x, y = (torch.ones(4096, dtype=torch.bfloat16) for _ in range(2))
    flops = 2 * len(x) - 1
    known("intensity_dot_product", N=len(x)).check(flops / (x.nbytes + y.nbytes + x[0].nbytes))


def test_utilisation():
    run = {"N": 37e9, "D": 14.8e12, "device_seconds": 2.79e6 * 3600, "peak": 1.513e15}
    known("model_flops_utilisation", **run).check(0.216)
    for recomputed in (0.0, 0.5, 1.0):
        forward, backward = 2 * run["N"] * run["D"], 4 * run["N"] * run["D"]
        done = forward + backward + recomputed * forward
        row = known("hardware_flops_utilisation", **run, r=recomputed)
        row.check(done / (run["device_seconds"] * run["peak"]))
        assert row.value >= known("model_flops_utilisation", **run).value


@pytest.mark.parametrize("size", ["22b", "175b", "530b", "1t"])
def test_mfu_is_at_most_hfu(size):
    assert known(f"megatron_{size}_mfu").value <= known(f"megatron_{size}_hfu").value


def test_tokens_per_parameter():
    known("chinchilla_tokens_per_parameter").check(searched(PRINTED, 5.76e23))
    known("chinchilla_refit_tokens_per_parameter").check(searched(REFIT, 5.76e23))
