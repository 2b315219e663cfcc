"""The quiz as a widget: the answer is typed or said before it is shown; every control works from the keyboard."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets as widgets

from course_lib.practice.cards.deck import Card
from course_lib.practice.cards.numbers import Unread
from course_lib.practice.cards.schedule import RATINGS, suggest
from course_lib.practice.cards.session import Sitting, begin, judged_lines, judged_number
from course_lib.practice.desk.controls import (
    LINE,
    NAMED,
    TICK_STYLE,
    WIDE,
    button,
    code_block,
    html,
    on_enter,
    row,
    tick,
)
from course_lib.practice.desk.panel import inline


def widget_of(
    part: str | int | None = None, language: str = "en", count: int | None = None, sitting: Sitting | None = None
) -> widgets.VBox:
    """The quiz of a part in a language; `sitting` in place of these where one is at hand."""
    return QuizWidget(sitting or begin(part, language, count=count)).box


class QuizWidget:
    """One box whose children change from card to card: front, answer, back, grade."""

    def __init__(self, sitting: Sitting) -> None:
        self.sitting = sitting
        self.box = widgets.VBox([])
        notes = "".join(f"<p>{escape(note)}</p>" for note in sitting.notes)
        self._next(notes)

    def _next(self, said: str) -> None:
        card = self.sitting.card
        if card is None:
            self.box.children = [html(f"{said}<p>{escape(self.sitting.summary())}</p>")]
            return
        number = f"[{len(self.sitting.graded) + 1} of {len(self.sitting.cards)}]"
        about = f"{number} {card.kind.capitalize()}, chapter {card.chapter} ({card.question})"
        code = code_block(card.code) if card.code else ""
        asked = f"{TICK_STYLE}<p><strong>{escape(about)}</strong></p>{_text(card.front[self.sitting.language])}{code}"
        self._front = html(said + asked)
        take = {"number": self._take_number, "spot the mistake": self._take_lines}.get(card.kind, self._take_answer)
        self.box.children = [self._front, *take(card)]

    def _take_answer(self, card: Card) -> list[widgets.Widget]:
        text = widgets.Textarea(
            placeholder="Answer aloud, or type it here",
            description="Your answer",
            rows=5,
            style=NAMED,
            layout=WIDE,
        )

        def show(_: Any) -> None:
            points = card.points.get(self.sitting.language, ())
            boxes = [tick(inline(point)) for point in points]
            title = [widgets.HTML("<p>Which of these did you say?</p>")] if points else []
            self._show_back(card, "", "good", boxes, before=[text, *title])

        return [text, row(button("Show the answer", "Show the back of the card; answer first", show, "primary"))]

    def _take_number(self, card: Card) -> list[widgets.Widget]:
        text = widgets.Text(
            placeholder="a number, with its unit if it has one",
            description="Your number",
            style=NAMED,
            layout=LINE,
        )
        answer = widgets.HTML()

        def check(_: Any) -> None:
            try:
                right, sentence = judged_number(card, text.value)
            except Unread as problem:
                answer.value = escape(str(problem))
                return
            text.disabled = True
            self._show_back(card, sentence, "good" if right else "again", before=[text])

        on_enter(text, check)
        return [
            row(text, button("Check", "Compare the number with the answer", check, "primary")),
            answer,
        ]

    def _take_lines(self, card: Card) -> list[widgets.Widget]:
        code = {int(line[1:].split()[0]): line for line in card.code.splitlines() if line.startswith(">")}
        boxes = {i: tick(f"line {i}: <code>{escape(code.get(i, '')[5:].strip())}</code>") for i in card.lines}
        answer = widgets.HTML()

        def check(_: Any) -> None:
            chosen = {i for i, box in boxes.items() if box.value}
            if not chosen:
                answer.value = "Choose at least one line."
                return
            rating, sentences = judged_lines(card, chosen)
            self._show_back(card, "\n".join(sentences), rating)

        return [
            *boxes.values(),
            row(button("Answer", "Say whether these lines are at fault, and why", check, "primary")),
            answer,
        ]

    def _show_back(
        self,
        card: Card,
        said: str,
        suggested: str,
        ticks: list[widgets.Checkbox] | None = None,
        before: list[widgets.Widget] | None = None,
    ) -> None:
        grade = widgets.ToggleButtons(
            options=list(RATINGS), value=suggested if not ticks else "again", description="Grade", style=NAMED
        )

        def ticked(_: Any) -> None:
            grade.value = suggest(sum(box.value for box in ticks or []) / max(1, len(ticks or [])))

        for box in ticks or []:
            box.observe(ticked, names="value")

        def keep(_: Any) -> None:
            share = sum(box.value for box in ticks) / len(ticks) if ticks else None
            self._next(f"<p>{escape(self.sitting.grade(grade.value, share))}</p>")

        back = html(_text(said) + _text(card.back[self.sitting.language]))
        save = row(button("Save and next", "Record the grade and show the next card", keep, "primary"))
        typed, *rest = before or [widgets.HTML()]
        self.box.children = [self._front, typed, back, *rest, *(ticks or []), grade, save]


def _text(text: str) -> str:
    return "".join(f'<p style="margin:.3em 0">{inline(line)}</p>' for line in text.splitlines() if line.strip())
