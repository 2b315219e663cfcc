"""The calibration plot holds one dot per revealed prediction, and says in words what it shows."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from course_lib.practice import calibration, predict, reveal
from course_lib.practice.predictions import prediction
from course_lib.practice.predictions.calibration import median_factor, points
from course_lib.practice.record.progress import Event, Progress

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("COURSE_ORDERED", raising=False)
    monkeypatch.setattr(prediction, "_asked", {})


def guessed(*triples):
    for name, guess, measured in triples:
        predict(name, ask="How many?", guess=guess)
        reveal(name, measured)


def dots(picture):
    (ax,) = picture.fig.axes
    line = ax.lines[1]
    lanes = [label.get_text() for label in ax.get_yticklabels()]
    return {(lanes[int(y)], round(x, 6)) for x, y in line.get_xydata()}


def test_without_a_reveal_it_says_so_in_words():
    assert repr(calibration()) == "Your calibration: no prediction yet"
    predict("06.bytes", ask="How many?", guess=3)
    assert repr(calibration()) == "Your calibration: no prediction yet"
    reveal("07.other", 5)
    assert repr(calibration()) == "Your calibration: no prediction yet"


def test_each_prediction_is_a_dot_at_guess_over_answer_beside_the_perfect_line():
    guessed(("06.bytes", 300, 150), ("06.far", 50, 100), ("01.memory", 10, 1000))
    picture = calibration()
    assert dots(picture) == {("06.bytes", 2.0), ("06.far", 0.5), ("01.memory", 0.01)}
    (ax,) = picture.fig.axes
    assert ax.get_xscale() == "log"
    assert list(ax.lines[0].get_xdata()) == [1, 1]
    assert ax.get_xlim()[0] < 0.01 and ax.get_xlim()[1] > 2
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "06.far",
        "06.bytes",
        "01.memory",
    ]  # read from the top
    assert "Guess divided by answer for 3 predictions" in picture.caption
    assert "median factor is 2; 1 too high, 2 too low, 0 exact" in picture.caption
    assert "widest is 01.memory: 10 for 1,000" in picture.caption
    assert len(picture.png()) < 60_000


def test_the_median_is_of_factors_in_either_direction():
    guessed(("06.a", 1000, 10), ("06.b", 10, 30), ("06.c", 7, 7))
    assert median_factor(points()) == pytest.approx(3)


def test_a_guess_without_a_score_is_counted_and_not_drawn():
    guessed(("06.none", 0, 5))
    assert "no prediction yet" in repr(calibration()) and "zero or less" in repr(calibration())
    guessed(("06.bytes", 300, 150))
    picture = calibration()
    assert dots(picture) == {("06.bytes", 2.0)}
    assert "1 prediction not above zero cannot be drawn" in picture.caption


def test_a_question_that_changed_counts_once_and_a_second_reveal_not_at_all():
    guessed(("06.bytes", 300, 150))
    reveal("06.bytes", 75)
    (first,) = Progress.open().events("reveal")
    Progress.open().add([Event(datetime.now(UTC), "reveal", "06.bytes", first.content_hash, first.data | {"guess": 1})])
    assert [(point.guess, point.answer) for point in points()] == [(300, 150)]
    predict("06.bytes", ask="How many, of twice as much?", guess=300)
    reveal("06.bytes", 300)
    assert [(point.guess, point.answer) for point in points()] == [(300, 300)]


def test_many_predictions_are_drawn_by_chapter():
    now = datetime.now(UTC)
    reveals = [
        Event(now, "reveal", f"{i % 36:02d}.p{i // 36}", data={"guess": 10 + i, "measured": 50}) for i in range(40)
    ]
    Progress.open().add(reveals)
    picture = calibration()
    (ax,) = picture.fig.axes
    lanes = [label.get_text() for label in ax.get_yticklabels()]
    assert (lanes[0], lanes[-1], len(lanes)) == ("35", "00", 36)
    assert len(ax.lines[1].get_xdata()) == 40
    assert len(picture.png()) < 60_000


def test_an_event_edited_into_nonsense_is_passed_over():
    guessed(("06.bytes", 300, 150))
    Progress.open().record("reveal", "06.odd", guess="many", measured=None)
    Progress.open().record("reveal", "06.empty")
    assert [point.id for point in points()] == ["06.bytes"]


def test_where_outputs_are_compared_it_says_what_is_stored(monkeypatch):
    guessed(("06.bytes", 300, 150))
    monkeypatch.setenv("COURSE_ORDERED", "1")
    assert repr(calibration()) == "Your calibration: no prediction yet"


def test_importing_it_loads_no_matplotlib():
    code = "import sys\nfrom course_lib.practice import calibration\nprint('matplotlib' in sys.modules, calibration())"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert said.stdout.strip() == "False Your calibration: no prediction yet"
