"""The question bank: records of bank/questions/NN_theme.yaml as typed objects, ready for cards, drills and interviews.

question("s000-q16").answer.short.en      # near-duplicates share a record: question("s003-q12") is the same one
questions(chapter="06", status="answered")  # by part, chapter, status

Texts come without the markup of their numbers; the numbers themselves stand in ``Answer.numbers``.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from course_lib.practice.knowledge.curriculum import Chapter, bank, chapter_number, part_of
from course_lib.practice.knowledge.question_schema import check_structure, texts_of
from course_lib.practice.knowledge.sourced_numbers import Number, find_numbers, plain
from course_lib.practice.knowledge.yaml_file import BankError

__all__ = ["BankError", "Question", "load", "plain", "question", "questions"]


@dataclass(frozen=True, slots=True)
class Bilingual:
    """The same text in English and in Chinese."""

    en: str
    zh: str

    def __getitem__(self, language: str) -> str:
        return getattr(self, _language(language))


@dataclass(frozen=True, slots=True)
class MustSay:
    """The points that a good answer contains, in the same order in both languages."""

    en: tuple[str, ...]
    zh: tuple[str, ...]

    def __getitem__(self, language: str) -> tuple[str, ...]:
        return getattr(self, _language(language))


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What an interviewer asks next, with its answer (English)."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """What candidates say, and what is wrong with it (English)."""

    says: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A cell of the chapter's notebook, by its tag ``evidence-<cell>``, and what it shows."""

    cell: str
    shows: str

    @property
    def tag(self) -> str:
        """The tag that the cell carries in the notebook."""
        return f"evidence-{self.cell}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that is known about an answered question. `short` is said in 30 seconds, `long` in three minutes."""

    short: Bilingual
    must_say: MustSay
    long: str
    follow_ups: tuple[FollowUp, ...]
    mistakes: tuple[Mistake, ...]
    evidence: tuple[Evidence, ...]
    sources: tuple[str, ...]
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Wording:
    """One question as it is asked; `emphasis` says what this wording wants first."""

    id: str
    text: Bilingual
    emphasis: Bilingual | None = None


_STATUS_LINES = {
    "en": {
        "answered": "Answered, with its evidence in chapter {}.",
        "planned": "Planned: no answer until chapter {} measures the evidence.",
    },
    "zh": {
        "answered": "已有答案，证据在第 {} 章。",  # noqa: RUF001
        "planned": "计划中：第 {} 章测出证据后才有答案。",  # noqa: RUF001
    },
}


@dataclass(frozen=True, slots=True)
class Question:
    """A record of the bank. `also` holds near-duplicates, which the same answer serves."""

    id: str
    part: str
    chapter: Chapter
    topic: str
    status: str
    text: Bilingual
    emphasis: Bilingual | None
    also: tuple[Wording, ...]
    answer: Answer | None

    @property
    def answered(self) -> bool:
        """Whether the chapter exists and measures the evidence; until then there is no answer."""
        return self.status == "answered"

    @property
    def ids(self) -> tuple[str, ...]:
        """This record's id and those of its near-duplicates."""
        return (self.id, *(wording.id for wording in self.also))

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Every way in which the question is asked, the record's own first."""
        return (Wording(self.id, self.text, self.emphasis), *self.also)

    def wording(self, question_id: str) -> Wording:
        """The wording of one of `ids`."""
        return next(wording for wording in self.wordings if wording.id == question_id)

    def status_line(self, language: str = "en") -> str:
        """One sentence for every surface that shows the question."""
        return _STATUS_LINES[_language(language)][self.status].format(self.chapter)


def _language(language: str) -> str:
    if language not in ("en", "zh"):
        raise ValueError(f"The language {language!r} is not in the bank; take en or zh.")
    return language


def load(folder: Path | None = None) -> tuple[Question, ...]:
    """All records in the order of the files; BankError, naming file, record and remedy, where one is malformed."""
    return _load_default() if folder is None else _read(folder)


@lru_cache(maxsize=1)
def _load_default() -> tuple[Question, ...]:
    return _read(bank() / "questions")


def _read(folder: Path) -> tuple[Question, ...]:
    records = check_structure(folder)
    return tuple(_build(raw, chapter) for chapter, raws in records.items() for raw in raws)


def question(question_id: str) -> Question:
    """The record of an id, also of a near-duplicate's; ValueError with the nearest ids where there is none."""
    by_id = {known_id: record for record in load() for known_id in record.ids}
    if question_id not in by_id:
        near = difflib.get_close_matches(str(question_id), by_id, n=3)
        raise ValueError(f"There is no question {question_id!r} in the bank; the nearest ids are {', '.join(near)}.")
    return by_id[question_id]


def questions(
    part: str | int | None = None, chapter: str | int | None = None, status: str | None = None
) -> tuple[Question, ...]:
    """Records by part ("2_parallelism" or 2), chapter ("06" or 6) and status ("answered" or "planned")."""
    found = load()
    if part is not None:
        parts = sorted({record.part for record in found})
        wanted = [name for name in parts if str(part) in (name, name.partition("_")[0])]
        if not wanted:
            raise ValueError(f"There is no part {part!r}; the parts are {', '.join(parts)}.")
        found = tuple(record for record in found if record.part in wanted)
    if status is not None and status not in ("answered", "planned"):
        raise ValueError(f"There is no status {status!r}; a question is answered or planned.")
    number = None if chapter is None else chapter_number(chapter)
    return tuple(record for record in found if number in (None, record.chapter) and status in (None, record.status))


def _bilingual(raw: dict[str, str]) -> Bilingual:
    return Bilingual(_text(raw["en"]), _text(raw["zh"]))


def _emphasis(raw: dict[str, Any]) -> Bilingual | None:
    return _bilingual(raw["emphasis"]) if "emphasis" in raw else None


def _text(raw: str) -> str:
    return plain(raw).strip()


def _build(raw: dict[str, Any], chapter: Chapter) -> Question:
    record = Question(
        id=raw["id"],
        part=part_of(chapter),
        chapter=chapter,
        topic=raw["topic"],
        status=raw["status"],
        text=_bilingual(raw["question"]),
        emphasis=_emphasis(raw),
        also=tuple(
            Wording(other["id"], _bilingual(other["question"]), _emphasis(other)) for other in raw.get("also", [])
        ),
        answer=None,
    )
    if not record.answered:
        return record
    must_say = {language: tuple(map(_text, raw["must_say"][language])) for language in ("en", "zh")}
    answer = Answer(
        short=_bilingual(raw["short"]),
        must_say=MustSay(**must_say),
        long=_text(raw["long"]),
        follow_ups=tuple(FollowUp(_text(f["question"]), _text(f["answer"])) for f in raw["follow_ups"]),
        mistakes=tuple(Mistake(_text(m["says"]), _text(m["wrong"])) for m in raw["mistakes"]),
        evidence=tuple(Evidence(e["cell"], _text(e["shows"])) for e in raw["evidence"]),
        sources=tuple(raw["sources"]),
        numbers=tuple(number for _, text in texts_of(raw) for number in find_numbers(text)),
    )
    return replace(record, answer=answer)
