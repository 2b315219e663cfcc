"""Timings keep their runs and their order, printed numbers one rule."""

import time

import numpy
import pytest
import torch

from course_lib.lab import measure


def test_time_repeated_counts_runs():
    calls = []
    timing = measure.time_repeated(lambda: calls.append(1), repeats=4, warmup=3)
    assert len(calls) == 7 and len(timing.runs) == 4
    assert timing.low <= timing.median <= timing.high
    with pytest.raises(ValueError, match="repeats=0"):
        measure.time_repeated(lambda: None, repeats=0)


def test_thread_time_takes_the_least_of_interleaved_rounds(monkeypatch):
    order, clock = [], iter(range(10**6))
    seconds = {"a": iter([5, 1, 7]), "b": iter([2, 9, 4])}
    now = [0.0]

    def work(name):
        order.append(name)
        if next(clock) >= 2:  # the first round warms up
            now[0] += next(seconds[name])

    monkeypatch.setattr(measure.time, "thread_time", lambda: now[0])
    least = measure.thread_time_repeated({"a": lambda: work("a"), "b": lambda: work("b")}, repeats=3)
    assert least == {"a": 1, "b": 2} and list(least) == ["a", "b"]
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"


def test_thread_time_counts_work_and_not_waiting():
    def work():
        deadline = time.thread_time() + 0.02
        while time.thread_time() < deadline:
            pass

    for fns in ({"work": work, "wait": lambda: time.sleep(0.02)}, {"wait": lambda: time.sleep(0.02), "work": work}):
        least = measure.thread_time_repeated(fns, repeats=2)
        assert list(least) == list(fns) and least["work"] >= 0.02 > 4 * least["wait"]


@pytest.mark.parametrize(("fns", "repeats", "sentence"), [({}, 3, "nothing to time"), ({"a": list}, 0, "repeats=0")])
def test_thread_time_refuses_what_it_cannot_measure(fns, repeats, sentence):
    with pytest.raises(ValueError, match=sentence):
        measure.thread_time_repeated(fns, repeats=repeats)


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


def test_a_comparison_names_what_varies_and_what_is_held_fixed():
    shown = measure.table([["ring", 3], ["tree", 2]], ["name", "steps"], varies="the algorithm", fixed="4 ranks, <1 MB")
    assert repr(shown).splitlines()[-1] == "Varies: the algorithm. Held fixed: 4 ranks, <1 MB."
    assert "<p>Varies: the algorithm. Held fixed: 4 ranks, &lt;1 MB.</p>" in shown._repr_html_()
    with pytest.raises(ValueError, match="give varies= and fixed="):
        measure.table([["ring", 3]], ["name", "steps"], varies="the algorithm")


def test_a_ragged_table_is_refused():
    with pytest.raises(ValueError, match="1 cells and the header 2"):
        measure.table([["a"]], ["x", "y"])
