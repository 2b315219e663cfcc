"""What the shipped bank holds: every id once, both languages, lengths, and a source for every number."""

import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.practice.knowledge.curriculum import curriculum, stem_of
from course_lib.practice.knowledge.question_schema import MAP_IDS, check_structure, content_problems
from course_lib.practice.knowledge.questions import load, question, questions
from tests.chapters import by_chapter

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "course_lib" / "bank" / "questions"
RAW = [(chapter, raw) for chapter, raws in check_structure(FOLDER).items() for raw in raws]
ANSWERED = {raw["id"]: (chapter, raw) for chapter, raw in RAW if raw["status"] == "answered"}


def test_every_id_of_the_map_stands_once():
    ids = [question_id for record in load() for question_id in record.ids]
    assert len(MAP_IDS) == 108
    assert sorted(q for q in ids if q.startswith("s")) == sorted(MAP_IDS)
    assert len(ids) == len(set(ids))


def test_every_record_has_the_chapter_and_part_of_its_file():
    assert sorted(n for chapters in curriculum().values() for n in chapters) == [f"{n:02d}" for n in range(37)]
    for record in load():
        assert record.chapter in curriculum()[record.part], record.id
        assert f"id: {record.id}\n" in (FOLDER / f"{stem_of(record.chapter)}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("question_id", by_chapter(ANSWERED, lambda question_id: ANSWERED[question_id][0]))
def test_an_answer_has_its_length_language_and_sources(question_id):
    assert list(content_problems(ANSWERED[question_id][1])) == []


def test_what_must_be_answered_now_is_answered():
    assert question("s000-q16").ids == ("s000-q16", "s003-q12", "s004-q05")
    assert sum(record.id.startswith("c06-") for record in questions(chapter=6, status="answered")) >= 5
    assert sum(record.id.startswith("c00-") for record in questions(chapter=0, status="answered")) >= 2


def test_each_wording_of_a_shared_answer_says_what_it_wants_first():
    for record in questions(status="answered"):
        if record.also:
            assert all(wording.emphasis for wording in record.wordings), record.id


def test_no_markup_reaches_a_reader():
    for record in questions(status="answered"):
        answer = record.answer
        texts = [answer.short.en, answer.short.zh, *answer.must_say.en, *answer.must_say.zh, answer.long]
        texts += [text for pair in answer.follow_ups for text in (pair.question, pair.answer)]
        texts += [text for mistake in answer.mistakes for text in (mistake.says, mistake.wrong)]
        texts += [item.shows for item in answer.evidence]
        assert not [text for text in texts if "{{" in text or "}}" in text], record.id
        assert answer.numbers, record.id


def test_the_bank_is_read_without_torch():
    code = "import sys; from course_lib.practice import questions; questions(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
