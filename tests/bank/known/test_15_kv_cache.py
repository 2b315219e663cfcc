"""Chapter 15, kv cache: its known answers (K15, K16, K43, K44) recomputed."""

import math

import pytest
import torch

from course_lib.lab.measure import count_flops
from course_lib.practice import known
from tests.bank.known.shared import attention


@pytest.mark.parametrize(("layers", "heads", "width"), [(32, 32, 128), (32, 8, 128), (40, 40, 128)])
def test_kv_bytes(layers, heads, width):
    cache = torch.empty(layers, 2, heads, 1, width, dtype=torch.bfloat16, device="meta")
    known("kv_bytes_per_token", L=layers, n_kv=heads, d_head=width, bytes=2).check(cache.nbytes)


def test_gigabytes_and_gibibytes():
    size = torch.empty(40, 2, 8192, 5120, dtype=torch.bfloat16, device="meta").nbytes
    known("gigabytes", bytes=size).check(size * 1e-9)
    known("gibibytes", bytes=size).check(math.ldexp(size, -30))


def test_online_softmax():
    """Attention over blocks of keys with a running maximum and sum, against all keys at once."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(64, 32, generator=generator) * 3 for _ in range(3))
    dense = (q @ k.T / math.sqrt(32)).softmax(1) @ v
    largest, total, mixed = torch.full((64, 1), -math.inf), torch.zeros(64, 1), torch.zeros(64, 32)
    for keys, values in zip(k.split(16), v.split(16), strict=True):
        scores = q @ keys.T / math.sqrt(32)
        new = torch.maximum(largest, scores.max(1, keepdim=True).values)
        old, weights = (largest - new).exp(), (scores - new).exp()
        total, mixed, largest = total * old + weights.sum(1, keepdim=True), mixed * old + weights @ values, new
    known("online_softmax_difference").check((mixed / total - dense).abs().max())


def test_intensity_of_attention():
    s, t, width = 512, 1, 64
    keys, queries = (torch.ones(1, n, width, dtype=torch.bfloat16) for n in (s, t))
    flops = count_flops(lambda: attention(queries, keys, keys))
    moved = 2 * keys.nbytes + 2 * queries.nbytes
    known("intensity_attention", S=s, T=t).check(flops / moved)


def test_decode_bound():
    """One step reads the weights once and every cache; it makes one token a sequence."""
    bandwidth, kv, weights = 8 * 8.2e11, 6.7e9, 26e9
    for batch, printed in ((1, 200.6), (8, 659.3), (16, 788.0)):
        row = known("decode_tokens_per_s", B=batch, bandwidth=bandwidth, kv_bytes=kv, weight_bytes=weights)
        seconds = sum([weights / bandwidth, *[kv / bandwidth] * batch])
        row.check(batch / seconds)
        row.check(printed)
