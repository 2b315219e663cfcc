"""Cards come from answered questions, known answers and the museum; a number card hides its number."""

import dataclasses
import re
import sqlite3
import zipfile
from collections import Counter
from importlib import import_module

import pytest

from course_lib.practice.cards import anki
from course_lib.practice.cards import deck as cards
from course_lib.practice.cards.deck import BLANK, KINDS, deck, part_name
from course_lib.practice.cards.numbers import judge
from course_lib.practice.desk.house import written
from course_lib.practice.desk.place import CourseError

questions = import_module("course_lib.practice.knowledge.questions")  # the package's own name is the function
quiz = import_module("course_lib.practice.cards.quiz")


def test_the_deck_has_every_kind_and_each_card_a_name_of_its_own():
    every = deck()
    assert {card.kind for card in every} == set(KINDS)
    assert max(Counter(card.id for card in every).values()) == 1
    assert all(card.front["en"] and card.back["en"] for card in every)


def test_only_answered_questions_give_cards(monkeypatch):
    answered = questions.questions(status="answered")
    by_id = {card.id: card for card in deck() if card.kind == "question"}
    assert set(by_id) == {record.id for record in answered}
    planned = questions.questions(status="planned")[0]
    assert planned.id not in {card.question for card in deck()}
    shown = dataclasses.replace(answered[0], id="c00-q99")
    monkeypatch.setattr(questions, "load", lambda: (shown, planned))
    assert {card.id for card in deck() if card.kind == "question"} == {"c00-q99"}


def test_a_question_card_is_whole_in_both_languages():
    card = next(card for card in deck(language="zh") if card.id == "c06-q01")
    record = questions.question("c06-q01")
    assert (card.front["zh"], card.back["zh"]) == (record.text.zh, record.answer.short.zh)
    assert card.points == {"en": record.answer.must_say.en, "zh": record.answer.must_say.zh}


def test_a_number_card_hides_its_number_and_takes_it_back():
    numbers = [card for card in deck() if card.kind == "number" and not card.id.startswith("known/")]
    assert len(numbers) > 20 and any("zh" in card.front for card in numbers)
    for card in numbers:
        for language, front in card.front.items():
            assert front.count(BLANK) == 1
            hidden = re.search(rf"(?<![\w.,]){re.escape(card.number.shown)}(?![\d.,]*\d)", front)
            assert hidden is None, (card.id, language)
        assert judge(f"{card.number.shown} {card.number.unit}", card.number.value, card.number.unit).right


def test_a_card_has_a_chapter_to_read():
    assert {card.chapter for card in deck()} <= written()
    assert not [card for card in deck() if card.id in ("known/kv_bytes_per_token", "museum/E3")]


def test_known_answers_are_asked_in_one_case_and_their_own_unit():
    card = next(card for card in deck() if card.id == "known/ring_all_reduce_factor")
    assert card.number.value == 1.96875 and "n = 64 (ranks)" in card.front["en"]
    assert "1)/n" in card.back["en"] and "1)/n" not in card.front["en"]


def test_an_exhibit_asks_for_a_line_and_does_not_give_it_away():
    card = next(card for card in deck() if card.id == "museum/1")
    assert card.part == "2_parallelism" and {fault for fault, _ in card.lines.values()} == {True, False}
    assert "optimizer.step()" in card.code and "Averaging" not in card.front["en"]


@pytest.mark.parametrize("part", [2, "2", "parallelism", "2_parallelism", " Parallelism "])
def test_a_part_has_several_names(part):
    assert part_name(part) == "2_parallelism"
    assert {card.part for card in deck(part)} == {"2_parallelism"}


def test_an_unknown_part_or_language_is_one_sentence():
    with pytest.raises(CourseError, match=r"There is no part '9': the parts are 0_start, .*8_platform\."):
        deck(9)
    with pytest.raises(CourseError, match="no cards in 'de': take en or zh"):
        deck(language="de")
    assert "There is no part 'x'" in repr(quiz.quiz("x"))


def test_a_malformed_bank_is_one_sentence(monkeypatch):
    def broken():
        raise questions.BankError("parallelism: bad")

    monkeypatch.setattr(questions, "load", broken)
    with pytest.raises(CourseError, match="parallelism: bad"):
        deck()


def notes_of(path, folder):
    with zipfile.ZipFile(path) as package:
        package.extract("collection.anki2", folder)
    with sqlite3.connect(folder / "collection.anki2") as db:
        return dict(db.execute("SELECT guid, flds FROM notes").fetchall())


def test_an_export_holds_every_card_under_ids_that_stay(tmp_path):
    for name in ("a", "b"):
        assert "cards written to" in anki.export(str(tmp_path / f"{name}.apkg"), part=2)
    first, second = (notes_of(tmp_path / f"{name}.apkg", tmp_path) for name in "ab")
    assert first == second and len(first) == len(deck(2))
    assert sum("Must say" in fields for fields in first.values()) == 7
    chinese = tmp_path / "zh.apkg"
    anki.export(str(chinese), part=2, language="zh")
    assert not set(notes_of(chinese, tmp_path)) & set(first)


def test_an_export_replaces_nothing_unless_told_to(tmp_path):
    target = tmp_path / "deck.apkg"
    target.write_text("mine")
    with pytest.raises(CourseError, match="exists already: add --force"):
        quiz.main(["--export", str(target), "--part", "0"])
    assert target.read_text() == "mine"
    assert quiz.main(["--export", str(target), "--part", "0", "--force"]) == 0
    assert zipfile.is_zipfile(target)


@pytest.mark.parametrize(
    ("name", "part", "said"),
    [
        ("deck.txt", 2, "end it in .apkg"),
        ("none/deck.apkg", 2, "cannot be written"),
        ("folder.apkg", 2, "is a folder"),
    ],
)
def test_an_export_that_cannot_be_is_one_sentence(tmp_path, name, part, said):
    (tmp_path / "folder.apkg").mkdir()
    with pytest.raises(CourseError, match=said) as caught:
        anki.export(str(tmp_path / name), part=part, force=True)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.apkg"]


def test_a_number_that_stands_twice_is_not_asked_there():
    from course_lib.practice.knowledge.sourced_numbers import Number

    number = Number("calc", "2*4", "8")
    texts = {"en": ["It is 8 of 8. Later 8 days pass.", "On 8,192 ranks, rank8 and 8.5. Then it takes 8 GB."], "zh": []}
    front, back, unit = cards._blanked(number, texts)
    assert front == {"en": f"On 8,192 ranks, rank8 and 8.5. Then it takes {BLANK} GB."}
    assert (back, unit) == ({"en": "Then it takes 8 GB."}, "GB")


def test_a_part_without_cards_is_not_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(anki, "deck", lambda part, language: ())
    with pytest.raises(CourseError, match="no card to export"):
        anki.export(str(tmp_path / "deck.apkg"), part=5)
    assert list(tmp_path.iterdir()) == []


def test_cards_are_listed_by_chapter():
    chapters = [(card.part, card.chapter) for card in cards.deck()]
    assert chapters == sorted(chapters)
