"""The quiz at a terminal: each card is answered before its back is shown, and graded by the reader."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.practice.cards.deck import Card
from course_lib.practice.cards.numbers import Unread
from course_lib.practice.cards.schedule import RATINGS, suggest
from course_lib.practice.cards.session import Sitting, front, judged_lines, judged_number, wrapped

Ask = Callable[[str], str]


def run(sitting: Sitting, ask: Ask | None = None) -> int:
    """Ask card after card until the last, the end of the time, Ctrl-D or Ctrl-C.

    Each grade is recorded at once.
    """
    ask = ask or input
    for note in sitting.notes:
        print(note)
    total, stopped = len(sitting.cards), False
    if total:
        print(f"{total} {'card' if total == 1 else 'cards'}. Answer each before it is shown. Ctrl-D ends the quiz.")
    try:
        while (card := sitting.card) is not None:
            print(f"\n[{len(sitting.graded) + 1} of {total}] {front(card, sitting.language)}\n")
            rating, share = _answered(card, sitting.language, ask)
            print(sitting.grade(rating, share))
    except (EOFError, KeyboardInterrupt):
        stopped = True
        print()
    if total:
        over = "" if stopped or len(sitting.graded) == total else "The time is over. "
        print(f"\n{over}{sitting.summary()}")
    return 0


def _answered(card: Card, language: str, ask: Ask) -> tuple[str, float | None]:
    """Take the answer, show the back, and return the grade and, where there are must-say points, their share."""
    if card.kind == "number":
        return _number(card, language, ask), None
    if card.kind == "spot the mistake":
        return _lines(card, language, ask), None
    print("Answer aloud, or type it; an empty line shows the answer.")
    while ask("> ").strip():
        pass
    _show(card.back[language])
    points = card.points.get(language, ())
    if not points:
        return _grade(ask, "good"), None
    print("Must say:")
    for i, point in enumerate(points, start=1):
        print("\n".join(wrapped(f"{i}. {point}", indent="  ")))
    said = _ticked(ask, len(points))
    share = len(said) / len(points)
    print(f"{len(said)} of {len(points)} said.")
    return _grade(ask, suggest(share)), share


def _number(card: Card, language: str, ask: Ask) -> str:
    while True:
        try:
            right, sentence = judged_number(card, ask("Number: "))
        except Unread as problem:
            print(problem)
            continue
        print(sentence)
        _show(card.back[language])
        return _grade(ask, "good" if right else "again")


def _lines(card: Card, language: str, ask: Ask) -> str:
    listed = ", ".join(map(str, card.lines))
    while True:
        said = ask(f"Faulty line or lines ({listed}): ").replace(",", " ").split()
        if said and all(word.isdecimal() and int(word) in card.lines for word in said):
            break
        print(f"Type one or more of {listed}, with a blank between them.")
    rating, sentences = judged_lines(card, {int(word) for word in said})
    print("\n".join(line for sentence in sentences for line in wrapped(sentence)))
    _show(card.back[language])
    return _grade(ask, rating)


def _show(back: str) -> None:
    print("\n".join(["", *wrapped(back, indent="  "), ""]))


def _ticked(ask: Ask, count: int) -> set[int]:
    """The numbers of the points that were said."""
    while True:
        said = ask(f"Which did you say? Numbers 1 to {count}, or all; Enter for none: ").replace(",", " ").split()
        if said == ["all"]:
            return set(range(1, count + 1))
        if all(word.isdecimal() and 1 <= int(word) <= count for word in said):
            return {int(word) for word in said}
        print(f"Type numbers from 1 to {count} with blanks between them, such as 1 3.")


def _grade(ask: Ask, suggested: str) -> str:
    """One of RATINGS, by its word or first letter; Enter takes the suggestion."""
    while True:
        said = ask(f"Grade: again, hard, good or easy (Enter: {suggested}): ").strip().casefold()
        found = [name for name in RATINGS if said and name.startswith(said)]
        if found or not said:
            return found[0] if found else suggested
        print(f"{said[:20]!r} is no grade: type again, hard, good or easy, or the first letter.")
