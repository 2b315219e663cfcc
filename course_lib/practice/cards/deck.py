"""The cards of the quiz, from the question bank, the known answers and the museum.

A question counts once it is answered; planned ones give no card. Nor does a known answer or an exhibit whose chapter is
only planned: a missed card must have a chapter to read. A card has the languages in which all of it is written:
questions and numbers English and Chinese, follow-ups, known answers and exhibits English.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING

from course_lib.practice.cards.numbers import unit_of
from course_lib.practice.desk.house import written
from course_lib.practice.desk.place import CourseError
from course_lib.practice.knowledge.curriculum import Chapter, curriculum, part_of

if TYPE_CHECKING:
    from course_lib.practice.knowledge.questions import Question
    from course_lib.practice.knowledge.sourced_numbers import Number

KINDS = ("question", "follow-up", "number", "spot the mistake")
LANGUAGES = ("en", "zh")
BLANK = "____"


@dataclass(frozen=True, slots=True)
class Asked:
    """The number that a card asks for. unit: "" where it is a plain count or ratio."""

    value: float
    unit: str
    shown: str


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `front`, `back`, `points` are by language; id: the question's own, with what is asked behind it.

    points: what a good answer says; number: of a number card; code, lines: the program of a card that asks for the
    faulty line, and the lines to choose from: number to (at fault, reason).
    """

    id: str
    kind: str
    part: str
    chapter: Chapter
    front: Mapping[str, str]
    back: Mapping[str, str]
    points: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    number: Asked | None = None
    code: str = ""
    lines: Mapping[int, tuple[bool, str]] = field(default_factory=dict)

    @property
    def question(self) -> str:
        """The id of the question that the card is about; of the exhibit or known answer where it is about one."""
        return self.id.rpartition("/")[0] or self.id if self.kind in ("follow-up", "number") else self.id

    @property
    def content_hash(self) -> str:
        """Changes when the card's text does."""
        text = "\n".join([*self.front.values(), *self.back.values(), self.code])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def deck(part: str | int | None = None, language: str | None = None) -> tuple[Card, ...]:
    """Every card in the order of the chapters; of one part ("2_parallelism" or 2), or written in one language."""
    wanted = None if part is None else part_name(part)
    if language not in (None, *LANGUAGES):
        raise CourseError(f"There are no cards in {language!r}: take en or zh.")
    there = written()
    found = [*_from_questions(), *_from_known(), *_from_museum(there)]
    cards = sorted(found, key=lambda card: (card.part, card.chapter))
    return tuple(
        c
        for c in cards
        if c.chapter in there and wanted in (None, c.part) and (language is None or language in c.front)
    )


def part_name(part: str | int) -> str:
    """The full name of a part: 2, "2", "parallelism" and "2_parallelism" are one; CourseError where there is none."""
    names = list(curriculum())
    found = [name for name in names if str(part).strip().casefold() in (name, *name.split("_", 1))]
    if not found:
        raise CourseError(f"There is no part {str(part)!r}: the parts are {', '.join(names)}.")
    return found[0]


def _from_questions() -> Iterator[Card]:
    from course_lib.practice.knowledge.questions import BankError, questions

    try:
        answered = questions(status="answered")
    except BankError as error:
        raise CourseError(str(error)) from error
    for record in answered:
        yield _question(record)
        yield from _follow_ups(record)
        yield from numbers_of(record)


def _question(record: Question) -> Card:
    assert record.answer is not None
    front = {language: record.text[language] for language in LANGUAGES}
    back = {language: record.answer.short[language] for language in LANGUAGES}
    points = {language: record.answer.must_say[language] for language in LANGUAGES}
    return Card(record.id, "question", record.part, record.chapter, front, back, points)


def _follow_ups(record: Question) -> Iterator[Card]:
    assert record.answer is not None
    for i, follow_up in enumerate(record.answer.follow_ups, start=1):
        front, back = {"en": follow_up.question}, {"en": follow_up.answer}
        yield Card(f"{record.id}/follow-up-{i}", "follow-up", record.part, record.chapter, front, back)


def numbers_of(record: Question) -> Iterator[Card]:
    """A card for every computed or known number of an answer: its sentence with the number left blank."""
    assert record.answer is not None
    texts = {
        "en": [record.answer.short.en, *record.answer.must_say.en, *record.answer.long.split("\n")],
        "zh": [record.answer.short.zh, *record.answer.must_say.zh],
    }
    seen: set[str] = set()
    for number in record.answer.numbers:
        if number.kind not in ("known", "calc") or number.shown in seen:
            continue
        front, back, unit = _blanked(number, texts)
        if "en" in front:
            seen.add(number.shown)
            name = hashlib.sha256(f"{number.kind}:{number.source}".encode()).hexdigest()[:8]
            asked = Asked(number.value, unit, number.shown)
            yield Card(f"{record.id}/number-{name}", "number", record.part, record.chapter, front, back, number=asked)


def _blanked(number: Number, texts: Mapping[str, list[str]]) -> tuple[dict[str, str], dict[str, str], str]:
    """By language the sentence with the number left blank, and in full; the unit behind it in English."""
    front, back, unit = {}, {}, ""
    here = re.compile(rf"(?<![\w.,])(?<!\d\s){re.escape(number.shown)}(?![\d.,]*\d)(?![A-Za-z])")
    for language, of_language in texts.items():
        for before, sentence in (pair for text in of_language for pair in pairwise(["", *sentences(text)])):
            found = list(here.finditer(sentence))
            if len(found) != 1 or here.search(before) or (language == "zh" and "en" not in front):
                continue
            start, end = found[0].span()
            gap = " " if before and language == "en" else ""
            front[language] = f"{before}{gap}{sentence[:start]}{BLANK}{sentence[end:]}"
            back[language] = sentence
            unit = unit_of(sentence[end:]) if language == "en" else unit
            break
    return front, back, unit


def sentences(text: str) -> list[str]:
    """The sentences of an English or Chinese text."""
    return [part.strip() for part in re.split(r"(?<=[.?!])\s+|(?<=[。？！；])", text) if part.strip()]  # noqa: RUF001


def _from_known() -> Iterator[Card]:
    """A card for every known answer that has arguments: its value in one case."""
    from course_lib.practice.knowledge.known import known, load

    for key, row in load().items():
        if not row.get("cases"):
            continue
        case = {name: value for name, value in row["cases"][-1].items() if name != "value"}
        answer = known(key, **case)
        given = ", ".join(f"{name} = {value:,.10g} ({row['arguments'][name]['about']})" for name, value in case.items())
        quantity = f"{answer.quantity[0].upper()}{answer.quantity[1:]}"
        unit = unit_of(answer.unit)
        front = {"en": f"{quantity}, in {answer.unit}: what is it for {given}?"}
        back = {"en": f"By {answer.formula}. Source: {answer.source}."}
        asked = Asked(answer.value, unit, f"{answer.value:,.6g} {answer.unit}")
        yield Card(f"known/{key}", "number", part_of(answer.chapter), answer.chapter, front, back, number=asked)


def _from_museum(there: frozenset[str]) -> Iterator[Card]:
    """A card for every exhibit, in a chapter that is there where it belongs to several: which line is at fault."""
    catalogue = import_module("course_lib.museum.catalogue")
    panel = import_module("course_lib.museum.panel")
    for exhibit in catalogue.exhibits():
        chapter = next((each for each in exhibit.chapters if each in there), exhibit.chapters[0])
        front = {"en": f"{exhibit.title}. The claim: {exhibit.claim} Which line or lines are at fault?"}
        why = f"Why it passes review: {exhibit.why_it_passes_review}"
        back = {"en": f"{exhibit.fault_name}.\n{why}\nThe repair: {exhibit.repair}"}
        yield Card(
            id=f"museum/{exhibit.number}",
            kind="spot the mistake",
            part=part_of(chapter),
            chapter=chapter,
            front=front,
            back=back,
            code=panel.numbered(exhibit),
            lines=exhibit.choices(),
        )
