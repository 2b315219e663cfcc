"""The overview joins what was recorded with what there is to do, by part, chapter, exercise and question."""

import json
from types import SimpleNamespace

import pytest

from course_lib.practice import overview, predict, reveal
from course_lib.practice.desk import place
from course_lib.practice.desk.place import CourseError
from course_lib.practice.predictions import prediction
from course_lib.practice.record import standing
from course_lib.practice.record.progress import Progress
from course_lib.practice.record.status import main

EXERCISES = ["00.first", "06.ring", "06.tree"]


def record(name, part, chapter, answered=True, also=()):
    return SimpleNamespace(
        id=name,
        ids=(name, *also),
        part=part,
        chapter=chapter,
        answered=answered,
        text=SimpleNamespace(en=f"What is {name}? " + "Say why. " * 20),
    )


QUESTIONS = (
    record("c06-q01", "2_parallelism", "06", also=("s003-q12",)),
    record("c06-q02", "2_parallelism", "06"),
    record("c07-q01", "2_parallelism", "07", answered=False),
    record("c11-q01", "3_compression", "11", answered=False),
)


@pytest.fixture(autouse=True)
def small_course(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("COURSE_ORDERED", raising=False)
    monkeypatch.setattr(prediction, "_asked", {})
    monkeypatch.setattr(standing, "_exercises", lambda: EXERCISES)
    monkeypatch.setattr(standing, "_questions", lambda: QUESTIONS)
    for name, title in (("00_start_here", "00 Start here"), ("2_parallelism/06_data_parallel", "06 Data parallel")):
        path = tmp_path / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": [f"# {title}\n"]}]}))
    monkeypatch.setattr(place, "root", lambda: tmp_path)
    return tmp_path


def did(kind, key, **data):
    Progress.open().record(kind, key, **data)


def lines(panel=None):
    """Status and text of each row, and the title."""
    panel = panel or overview()
    return panel.title, [(row.status, row.text) for row in panel.rows]


def test_with_nothing_recorded_it_is_one_stable_line(small_course):
    assert repr(overview()) == "Your progress: no progress yet"
    assert not (small_course / "data").exists()


def test_an_exercise_passes_with_its_first_right_attempt_and_help_is_counted():
    did("attempt", "06.ring", passed=False)
    title, rows = lines()
    assert title == "Your progress: 0 of 3 exercises passed, 0 of 2 questions practised, 2 questions planned"
    assert ("failed", "Exercise 06.ring: 1 attempt") in rows
    did("hint", "06.ring", number=1)
    did("hint", "06.ring", number=2)
    did("solution", "06.ring")
    did("attempt", "06.ring", passed=True)
    did("attempt", "06.ring", passed=False)
    title, rows = lines()
    assert title.startswith("Your progress: 1 of 3 exercises passed")
    assert ("passed", "Exercise 06.ring: 3 attempts, 2 hints, solution seen") in rows
    assert ("not attempted", "Exercise 06.tree") in rows
    assert not any("00.first" in text for _, text in rows)  # its chapter has not begun


def test_parts_and_chapters_are_summed_in_order():
    did("attempt", "06.ring", passed=True)
    did("attempt", "00.first", passed=True)
    summed = [text for _, text in lines()[1] if "Exercise" not in text]
    assert summed == [
        "00 Start here: 1 of 1 exercise passed",
        "Part 2, parallelism: 1 of 2 exercises passed, 0 of 2 questions practised, 1 question planned",
        "06 Data parallel: 1 of 2 exercises passed, 0 of 2 questions practised",
        "Planned for later versions: Part 3, compression",
    ]


def test_predictions_are_shown_with_how_close_they_came():
    predict("06.bytes", ask="How many?", guess=300)
    assert ("note", "Prediction 06.bytes: saved, its answer not yet shown") in lines()[1]
    reveal("06.bytes", 150)
    title, rows = lines()
    assert "1 prediction revealed (median factor 2)" in title
    assert ("note", "Prediction 06.bytes: 300 for 150. Factor 2, too high") in rows
    assert not any("not yet shown" in text for _, text in rows)


def test_a_guess_after_its_answer_is_not_called_unseen():
    predict("06.bytes", ask="How many?")
    reveal("06.bytes", 150)
    predict("06.bytes", ask="How many?", guess=300)
    assert [text for _, text in lines()[1] if "06.bytes" in text] == [
        "Prediction 06.bytes: its answer was shown, no score"
    ]


def test_questions_count_as_practised_under_any_of_their_ids():
    did("quiz", "s003-q12")
    did("mock", "c06-q01")
    title, rows = lines()
    assert "1 of 2 questions practised" in title
    (said,) = [text for _, text in rows if text.startswith("Question")]
    assert said.startswith("Question c06-q01, practised 2 times: What is c06-q01? Say why.")
    assert len(said) < 130


def test_one_chapter_in_full_shows_what_is_still_open():
    did("quiz", "c06-q01")
    title, rows = lines(overview("6"))
    assert title.startswith("06 Data parallel: 0 of 2 exercises passed")
    assert [status for status, _ in rows] == ["not attempted", "not attempted", "note", "not attempted"]
    assert repr(overview(6)) == repr(overview("06"))
    assert lines(overview("07"))[1][0][1].startswith("Question c07-q01, planned:")


@pytest.mark.parametrize("wrong", ["99", "six", "-1"])
def test_a_chapter_that_is_not_there_is_a_sentence_with_those_that_are(wrong):
    with pytest.raises(CourseError, match="it has 00, 06, 07, 11"):
        overview(wrong)


def test_work_on_an_exercise_that_the_course_no_longer_has_is_still_shown():
    did("attempt", "06.gone", passed=True)
    did("attempt", "12.gone", passed=True)
    did("attempt", "nonsense", passed=True)
    rows = lines()[1]
    assert ("passed", "Exercise 06.gone: 1 attempt") in rows
    assert ("passed", "Exercise 12.gone: 1 attempt") in rows
    assert not any("nonsense" in text for _, text in rows)


def test_what_cannot_be_read_is_left_out(monkeypatch):
    def broken():
        raise CourseError("not here")

    did("attempt", "06.ring", passed=True)
    for name in ("_exercises", "_questions"):
        monkeypatch.setattr(standing, name, broken)
    monkeypatch.setattr(place, "root", broken)
    assert lines() == (
        "Your progress: 1 of 1 exercise passed",
        [("note", "06 Chapter 06: 1 of 1 exercise passed"), ("passed", "Exercise 06.ring: 1 attempt")],
    )


def test_where_outputs_are_compared_it_says_what_is_stored(monkeypatch):
    did("attempt", "06.ring", passed=True)
    monkeypatch.setenv("COURSE_ORDERED", "1")
    assert repr(overview()) == "Your progress: no progress yet"
    assert "passed" not in overview()._repr_html_()


def test_the_command_lists_the_copies_and_the_progress(small_course, capsys):
    assert main(["--work", str(small_course / "work")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("2 notebooks")
    assert said[1].split() == ["00_start_here.ipynb", "not", "yet", "laid", "out", "00", "Start", "here"]
    assert said[-1] == "Your progress: no progress yet"
    did("attempt", "06.ring", passed=True)
    assert main(["6"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("06 Data parallel: 1 of 2 exercises passed")
    assert "passed         Exercise 06.ring: 1 attempt" in said


def test_the_real_course_is_read(small_course, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("COURSE_DATA_DIR", str(small_course / "data"))
    numbers = [chapter.number for chapter in standing.standing()]
    assert numbers == sorted(numbers) and "06" in numbers
    assert any(one.id == "06.tree_broadcast" for chapter in standing.standing() for one in chapter.exercises)
