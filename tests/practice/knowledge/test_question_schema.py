"""A malformed bank is refused in one sentence that names file, record and remedy."""

import copy
import shutil
from pathlib import Path

import pytest
import yaml

from course_lib.practice.knowledge.question_schema import content_problems
from course_lib.practice.knowledge.questions import load
from course_lib.practice.knowledge.yaml_file import BankError

FOLDER = Path(__file__).resolve().parents[3] / "course_lib" / "bank" / "questions"
FILE = "06_data_parallel.yaml"


@pytest.fixture
def bank(tmp_path):
    """A copy of the bank, with a function that changes the raw records of one file and reads the whole."""
    shutil.copytree(FOLDER, tmp_path / "questions")

    def change(edit):
        path = tmp_path / "questions" / FILE
        raws = yaml.safe_load(path.read_text(encoding="utf-8"))
        edit(raws, {raw["id"]: raw for raw in raws})
        path.write_text(yaml.safe_dump(raws, allow_unicode=True), encoding="utf-8")
        return load(tmp_path / "questions")

    change.folder = tmp_path / "questions"
    return change


def delete(*keys):
    def edit(raws, by_id):
        *path, last = keys
        target = by_id["c06-q01"]
        for key in path:
            target = target[key]
        del target[last]

    return edit


def put(record, key, value):
    return lambda raws, by_id: by_id[record].__setitem__(key, value)


STRUCTURE = {
    "chinese question missing": (delete("question", "zh"), "question.zh is missing; write the Chinese text"),
    "chinese short missing": (delete("short", "zh"), "short.zh is missing"),
    "chinese that is english": (put("c06-q01", "short", {"en": "yes", "zh": "yes"}), "holds no Chinese; translate it"),
    "english that is chinese": (put("c06-q01", "question", {"en": "梯度", "zh": "梯度"}), "question.en holds Chinese"),
    "chinese point missing": (
        lambda raws, by_id: by_id["c06-q01"]["must_say"]["zh"].pop(),
        "in English and 4 in",
    ),
    "three points": (put("c06-q01", "must_say", {"en": ["a"] * 3, "zh": ["甲"] * 3}), "has 3 points; write 4 to 7"),
    "no chinese points": (put("c06-q01", "must_say", {"en": ["a"] * 4}), "must_say must hold two lists"),
    "no long answer": (delete("long"), "'long' is missing"),
    "one follow-up": (lambda raws, by_id: by_id["c06-q01"]["follow_ups"].pop(), "follow_ups must be a list of 2"),
    "follow-up without answer": (put("c06-q01", "follow_ups", [{"question": "?"}] * 2), "answer and question"),
    "empty mistake": (put("c06-q01", "mistakes", [{"says": "x", "wrong": " "}] * 2), "wrong is missing; write it"),
    "no sources": (put("c06-q01", "sources", []), "sources must be a list"),
    "no evidence": (put("c06-q01", "evidence", []), "evidence must be a list of 1 to 9"),
    "planned with text": (put("c06-q01", "status", "planned"), "is planned but has answer text (short)"),
    "unknown status": (put("c06-q01", "status", "done"), "write answered or planned"),
    "answered without text": (delete("short"), "set 'status: planned'"),
    "unknown field": (put("c06-q01", "folow_ups", []), "is it 'follow_ups'?"),
    "missing field": (delete("topic"), "the field 'topic' is missing"),
    "unknown id": (put("s000-q16", "id", "s000-q99"), "neither in the question map"),
    "id of another chapter": (put("c06-q01", "id", "c07-q01"), "belongs to chapter 07, not 06"),
    "unknown id in also": (
        lambda raws, by_id: by_id["s000-q16"]["also"][0].__setitem__("id", "s009-q01"),
        "'s009-q01' is neither",
    ),
    "chapter in the record": (put("c06-q01", "chapter", 15), "has a chapter; remove the field"),
    "topic in words": (put("c06-q01", "topic", "Ring all-reduce"), "write it in lower case with hyphens"),
    "twice": (lambda raws, by_id: raws.append(copy.deepcopy(by_id["s000-q16"])), "keep one of the two"),
    "missing id": (lambda raws, by_id: raws.remove(by_id["s000-q16"]), "3 of the map's 108 ids are missing: s000-q16"),
    "record that is text": (lambda raws, by_id: raws.append("s000-q01"), "is no mapping"),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_a_malformed_record_is_refused(bank, name):
    edit, says = STRUCTURE[name]
    with pytest.raises(BankError) as error:
        bank(edit)
    message = str(error.value)
    assert says in message
    assert message.startswith("bank/questions")
    if name not in ("missing id",):
        assert f"{FILE}, record " in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- id: x\n  question: {en: what\n", "not readable as YAML"),
        ("- id: s000-q01\n\ttopic: x\n", "line 2: not readable as YAML"),
        ("- id: s000-q01\n  id: s000-q02\n", "the field 'id' stands twice; keep one"),
        ("id: s000-q01\n", "must be a list of records"),
    ],
)
def test_malformed_yaml_is_refused(bank, text, says):
    (bank.folder / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(BankError) as error:
        load(bank.folder)
    assert says in str(error.value)
    assert FILE in str(error.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("99_cooking.yaml", r"questions/99_cooking\.yaml: there is no chapter 99_cooking; name it after a chapter"),
        ("07_sharding.yaml", r"no chapter 07_sharding; rename it to 07_sharded_training\.yaml"),
    ],
)
def test_a_file_that_is_no_chapter_is_refused(bank, name, says):
    shutil.copy(bank.folder / FILE, bank.folder / name)
    with pytest.raises(BankError, match=says):
        load(bank.folder)


def raw_record():
    raws = yaml.safe_load((FOLDER / FILE).read_text(encoding="utf-8"))
    return next(raw for raw in raws if raw["id"] == "c06-q01")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("long", "Too short.", "three-minute answer has 2 words; write 300 to 450"),
        ("short", {"en": "Too short.", "zh": "太短"}, "30-second answer has 2 words; write 60 to 90"),
        ("short", {"en": "word " * 70, "zh": "太短"}, "in Chinese has 2 characters; write 100 to 220"),
        ("long", "It is simply right. " * 80, "long says 'simply'"),
        ("long", "Right! " * 320, "long says '!'"),
        ("long", "梯度 " + "word " * 320, "long holds Chinese"),
        ("long", "On 77 ranks. " + "word " * 320, "the number 77 has no source"),
    ],
)
def test_content_is_judged(key, value, says):
    raw = raw_record()
    assert list(content_problems(raw)) == []
    raw[key] = value
    assert any(says in problem for problem in content_problems(raw))
