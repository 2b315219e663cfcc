"""The diagnostic's answers are right, its routes follow from them, and bad input ends in a sentence."""

import pytest

from course_lib.practice.desk import house
from course_lib.practice.knowledge.curriculum import curriculum
from course_lib.practice.knowledge.known import known
from course_lib.practice.predictions import diagnostic
from course_lib.practice.predictions.diagnostic import items, route

# Worked out on paper, once more than in the file.
ANSWERS = [268.4, 4.2, 16, 64, 1, 59, 75, 16, 1, 27.27, 1, 3.5, 65536, 131072, 9, 20, 0.75, 50, 4.32, 1.5]


def test_twenty_items_with_the_right_answers():
    assert len(items()) == 20
    for item, answer in zip(items(), ANSWERS, strict=True):
        assert item.answer == pytest.approx(answer, rel=1e-3), item.ask


def test_it_gives_away_no_prediction_of_a_chapter():
    sent = [100 * known("ring_all_reduce_factor", n=n).value for n in (4, 64)]  # 06.bytes-4 and 06.bytes-64
    assert all("all-reduce of" not in item.ask and item.answer not in sent for item in items())


def test_every_part_is_asked_about():
    parts = {part: set(chapters) for part, chapters in curriculum().items() if not part.startswith("0")}
    for part, chapters in parts.items():
        assert chapters & {item.chapter for item in items()}, part


def test_all_right_proposes_no_chapter():
    result = route(dict(enumerate(ANSWERS, start=1)))
    assert len(result.right) == 20 and result.chapters == ()
    assert str(result).startswith("20 right, 0 missed, 0 left out.")


def test_a_miss_and_a_blank_propose_their_chapters(monkeypatch):
    monkeypatch.setattr(diagnostic, "written", lambda: {"02", "06", "35"})
    answers = dict(enumerate(ANSWERS, start=1))
    answers[7] = 400.0
    answers[3] = None
    del answers[20]
    result = route(answers)
    assert (result.missed, result.blank, result.chapters) == ((7,), (3, 20), ("02", "06", "35"))
    assert "Your route: chapters 02, 06, 35." in str(result)
    assert "7. 75 %: what they do together over 8 times what one does alone (chapter 06)" in str(result)
    assert "3. " not in str(result)  # what was left out is not given away


def test_a_chapter_that_is_only_planned_is_on_no_route():
    answers = dict(enumerate(ANSWERS, start=1)) | {1: 7.0, 7: 400.0, 20: None}
    result = route(answers)
    assert set(result.chapters) <= {path.name[:2] for path in house.notebooks()} and "06" in result.chapters
    assert set(result.chapters) | set(result.planned) == {"01", "06", "35"}
    for chapter in result.planned:
        assert chapter in str(result).split("not written yet: ")[1].splitlines()[0]


def test_five_per_cent_is_right_and_six_is_not():
    assert route({12: 3.5 * 1.049}).right == (12,)
    assert route({12: 3.5 * 1.06}).missed == (12,)


def test_no_answers():
    assert str(route({})) == str(route({1: None})) and "No answers yet" in str(route({}))


@pytest.mark.parametrize(
    ("answers", "words"), [({21: 1}, "no item 21"), ({1: "2"}, "'2' is no number"), ({1: True}, "no number")]
)
def test_bad_answers_are_named(answers, words):
    with pytest.raises(ValueError, match=words):
        route(answers)
