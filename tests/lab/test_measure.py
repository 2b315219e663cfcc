"""FLOPs equal the hand formulas, memory a known allocation, printed numbers one rule."""

import numpy
import pytest
import torch
from torch.nn import functional as F

from course_lib.lab import measure


def test_flops_of_a_matmul():
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert measure.count_flops(torch.matmul, a, b) == 2 * 3 * 5 * 7


def test_flops_of_a_linear_layer_with_backward():
    layer, x = torch.nn.Linear(16, 32), torch.ones(8, 16, requires_grad=True)
    forward = 2 * 8 * 16 * 32
    assert measure.count_flops(layer, x) == forward
    assert measure.count_flops(lambda: layer(x).sum().backward()) == 3 * forward
    # Without a gradient for the input one of the two backward products is not computed.
    assert measure.count_flops(lambda: layer(x.detach()).sum().backward()) == 2 * forward


@pytest.mark.parametrize("causal", [False, True])
def test_flops_of_attention(causal):
    batch, heads, tokens, width = 2, 3, 16, 8
    q, k, v = (torch.randn(batch, heads, tokens, width, requires_grad=True) for _ in range(3))
    forward = 2 * (2 * batch * heads * tokens * tokens * width)
    attention = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)  # noqa: E731
    assert measure.count_flops(attention) == forward
    assert measure.count_flops(lambda: attention().sum().backward()) == forward + 5 * forward // 2


def test_peak_memory_sees_a_known_allocation():
    size = 96 * 2**20
    with measure.peak_memory() as outer:
        with measure.peak_memory() as inner:
            torch.ones(size, dtype=torch.uint8)
        with measure.peak_memory() as nothing:
            pass
    assert size * 0.95 < inner.bytes < size * 1.3
    assert size * 0.95 < outer.bytes < size * 1.3
    assert nothing.bytes < size * 0.1


def test_a_block_inside_does_not_hide_what_came_before_it():
    size = 96 * 2**20
    with measure.peak_memory() as outer:
        torch.ones(size, dtype=torch.uint8)
        with measure.peak_memory() as inner:
            pass
    assert inner.bytes < size * 0.1
    assert outer.bytes > size * 0.95


def test_peak_memory_by_sampling(monkeypatch):
    monkeypatch.setattr(measure, "_reset_high_water", lambda open_blocks: False)
    size = 96 * 2**20
    with measure.peak_memory() as peak:
        for _ in range(5):
            torch.ones(size, dtype=torch.uint8)
    assert size * 0.5 < peak.bytes < size * 1.5


def test_time_repeated_counts_runs():
    calls = []
    timing = measure.time_repeated(lambda: calls.append(1), repeats=4, warmup=3)
    assert len(calls) == 7 and len(timing.runs) == 4
    assert timing.low <= timing.median <= timing.high
    with pytest.raises(ValueError, match="repeats=0"):
        measure.time_repeated(lambda: None, repeats=0)


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ((0.0119, 0.0123, 0.013), "12.3 ms (11.9 to 13, 3 runs)"),
        ((2.0,), "2 s (2 to 2, 1 run)"),
        ((1e-6, 3e-6, 2e-6), "2 µs (1 to 3, 3 runs)"),
    ],
)
def test_a_timing_is_printed_with_its_spread(runs, text):
    assert str(measure.Timing(runs)) == text


def test_rates_are_amount_over_the_median():
    rate = measure.Rate(2e9, "FLOP", measure.Timing((0.5, 1.0, 2.0)))
    assert rate.value == 2e9
    assert str(rate) == "2 GFLOP/s (1 to 4, 3 runs)"
    matmul, copy = measure.matmul_flops_per_s(64, repeats=3), measure.copy_bytes_per_s(2**20, repeats=3)
    assert matmul.amount == 2 * 64**3 and matmul.value > 0
    assert copy.amount == 2 * 2**20 and copy.value > 0


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (1234567, "1,234,567"),
        (1234567.0, "1,230,000"),
        (1.96875, "1.97"),
        (1.5, "1.5"),
        (-0.0, "0"),
        (-1e-30, "-1e-30"),
        (0.000123456, "0.000123"),
        (0.00001234, "1.23e-5"),
        (999.96, "1,000"),
        (3.15e23, "3.15e23"),
        (float("nan"), "nan"),
        (True, "True"),
        ("gloo", "gloo"),
        (numpy.float32(0.1), "0.1"),
        (torch.tensor(2.5), "2.5"),
        (torch.tensor(12), "12"),
    ],
)
def test_rounded(x, text):
    assert measure.rounded(x) == text


def test_rounded_digits():
    assert measure.rounded(1.96875, 5) == "1.9688"


def test_table_is_aligned_and_escaped():
    shown = measure.table([["ring <4>", 1.5, 2048], ["tree", 10.25, 7]], ["name", "ms", "bytes"])
    assert repr(shown) == "\n".join(
        [
            "name        ms  bytes",
            "--------  ----  -----",
            "ring <4>   1.5  2,048",
            "tree      10.2      7",
        ]
    )
    assert "ring &lt;4&gt;" in shown._repr_html_()
    assert '<td style="text-align:right">2,048</td>' in shown._repr_html_()


def test_a_ragged_table_is_refused():
    with pytest.raises(ValueError, match="1 cells and the header 2"):
        measure.table([["a"]], ["x", "y"])
