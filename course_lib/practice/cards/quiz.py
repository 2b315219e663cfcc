"""The quiz: `course quiz` in the terminal, `quiz()` as a widget, `course quiz --export deck.apkg` for Anki."""

from __future__ import annotations

import argparse
import math
from typing import Any

from course_lib.practice.desk.panel import Panel, Row
from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.presence import live_bundle


def main(argv: list[str]) -> int:
    """Run `course quiz`; CourseError with one sentence for an unknown part or a file that cannot be written."""
    parser = argparse.ArgumentParser(prog="course quiz", description="Cards on a spaced schedule, graded by you.")
    parser.add_argument("--part", metavar="N", help="cards of one part: 2 or parallelism")
    parser.add_argument("--due", action="store_true", help="only cards that are due, no new ones")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="en or zh (en)")
    parser.add_argument("--minutes", type=_positive, metavar="N", help="no new card after this time")
    parser.add_argument("--count", type=_whole, metavar="N", help="at most this many cards (20)")
    parser.add_argument("--export", metavar="FILE.apkg", help="write the cards as a deck for Anki and ask nothing")
    parser.add_argument("--force", action="store_true", help="let --export replace a file")
    args = parser.parse_args(argv)
    if args.export is not None:
        from course_lib.practice.cards.anki import export

        print(export(args.export, part=args.part, language=args.language, force=args.force))
        return 0
    from course_lib.practice.cards.session import begin
    from course_lib.practice.cards.terminal import run

    return run(begin(args.part, args.language, args.due, args.count, args.minutes))


ASKS = {
    "question": "an interview question, answered aloud, then compared with the 30-second answer and its points",
    "follow-up": "what the interviewer asks next",
    "number": "a known answer, computed within 5 %",
    "spot the mistake": "an exhibit of the museum, whose faulty lines are chosen",
}


class Quiz:
    """The quiz in a cell: a widget where somebody is there, a panel about the deck everywhere else."""

    def __init__(self, part: str | int | None = None, language: str = "en", count: int | None = None) -> None:
        from course_lib.practice.cards.deck import KINDS, deck

        self._arguments = {"part": part, "language": language, "count": count}
        cards = deck(part, language)
        # No counts: the deck grows with every chapter, and this panel is compared.
        rows = [Row("note", f"{kind}: {ASKS[kind]}") for kind in KINDS if any(card.kind == kind for card in cards)]
        name = "Quiz" if part is None else f"Quiz, part {part}"
        footer = "In the terminal: course quiz --part 2 --due --language zh; course quiz --export deck.apkg for Anki."
        self.panel = Panel(name, rows or [Row("note", "This part has no cards yet.")], footer)

    def __repr__(self) -> str:
        return repr(self.panel)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return live_bundle(self.panel, self._widget)

    def _widget(self) -> Any:
        from course_lib.practice.cards.widget import widget_of

        return widget_of(**self._arguments)


def quiz(part: str | int | None = None, language: str = "en", count: int | None = None) -> Quiz | Panel:
    """Cards to answer, as the last expression of a cell. part: 2 or "parallelism"; language: "en" or "zh".

    Bad input is a panel with one sentence, never an exception.
    """
    try:
        return Quiz(part, language, count)
    except CourseError as error:
        return Panel("Quiz", [Row("failed", str(error))])


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a time: give minutes above 0")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of cards: give 1 or more")
    return value
