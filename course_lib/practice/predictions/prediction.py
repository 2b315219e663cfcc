"""Predictions: the reader commits to a number before the run, and sees it beside what was measured.

predict("06.bytes", ask="How many MB does each rank send?", unit="MB")     # a field in a live notebook
predict("06.bytes", guess=80)                                              # the same without the field
reveal("06.bytes", measured, formula="2(n-1)/n·K", value=formula_value)

A guess locks when its own reveal is shown with it. One that is given after its answer was shown is kept, shown and not
scored, whatever the wording of its question. With nobody there (presence.py) both read "no prediction" and record
nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from course_lib.practice.desk.panel import Panel, Row
from course_lib.practice.desk.presence import in_live_notebook, somebody_there
from course_lib.practice.predictions.guessing import Misread, is_number, read_guess, score, verdict, with_unit
from course_lib.practice.record.progress import Event, Progress

NOTHING = "no prediction"
LATE = "Not scored: its answer had been shown before you gave it."
_ID = re.compile(r"\d\d\.[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Question:
    """What a prediction asks. Another wording or unit is another question, with a guess of its own."""

    id: str
    ask: str = ""
    unit: str | None = None

    @property
    def content_hash(self) -> str:
        """The hash under which guesses for this question are kept."""
        return hashlib.sha256(f"{' '.join(self.ask.split())}\n{self.unit or ''}".encode()).hexdigest()[:16]


_asked: dict[str, Question] = {}  # what predict() asked in this kernel: reveal() is about the same


class Prediction(Panel):
    """A prediction as the last expression of a cell: a field for the guess where somebody can use it, else a panel."""

    question: Question | None

    def __init__(self, panel: Panel, question: Question | None = None) -> None:
        super().__init__(panel.title, panel.rows, panel.footer)
        object.__setattr__(self, "question", question)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self.question is None or not in_live_notebook():
            return bundle
        from course_lib.practice.predictions.guess_field import guess_field

        question, guess = self.question, _guess(self.question)
        begin = "" if guess is None else with_unit(guess, None, digits=15).replace(",", "")
        said = "" if guess is None else _saved(question, guess)
        field = guess_field(
            f"Prediction {question.id}", question.ask, question.unit, lambda text: save(question, text), begin, said
        )
        return field._repr_mimebundle_() | bundle


def predict(id: str, ask: str = "", unit: str | None = None, guess: Any = None) -> Prediction:
    """Ask for the reader's number before the run; as the last expression of a cell it shows a field for it.

    id: chapter and name, "06.bytes"; ask: the question in one sentence; unit: of the guess; guess: the number, for
    those who would rather call than type. The last guess before the reveal counts. Never raises for a bad guess.
    """
    question = _question(id, ask, unit)
    _asked[id] = question
    if not somebody_there():
        return Prediction(_panel(question, None))
    said = "" if guess is None else save(question, guess)
    locked = _reveal(question)
    if locked is not None:
        detail = f"Your guess: {_number(locked.data['guess'], question)}, locked since its answer was shown."
        return Prediction(Panel(f"Prediction {id}", [Row("note", question.ask or NOTHING, detail)]))
    panel = _panel(question, _guess(question))
    # A field would hide the answer to a guess given in the call.
    return Prediction(panel, question) if said == "" else Prediction(Panel(panel.title, panel.rows, said))


def reveal(id: str, measured: Any = None, formula: str | None = None, value: Any = None) -> Prediction:
    """Show the guess, the formula and the measurement side by side, and score the guess as |log10(guess / measured)|.

    measured: a number, in the unit that `predict` asked for; formula: as text; value: what the formula gives. Where
    nothing can be measured here, leave `measured` out: the guess is scored against `value`, which is called computed.
    A guess is locked from then on. Raises TypeError if measured or value is no number, or both are missing.
    """
    question = _question(id, "", None)
    answer = _value(value, "value") if measured is None else _value(measured, "measured")
    by_formula = None if value is None else _value(value, "value")
    parts = [formula, *([] if by_formula is None else [with_unit(by_formula, question.unit)])]
    rows = []
    if formula is not None or by_formula is not None:
        word = "Computed, not measured" if measured is None else "By formula"
        rows.append(Row("note", f"{word}: {' = '.join(part for part in parts if part)}"))
    if measured is not None:
        rows.append(Row("note", f"Measured: {with_unit(answer, question.unit)}"))
    shown = _revealed(question, answer, measured is None) if somebody_there() else None
    title = f"Prediction {id}: {question.ask}" if question.ask else f"Prediction {id}"
    if shown is None:
        return Prediction(Panel(title, [Row("not attempted", f"Your guess: {NOTHING}"), *rows]))
    guess = shown.data["guess"]
    said = LATE if shown.data.get("late") else verdict(guess, answer, measured is None)
    return Prediction(Panel(title, [Row("note", f"Your guess: {_number(guess, question)}", said), *rows]))


def _revealed(question: Question, answer: float, computed: bool) -> Event | None:
    """Return the reveal that a guess locks with, made now if it is the first; None without a guess.

    That an answer was shown is kept either way: a later guess is not scored.
    """
    locked = _reveal(question)
    if locked is not None:
        return locked
    guesses = _events("prediction", question)
    if not guesses and _shown_before(question.id, answer):
        return None
    last = guesses[-1] if guesses else None
    guess = None if last is None else last.data["guess"]
    late = last is not None and _shown_before(question.id, answer, last)
    event = Progress.open().record(
        "reveal",
        question.id,
        content_hash=question.content_hash,
        guess=guess,
        measured=answer,
        computed=computed,
        score=None if guess is None or late else score(guess, answer),
        unit=question.unit,
        **({"late": True} if late else {}),
    )
    return None if guess is None else event


def _shown_before(id: str, answer: float, guess: Event | None = None) -> bool:
    """Say whether this answer was shown before a guess, or at all, under this wording of the question or another.

    Another wording may ask for another number: an answer more than a factor 2 away was not this one.
    """
    for event in Progress.open().events("reveal", id):
        measured = event.data.get("measured")
        if is_number(measured) and (guess is None or event.time < guess.time):
            points = score(measured, answer)
            if measured == answer or (points is not None and points < 0.301):
                return True
    return False


def save(question: Question, given: Any) -> str:
    """Keep a guess that can be read and is not locked, and return one sentence that says what became of it."""
    try:
        guess = read_guess(given, question.unit)
    except Misread as problem:
        before = _guess(question)
        kept = "" if before is None else f" Your guess stays {_number(before, question)}."
        return f"{problem}{kept}"
    locked = _reveal(question)
    if locked is not None:
        return f"Your guess stays {_number(locked.data['guess'], question)}: it is locked since its answer was shown."
    progress = Progress.open()
    if _guess(question) != guess:
        progress.record(
            "prediction",
            question.id,
            content_hash=question.content_hash,
            guess=guess,
            unit=question.unit,
            ask=question.ask,
        )
    return _saved(question, guess, "Saved" if progress.recording else "Kept for this session only")


def _saved(question: Question, guess: float, word: str = "Saved") -> str:
    plain = "" if guess > 0 else " It gets no score, which is taken on a logarithmic scale."
    if any(e.content_hash == question.content_hash for e in Progress.open().events("reveal", question.id)):
        return f"{word}: {_number(guess, question)}. It gets no score, since its answer was shown before."
    return f"{word}: {_number(guess, question)}. You may change it until its answer is shown.{plain}"


def _panel(question: Question, guess: float | None) -> Panel:
    title = f"Prediction {question.id}"
    if guess is not None:
        return Panel(title, [Row("note", question.ask, f"Your guess: {_number(guess, question)}")])
    unit = f" (in {question.unit})" if question.unit else ""
    footer = f'Commit to a number{unit}: predict("{question.id}", guess=…).'
    return Panel(title, [Row("not attempted", question.ask, NOTHING)], footer)


def _question(id: str, ask: str, unit: str | None) -> Question:
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ValueError(f"A prediction's id is its chapter and a name, such as '06.bytes', and not {id!r}.")
    known = _asked.get(id) or _last_asked(id)
    return known if known is not None and not ask and unit in (None, known.unit) else Question(id, ask, unit)


def _last_asked(id: str) -> Question | None:
    """Return the question of the last guess: after a restart of the kernel only the progress knows it."""
    guesses = Progress.open().events("prediction", id) if somebody_there() else []
    return Question(id, guesses[-1].data.get("ask", ""), guesses[-1].data.get("unit")) if guesses else None


def _guess(question: Question) -> float | None:
    guesses = _events("prediction", question)
    return guesses[-1].data["guess"] if guesses else None


def _reveal(question: Question) -> Event | None:
    """Return the first reveal: the guess that it showed is the one that counts."""
    reveals = _events("reveal", question)
    return reveals[0] if reveals else None


def _events(kind: str, question: Question) -> list[Event]:
    found = Progress.open().events(kind, question.id)
    return [
        event for event in found if event.content_hash == question.content_hash and is_number(event.data.get("guess"))
    ]


def _number(guess: float, question: Question) -> str:
    return with_unit(guess, question.unit, digits=6)


def _value(given: Any, name: str) -> float:
    try:
        if isinstance(given, str):
            raise Misread(f"{given!r} is text")
        return read_guess(given)
    except Misread as problem:
        raise TypeError(f"reveal() needs {name} as one finite number. {problem}") from None
