"""Every row is complete and its cases hold; the rows with a protocol are recomputed; mistakes end in a sentence."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from course_lib.practice import known
from course_lib.practice.knowledge import known as module
from course_lib.practice.knowledge.known import Known, evaluate, keys, load

FIELDS = {"key", "k", "quantity", "formula", "unit", "tolerance", "source", "flag", "chapter"}
CASES = [(key, case) for key, row in load().items() for case in row.get("cases", [])]


@pytest.mark.parametrize("key", keys())
def test_a_row_is_complete(key):
    row = load()[key]
    assert row.keys() >= FIELDS
    assert row.keys() - FIELDS <= {"value", "expression", "arguments", "cases", "note", "beside"}
    assert ("value" in row) != ("expression" in row)
    assert ("expression" in row) == bool(row.get("cases")) == bool(row.get("arguments"))
    assert row["flag"] in {"R", "V", "P"}
    assert (row["flag"] == "R") != (row["tolerance"]["kind"] == "quote")
    needed = {"exact": set(), "quote": set(), "abs": {"bound"}, "rel": {"bound"}}
    kind, bounds = row["tolerance"]["kind"], set(row["tolerance"]) - {"kind"}
    assert bounds == needed[kind] if kind in needed else bounds and bounds <= {"low", "high"}
    assert all(isinstance(bound, (int, float)) for bound in row["tolerance"].values() if bound != kind)


@pytest.mark.parametrize(("key", "case"), CASES)
def test_a_case_holds(key, case):
    arguments = {name: value for name, value in case.items() if name != "value"}
    known(key, **arguments).check(case["value"])
    assert known(key, **arguments).value == pytest.approx(case["value"], rel=1e-9)


def test_a_wrong_measurement_names_everything():
    with pytest.raises(AssertionError) as error:
        known("ring_all_reduce_factor", n=4).check(2.0)
    for part in ("ring_all_reduce_factor", "measured 2", "known 1.5 payloads", "n = 4", "Ultra-Scale"):
        assert part in str(error.value)


def make(tolerance, value=10.0):
    return Known("x", 0, "q", value, "s", "f", {}, tolerance, "src", "R", "06")


@pytest.mark.parametrize(
    ("tolerance", "inside", "outside"),
    [
        ({"kind": "exact"}, [10.0, 10], [10.0001, 9.9999]),
        ({"kind": "abs", "bound": 0.5}, [9.5, 10.5], [9.4, 10.6]),
        ({"kind": "rel", "bound": 0.1}, [9.0, 11.0], [8.9, 11.1]),
        ({"kind": "range", "low": 2}, [2, 1e9], [1.9, -5]),
        ({"kind": "range", "low": 2, "high": 12}, [2, 12], [12.5]),
    ],
)
def test_tolerances(tolerance, inside, outside):
    answer = make(tolerance)
    for number in inside:
        assert answer.check(number) == number
    for number in [*outside, math.nan]:
        with pytest.raises(AssertionError, match="Source: src"):
            answer.check(number)


def test_tensors_count_as_their_number():
    measured = torch.tensor(1.5)
    assert known("ring_all_reduce_factor", n=4).check(measured) is measured


def test_a_quote_is_not_checked():
    answer = known("linear_scaling_error_8192")
    assert answer.value == 23.7 and "23.7 %" in str(answer)
    with pytest.raises(ValueError, match="quoted from Goyal"):
        answer.check(23.7)


@pytest.mark.parametrize(
    ("key", "arguments", "words"),
    [
        ("ring_allreduce_factor", {"n": 4}, "is it ring_all_reduce_factor"),
        ("scaling", {}, "is it linear_scaling"),
        ("zzz", {}, "bank/known lists them"),
        ("ring_all_reduce_factor", {}, r"needs n \(ranks\); it got none"),
        ("ring_all_reduce_factor", {"m": 4}, r"needs n \(ranks\); it got m"),
        ("linear_scaling_error_256", {"n": 4}, "needs no argument; it got n"),
        ("ring_all_reduce_factor", {"n": 1}, "must be at least 2"),
        ("ring_all_reduce_factor", {"n": 2.5}, "must be a whole number"),
        ("ring_all_reduce_factor", {"n": "4"}, "must be a finite number"),
        ("linear_scaling_lr", {"B": math.inf}, "must be a finite number"),
        ("linear_scaling_lr", {"B": 10**400}, "too large to compute"),
        ("ring_all_reduce_factor", {"n": None}, "must be a finite number"),
        ("ring_all_reduce_factor", {"n": 2 + 0j}, "must be a finite number"),
        ("ring_all_reduce_factor", {"n": np.array([2, 4])}, "must be a finite number"),
        (7, {}, "asked for by its key"),
    ],
)
def test_mistakes_end_in_a_sentence(key, arguments, words):
    with pytest.raises(ValueError, match=words):
        known(key, **arguments)


@pytest.mark.parametrize("four", [np.int64(4), np.uint8(4), np.float32(4), np.array(4), torch.tensor(4)])
def test_numbers_of_numpy_and_torch_are_numbers(four):
    answer = known("ring_all_reduce_factor", n=four)
    assert answer.value == 1.5 and str(answer) == str(known("ring_all_reduce_factor", n=4))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("1 / (n - 2)", "divide by zero"),
        ("exp(n * 1000)", "too large to compute"),
        ("(n + 10.0) ** (n * 1000)", "too large to compute"),
        ("sqrt(1 - n)", "no finite number"),
        ("(1 - n) ** 0.5", "no finite number"),
        ("max((1 - n) ** 0.5, 2)", "no finite number"),
        ("ceil(1e999 * n)", "too large to compute"),
    ],
)
def test_a_formula_without_a_value_ends_in_a_sentence(expression, words, monkeypatch):
    rows = {**load(), "odd": load()["ring_all_reduce_factor"] | {"expression": expression}}
    monkeypatch.setattr(module, "load", lambda: rows)
    with pytest.raises(ValueError, match=rf"odd .*{words}"):
        known("odd", n=2)


@pytest.mark.parametrize("measured", [None, "much", [1.5], torch.ones(2)])
def test_what_is_no_measurement_is_said(measured):
    with pytest.raises(ValueError, match="a measurement is one number"):
        known("ring_all_reduce_factor", n=4).check(measured)


def test_expressions_are_arithmetic_only():
    assert evaluate("max(a, 2) ** 2 / -sqrt(b)", {"a": 3, "b": 4}) == -4.5
    for text in (
        "__import__('os')",
        "a.real",
        "[1]",
        "a if a else 1",
        "'x'",
        "True",
        "missing",
        "abs(a)",
        "min(a, key=a)",
    ):
        with pytest.raises(ValueError, match="not plain arithmetic"):
            evaluate(text, {"a": 1})


def test_the_package_stays_light():
    code = "import sys; from course_lib.practice import known; known('linear_scaling_lr', B=1); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert "yaml" in run.stdout.split() and "torch" not in run.stdout.split()
