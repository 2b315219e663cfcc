"""One sitting of the quiz, without a screen: which card is next, what an answer is worth, what is recorded."""

from __future__ import annotations

import re
import textwrap
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from course_lib.practice.cards import schedule as quiz_schedule
from course_lib.practice.cards.deck import Card, deck, part_name
from course_lib.practice.cards.numbers import judge
from course_lib.practice.record.progress import Progress

COUNT = 20  # cards in a sitting, unless told otherwise


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Sitting:
    """Cards to answer. `begin` makes one; `card` is the present one, `grade` records it and goes on.

    clock: seconds, for what an answer took and for `minutes`.
    """

    cards: list[Card]
    language: str
    progress: Progress
    notes: list[str] = field(default_factory=list)
    minutes: float | None = None
    clock: Callable[[], float] = time.monotonic
    graded: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = self._asked = self.clock()

    @property
    def card(self) -> Card | None:
        """The present card; None after the last one, or when the time is over."""
        over = self.minutes is not None and self.clock() - self._began >= 60 * self.minutes
        return None if over or len(self.graded) >= len(self.cards) else self.cards[len(self.graded)]

    def grade(self, rating: str, share: float | None = None) -> str:
        """Record the present card with a grade, and say when it comes again."""
        card = self.cards[len(self.graded)]
        seconds, self._asked = self.clock() - self._asked, self.clock()
        due = quiz_schedule.record(self.progress, card, rating, share=share, seconds=seconds)
        self.graded.append((card.id, rating))
        return f"{rating}: it comes again {quiz_schedule.in_words(due - _now())}."

    def summary(self) -> str:
        """What was recorded, in one sentence."""
        if not self.graded:
            return "No card graded, nothing recorded."
        counts = {name: sum(rating == name for _, rating in self.graded) for name in quiz_schedule.RATINGS}
        said = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
        where = "recorded" if self.progress.recording else "kept for this session only"
        return f"{len(self.graded)} {'card' if len(self.graded) == 1 else 'cards'} graded and {where}: {said}."


def begin(
    part: str | int | None = None,
    language: str = "en",
    only_due: bool = False,
    count: int | None = None,
    minutes: float | None = None,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Sitting:
    """Choose the cards of a sitting: what is due, the longest overdue first, then new ones.

    CourseError for an unknown part or language.
    """
    progress = progress or Progress.open()
    every, cards = deck(), deck(part, language)
    plan = quiz_schedule.schedule(progress, [card.id for card in every])
    chosen = plan.choose(cards, _now(), only_due)
    notes = list(plan.notes)
    missing = sum(part is None or card.part == part_name(part) for card in every) - len(cards)
    if missing:
        notes.append(f"{missing} cards are written in English only and left out.")
    if not chosen and cards:
        next_due = min((due for card in cards if (due := plan.due(card.id))), default=None)
        when = f"; the next is due {quiz_schedule.in_words(next_due - _now())}" if next_due else ""
        notes.append(f"No card is due{when}." if next_due else "No card was reviewed yet, so none is due.")
    elif not cards:
        notes.append("This part has no cards yet: its questions are planned, and planned questions have no answer.")
    return Sitting(chosen[: COUNT if count is None else count], language, progress, notes, minutes, clock)


def judged_number(card: Card, typed: str) -> tuple[bool, str]:
    """Whether a typed number is right, and a sentence. quiz_numbers.Unread where it cannot be read."""
    assert card.number is not None
    result = judge(typed, card.number.value, card.number.unit, card.front["en"] + " " + card.back["en"])
    return result.right, result.sentence


def judged_lines(card: Card, chosen: set[int]) -> tuple[str, list[str]]:
    """The grade for the lines that were called faulty, and a sentence for each line that matters."""
    faulty = {number for number, (at_fault, _) in card.lines.items() if at_fault}
    told = [f"Line {i} is not at fault. {card.lines[i][1]}" for i in sorted(chosen - faulty) if i in card.lines]
    for i in sorted(faulty):
        told.append(f"Line {i} is at fault{'' if i in chosen else ', and was missed'}. {card.lines[i][1]}")
    if chosen == faulty:
        return "good", told
    return ("hard" if chosen & faulty and not chosen - faulty else "again"), told


def front(card: Card, language: str, width: int = 100) -> str:
    """The front of a card as text: what it is about, what it asks, its program."""
    kind = card.kind.capitalize()
    lines = [f"{kind}, chapter {card.chapter} ({card.question})", *wrapped(card.front[language], width)]
    return "\n".join(lines + (["", card.code] if card.code else []))


def wrapped(text: str, width: int = 100, indent: str = "") -> list[str]:
    """Lines of at most `width` columns; a Chinese character takes two."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        if not any("一" <= char <= "鿿" for char in paragraph):
            lines += textwrap.wrap(
                paragraph, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
            ) or [""]
            continue
        line = ""
        for piece in re.findall(r"[!-~]+|.", paragraph):  # a word of Latin letters stays whole
            if line and _columns(line + piece) > width - len(indent):
                lines.append(indent + line.rstrip())
                line = piece.lstrip()
            else:
                line += piece
        lines.append(indent + line)
    return lines


def _columns(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
