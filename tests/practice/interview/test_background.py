"""Words weigh as in a frozen text: the bank grows, and no suggestion moves."""

import dataclasses
import json

import pytest

from course_lib.practice.interview import background as module
from course_lib.practice.interview import coverage
from course_lib.practice.interview.background import background, count
from course_lib.practice.interview.coverage import suggest
from course_lib.practice.interview.words import clauses
from course_lib.practice.knowledge import questions
from course_lib.practice.knowledge.questions import question


@pytest.fixture
def fresh():
    """Nothing is remembered of words weighed before, or after."""
    coverage._weight.cache_clear()
    background.cache_clear()
    yield
    coverage._weight.cache_clear()
    background.cache_clear()


def scores():
    answer = question("c06-q01").answer
    return [each.score for each in suggest(answer.long[:1500], answer.must_say.en)]


def test_another_answered_question_moves_no_suggestion(fresh, monkeypatch):
    before = scores()
    assert any(before)
    every = questions.load()
    known = question("c06-q01")
    answer = dataclasses.replace(known.answer, long=known.answer.long + " " + "The server link carries bytes. " * 50)
    more = dataclasses.replace(known, id="c06-q99", answer=answer)
    monkeypatch.setattr(questions, "load", lambda folder=None: (*every, more))
    coverage._weight.cache_clear()
    background.cache_clear()
    assert scores() == before
    # The same answer would move them if it were counted.
    monkeypatch.setattr(coverage, "background", lambda: count(module.sentences_of_the_bank()))
    coverage._weight.cache_clear()
    assert scores() != before


def test_the_frozen_text_is_large_enough_to_tell_common_words_from_rare_ones():
    frozen = background()
    assert frozen.sentences > 300 and len(frozen.seen) > 1000
    assert max(frozen.seen.values()) < frozen.sentences and min(frozen.seen.values()) >= 1
    common, rare = (frozen.seen[clauses(word)[0][0].name] for word in ("gradient", "server"))
    assert common > 2 * rare > 0


def test_words_are_counted_once_a_sentence():
    found = count(["The ring sends bytes, and bytes again.", "A ring is a ring."])
    assert found.sentences == 2 and found.seen["ring"] == 2
    assert [found.seen[name] for name in found.seen if name.startswith("byt")] == [1]


def test_the_command_writes_what_is_read(fresh, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "bank", lambda: tmp_path)
    assert module.main() == 0
    written = background()
    assert written == count(module.sentences_of_the_bank())
    assert f"{len(written.seen):,} words of {written.sentences:,} sentences" in capsys.readouterr().out


DAMAGED = [None, "{", "[]", json.dumps({"sentences": 3}), json.dumps({"sentences": 3, "seen": 5})]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_ends_in_a_sentence(fresh, tmp_path, monkeypatch, text):
    monkeypatch.setattr(module, "bank", lambda: tmp_path)
    if text is not None:
        (tmp_path / "background.json").write_text(text)
    with pytest.raises(ValueError, match=r"bank/background\.json cannot be read .*git checkout"):
        background()
