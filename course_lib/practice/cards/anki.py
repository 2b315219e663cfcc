"""The cards as a deck for Anki: stable ids, so that a later export updates the cards and keeps Anki's schedule."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
from html import escape
from pathlib import Path

from course_lib.practice.cards.deck import Card, deck
from course_lib.practice.desk.place import CourseError

_STYLE = """.card { font-family: sans-serif; font-size: 18px; text-align: left; max-width: 44em; margin: auto; }
pre { font-size: 14px; overflow-x: auto; } .about { font-size: 13px; opacity: .75; }"""


def export(file: str, part: str | int | None = None, language: str = "en", force: bool = False) -> str:
    """Write the cards of a part in a language to an .apkg file; return one sentence about it.

    CourseError if the file exists and `force` is not given, if it cannot be written, or if there is no card.
    """
    target = Path(file).expanduser()
    if target.suffix != ".apkg":
        raise CourseError(f"{file} is no name for an Anki deck: end it in .apkg, such as deck.apkg.")
    if target.is_dir():
        raise CourseError(f"{file} is a folder: name a file in it, such as {target / 'deck.apkg'}.")
    if target.exists() and not force:
        raise CourseError(f"{file} exists already: add --force to replace it, or choose another name.")
    cards = deck(part, language)
    if not cards:
        raise CourseError("There is no card to export: this part's questions are planned and have no answer yet.")
    _write(target, cards, language)
    return f"{len(cards)} cards written to {file}. In Anki: File, Import."


def _write(target: Path, cards: tuple[Card, ...], language: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # genanki's own, about its dependencies
        import genanki

    model = genanki.Model(
        _number("model"),
        "Course card",
        fields=[{"name": "About"}, {"name": "Front"}, {"name": "Back"}],
        templates=[
            {
                "name": "Card",
                "qfmt": '<div class="about">{{About}}</div>{{Front}}',
                "afmt": "{{FrontSide}}<hr id=answer>{{Back}}",
            }
        ],
        css=_STYLE,
    )
    decks = {}
    for card in cards:
        name = f"Course ({language})::{card.part.replace('_', ' ')}"
        of_part = decks.setdefault(name, genanki.Deck(_number(name), name))
        fields = [escape(f"{card.kind}, chapter {card.chapter}, {card.question}"), *_sides(card, language)]
        tags = [card.part, f"chapter-{card.chapter}", card.kind.replace(" ", "-")]
        of_part.add_note(genanki.Note(model, fields, guid=genanki.guid_for(card.id, language), tags=tags))
    try:
        # Written beside its place and moved, so that a full disk leaves no half deck, and no old one is lost.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".deck-") as folder:
            part_file = Path(folder) / "deck.apkg"
            genanki.Package(list(decks.values())).write_to_file(str(part_file))
            os.replace(part_file, target)
    except OSError as error:
        raise CourseError(f"{target} cannot be written ({error.strerror}): choose another place.") from error


def _sides(card: Card, language: str) -> tuple[str, str]:
    front = _html(card.front[language]) + (f"<pre>{escape(card.code)}</pre>" if card.code else "")
    back = ""
    if card.number is not None:
        unit = "" if card.number.unit in card.number.shown else card.number.unit
        back += f"<p><b>{escape(f'{card.number.shown} {unit}'.rstrip())}</b></p>"
    at_fault = [(number, reason) for number, (fault, reason) in card.lines.items() if fault]
    back += "".join(f"<p>Line {number}. {escape(reason)}</p>" for number, reason in at_fault)
    back += _html(card.back[language])
    points = card.points.get(language, ())
    listed = "".join(f"<li>{escape(point)}</li>" for point in points)
    title = "必须说到" if language == "zh" else "Must say"
    return front, back + (f"<p>{title}:</p><ol>{listed}</ol>" if points else "")


def _html(text: str) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in text.splitlines())


def _number(name: str) -> int:
    """A number that stays the same for a name; Anki wants ids below 2**63."""
    return int.from_bytes(hashlib.sha256(f"course {name}".encode()).digest()[:4], "big") + 1


if __name__ == "__main__":
    sys.exit("Run `course quiz --export deck.apkg`.")
