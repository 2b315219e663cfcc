"""The shape of the question bank, checked in sentences that name file, record, fault and remedy.

``check_structure`` runs at every load; ``content_problems`` (lengths, languages, hype, numbers) runs in the tests.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course_lib.practice.knowledge.curriculum import Chapter, rooms
from course_lib.practice.knowledge.sourced_numbers import number_problems, plain
from course_lib.practice.knowledge.yaml_file import BankError, read

COMMON = ("id", "topic", "status", "question")
OPTIONAL = ("also", "emphasis")
ANSWER = ("short", "must_say", "long", "follow_ups", "mistakes", "evidence", "sources")
# The question map: how many questions each of its five lists has.
_MAP = {"s000": 30, "s001": 30, "s002": 10, "s003": 30, "s004": 8}
MAP_IDS = tuple(f"{source}-q{number:02d}" for source, count in _MAP.items() for number in range(1, count + 1))
_CJK = re.compile(r"[\u4e00-\u9fff]")
_HYPE = re.compile(
    r"\b(?:simply|just works|game.?chang\w+|revolution\w+|blazing\w*|seamless\w*|cutting.edge|magic\w*|amazing\w*"
    r"|effortless\w*|world.class|unleash\w*|supercharge\w*|leverag\w+|delve\w*)\b|[!\uff01]|颠覆|革命性|完美|极致|轻松|赋能",
    re.IGNORECASE,
)


def check_structure(folder: Path) -> dict[Chapter, list[dict[str, Any]]]:
    """Read every file of `folder`, chapter by chapter, and raise BankError at the first record that is malformed."""
    records: dict[Chapter, list[dict[str, Any]]] = {}
    owner: dict[str, str] = {}
    for chapter, path in rooms(folder).items():
        file = f"bank/questions/{path.name}"
        raws = read(path.read_text(encoding="utf-8"), file)
        if not isinstance(raws, list):
            raise BankError(f"{file}: must be a list of records; begin each with '- id: …'.")
        for number, raw in enumerate(raws, 1):
            name = raw.get("id", f"number {number}") if isinstance(raw, dict) else f"number {number}"
            for problem in structure_problems(raw, chapter):
                raise BankError(f"{file}, record {name}: {problem}.")
            for question_id in (raw["id"], *(also["id"] for also in raw.get("also", []))):
                if question_id in owner:
                    raise BankError(
                        f"{file}, record {name}: the id {question_id} stands in {owner[question_id]} too; keep one of "
                        "the two."
                    )
                owner[question_id] = f"{path.name}, record {raw['id']}"
        records[chapter] = raws
    missing = [question_id for question_id in MAP_IDS if question_id not in owner]
    if missing:
        raise BankError(
            f"bank/questions: {len(missing)} of the map's {len(MAP_IDS)} ids are missing: {', '.join(missing[:5])}"
            f"{' …' if len(missing) > 5 else ''}; add a record for each, or an entry in the `also` list of one."
        )
    return records


def structure_problems(raw: Any, chapter: Chapter) -> Iterator[str]:
    """Faults of shape in one raw record, each a sentence without its full stop."""
    if not isinstance(raw, dict):
        yield "is no mapping; begin it with '- id: …'"
        return
    if "chapter" in raw:
        yield "has a chapter; remove the field (the file's name says it), or move the record to that chapter's file"
        return
    for key in raw:
        if key not in COMMON + OPTIONAL + ANSWER:
            near = difflib.get_close_matches(str(key), COMMON + OPTIONAL + ANSWER, n=1)
            yield f"the field {key!r} is unknown; " + (f"is it {near[0]!r}?" if near else "remove it")
    for key in COMMON:
        if key not in raw:
            yield f"the field {key!r} is missing; add it"
            return
    if not re.fullmatch(r"[a-z][a-z0-9-]+", str(raw["topic"])):
        yield f"topic is {raw['topic']!r}; write it in lower case with hyphens, as in ring-all-reduce"
    yield from _id_problems(raw["id"], chapter)
    yield from _bilingual_problems("question", raw["question"])
    if "emphasis" in raw:
        yield from _bilingual_problems("emphasis", raw["emphasis"])
    also = raw.get("also", [])
    yield from _list_problems("also", also, {"id", "question"}, 1 if "also" in raw else 0, 99, optional={"emphasis"})
    for entry in also if isinstance(also, list) else ():
        yield from _id_problems(entry["id"], chapter)
        yield from _bilingual_problems(f"also {entry['id']}: question", entry["question"])
    if raw["status"] == "planned":
        for key in ANSWER:
            if key in raw:
                yield f"is planned but has answer text ({key}); set 'status: answered', or remove the text"
    elif raw["status"] == "answered":
        yield from _answer_problems(raw)
    else:
        yield f"status is {raw['status']!r}; write answered or planned"


def _id_problems(question_id: Any, chapter: Chapter) -> Iterator[str]:
    own = re.fullmatch(r"c(\d\d)-q\d\d", str(question_id))
    if not own and question_id not in MAP_IDS:
        near = difflib.get_close_matches(str(question_id), MAP_IDS, n=1)
        yield (
            f"the id {question_id!r} is neither in the question map nor of the form c06-q01; "
            + (f"is it {near[0]}?" if near else "correct it")
        )
    elif own and own[1] != chapter:
        yield f"the id {question_id} belongs to chapter {own[1]}, not {chapter}; correct it, or move the record"


def _bilingual_problems(field: str, raw: Any) -> Iterator[str]:
    if not isinstance(raw, dict) or set(raw) - {"en", "zh"}:
        yield f"{field} must hold the two fields en and zh"
        return
    for key, language in (("en", "English"), ("zh", "Chinese")):
        text = raw.get(key)
        if not isinstance(text, str) or not text.strip():
            yield f"{field}.{key} is missing; write the {language} text"
    if isinstance(raw.get("zh"), str) and raw["zh"].strip() and not _CJK.search(raw["zh"]):
        yield f"{field}.zh holds no Chinese; translate it"
    if isinstance(raw.get("en"), str) and _CJK.search(raw["en"]):
        yield f"{field}.en holds Chinese; move it to {field}.zh"


def _list_problems(
    field: str, raw: Any, fields: set[str], low: int, high: int, optional: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    if not isinstance(raw, list) or not low <= len(raw) <= high:
        count = f"{low}" if low == high else f"{low} to {high}"
        yield f"{field} must be a list of {count} entries; it has {len(raw) if isinstance(raw, list) else 'none'}"
        return
    for number, entry in enumerate(raw, 1):
        if not isinstance(entry, dict) or not fields <= set(entry) <= fields | optional:
            yield f"{field}, entry {number}, must hold the fields {' and '.join(sorted(fields))}"
            return
        for key in fields - {"question"} | ({"question"} if field == "follow_ups" else set()):
            if not isinstance(entry[key], str) or not entry[key].strip():
                yield f"{field}, entry {number}: {key} is missing; write it"


def _answer_problems(raw: dict[str, Any]) -> Iterator[str]:
    for key in ANSWER:
        if key not in raw:
            yield f"is answered but {key!r} is missing; write it, or set 'status: planned' and remove the other texts"
            return
    yield from _bilingual_problems("short", raw["short"])
    must_say = raw["must_say"]
    if not isinstance(must_say, dict) or not all(isinstance(must_say.get(key), list) for key in ("en", "zh")):
        yield "must_say must hold two lists, en and zh; write the missing one"
    elif len(must_say["en"]) != len(must_say["zh"]):
        yield (
            f"must_say has {len(must_say['en'])} points in English and {len(must_say['zh'])} in Chinese; "
            "translate the missing ones"
        )
    elif not 4 <= len(must_say["en"]) <= 7:
        yield f"must_say has {len(must_say['en'])} points; write 4 to 7"
    else:
        for number, (en, zh) in enumerate(zip(must_say["en"], must_say["zh"], strict=True), 1):
            yield from _bilingual_problems(f"must_say, point {number},", {"en": en, "zh": zh})
    if not isinstance(raw["long"], str) or not raw["long"].strip():
        yield "the three-minute answer `long` is missing; write 300 to 450 words"
    yield from _list_problems("follow_ups", raw["follow_ups"], {"question", "answer"}, 2, 2)
    yield from _list_problems("mistakes", raw["mistakes"], {"says", "wrong"}, 2, 3)
    yield from _list_problems("evidence", raw["evidence"], {"cell", "shows"}, 1, 9)
    sources = raw["sources"]
    if not isinstance(sources, list) or not sources or not all(isinstance(s, str) and s.strip() for s in sources):
        yield "sources must be a list of at least one text; name the paper or document"


def texts_of(raw: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text of an answered raw record in which a number needs a source, with the name of its field."""
    for key in ("en", "zh"):
        yield f"short.{key}", raw["short"][key]
        yield from ((f"must_say.{key}, point {i}", text) for i, text in enumerate(raw["must_say"][key], 1))
    yield "long", raw["long"]
    for field in ("follow_ups", "mistakes", "evidence"):
        for number, entry in enumerate(raw[field], 1):
            yield from ((f"{field} {number}, {key}", text) for key, text in entry.items() if key != "cell")


def count_words(text: str) -> int:
    """English words as a reader says them: markup and backticks aside, what stands between blanks."""
    return sum(bool(re.search(r"\w", word)) for word in plain(text).split())


def content_problems(raw: dict[str, Any]) -> Iterator[str]:
    """Faults of an answered record that is well formed: lengths, languages, hype, numbers without a source."""
    words = count_words(raw["short"]["en"])
    if not 60 <= words <= 90:
        yield f"the 30-second answer has {words} words; write 60 to 90"
    characters = len(_CJK.findall(raw["short"]["zh"]))
    if not 100 <= characters <= 220:
        yield f"the 30-second answer in Chinese has {characters} characters; write 100 to 220"
    words = count_words(raw["long"])
    if not 300 <= words <= 450:
        yield f"the three-minute answer has {words} words; write 300 to 450"
    texts = dict(texts_of(raw))
    for field, text in texts.items():
        hype = _HYPE.search(plain(text))
        if hype:
            yield f"{field} says {hype[0]!r}; say what was measured instead"
        if ".zh" not in field and _CJK.search(text):
            yield f"{field} holds Chinese; write it in English"
    yield from number_problems(list(texts.values()))
