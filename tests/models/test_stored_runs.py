"""Stored runs hold what made them; a row trained again agrees or is named; foreign files are named."""

import dataclasses
import importlib
import json
import random
from pathlib import Path

import pytest

from course_lib.data.text import Corpus
from course_lib.models.stored_runs import StoredRuns, load_runs, retrain, save_runs

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "course_lib").glob("*/runs/*.json"))
RUNS = StoredRuns(
    name="squares",
    about="A function whose values are known.",
    made_by="tests.models.test_stored_runs:square",
    recipe={"seed": 0, "plus": 0.5},
    varies=["x"],
    measures={"y": 0.1},
    versions={"torch": "2.13.0"},
    seconds=1.5,
    data_sha256=Corpus.load().sha256,
    rows=[{"x": x, "y": x * x + 0.5} for x in range(5)],
)


def square(x, plus, seed):
    return {"y": x * x + plus}


@pytest.fixture
def path(tmp_path):
    save_runs(RUNS, tmp_path / "runs" / "squares.json")
    return tmp_path / "runs" / "squares.json"


def test_there_are_committed_runs():
    assert FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_committed_file_is_of_the_form_and_names_what_makes_it(file):
    runs = load_runs(file)
    assert runs.name == file.stem
    module, function = runs.made_by.split(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_tenth_of_every_file_trains_again_to_the_same(file):
    runs = load_runs(file)
    module, function = runs.made_by.split(":")
    rows = random.Random().sample(runs.rows, -(-len(runs.rows) // 10))
    assert retrain(runs, rows, getattr(importlib.import_module(module), function))


def test_what_was_saved_is_read_a_row_a_line(path):
    assert load_runs(path) == RUNS
    assert sum(line.startswith('  {"x"') for line in path.read_text().splitlines()) == 5


def test_rows_means_and_samples():
    assert RUNS.where(x=2) == [{"x": 2, "y": 4.5}]
    mean, spread, count = RUNS.mean("y")
    assert (mean, count) == (6.5, 5) and spread == pytest.approx(43.5**0.5)
    assert RUNS.mean("y", x=1) == (1.5, 0.0, 1)
    assert RUNS.sample(2, seed=1) == RUNS.sample(2, seed=1) and len(RUNS.sample(9)) == 5
    with pytest.raises(ValueError, match="no row with x=7"):
        RUNS.where(x=7)


def test_rows_trained_again_are_compared_on_both_sides():
    (one, two) = retrain(RUNS, RUNS.where(x=3) + RUNS.where(x=4), square)
    assert (one.stored, one.live, two.live) == (9.5, 9.5, 16.5)
    for off in (0.2, -0.2):
        with pytest.raises(AssertionError, match=r"squares, x=3: y is .* here and 9.5 in the file, further"):
            retrain(RUNS, RUNS.where(x=3), lambda off=off, **row: {"y": square(**row)["y"] + off})
    assert retrain(RUNS, RUNS.where(x=3), lambda **row: {"y": square(**row)["y"] + 0.05})


def test_bad_rows_and_functions_are_named():
    with pytest.raises(ValueError, match="Name the rows"):
        retrain(RUNS, [], square)
    with pytest.raises(ValueError, match=r"is not one of the rows of .squares."):
        retrain(RUNS, [{"x": 3, "y": 1.0}], square)
    with pytest.raises(ValueError, match="did not return y"):
        retrain(RUNS, RUNS.rows[:1], lambda **row: {"z": 1.0})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": []}, "lacks rows"),
        ({"rows": [{"x": 1}]}, "row 0 does not have exactly x, y"),
        ({"rows": [{"x": 1, "y": "2"}]}, "row 0 has a measure that is not a number"),
        ({"measures": {"y": 0}}, "tolerance is not a number above 0"),
        ({"recipe": {"plus": 0.5}}, "names a seed"),
        ({"versions": {"python": "3.11"}}, "the version of torch"),
        ({"seconds": "long"}, "its 'seconds' is"),
        ({"curve": [1, 2]}, "differ from the form in 'curve'"),
        ({"data_sha256": "0" * 64}, "made on other data than this"),
    ],
)
def test_a_file_of_another_form_or_data_is_named_in_one_sentence(path, change, words):
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=words) as caught:
        load_runs(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is not JSON"), ("[1]", "no JSON object"), ("NaN", "it holds NaN"), (" " * 60_000, "bytes")],
)
def test_a_file_that_cannot_be_read_is_named(path, text, words):
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        load_runs(path)


def test_a_missing_file_and_runs_that_cannot_be_stored_are_named(path, tmp_path):
    with pytest.raises(ValueError, match="no stored runs at"):
        load_runs(tmp_path / "none.json")
    with pytest.raises(ValueError, match="cannot be stored: row 0"):
        save_runs(dataclasses.replace(RUNS, rows=[{"x": 1}]), path)
    assert load_runs(path) == RUNS
    assert load_runs(path, data_sha256=RUNS.data_sha256) == RUNS
