"""The mock interview as a widget: one prompt at a time, a field for the reply, and the report at the end."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets as widgets

from course_lib.practice.mock_interview import JUDGEMENTS, SKIP, Interview, Prompt
from course_lib.practice.mock_plan import begin, end, pick, resume, unfinished
from course_lib.practice.place import CourseError
from course_lib.practice.progress import Progress
from course_lib.practice.report import Report

_WIDE = {"width": "auto", "max_width": "62em"}
_ROW = {"flex_flow": "row wrap"}
_NAMED = {"description_width": "initial"}


def widget_of(part: str | int | None = None, minutes: float = 30.0, language: str = "en") -> widgets.VBox:
    """The interview, not yet begun."""
    return MockWidget(part, minutes, language).box


class MockWidget:
    """A button to begin, one to go on with an interrupted interview, then prompt after prompt."""

    def __init__(
        self, part: str | int | None = None, minutes: float = 30.0, language: str = "en", **for_interview: Any
    ) -> None:
        self._asked = (part, minutes, language)
        self._more = for_interview
        self.progress = Progress.open()
        buttons = [self._button("Begin", f"Begin an interview of {minutes:g} minutes", self._begin)]
        if unfinished(self.progress) is not None:
            buttons.append(self._button("Go on", "Go on with the interview that was interrupted", self._resume))
        self._said = widgets.HTML(layout=_WIDE)
        self.box = widgets.VBox([widgets.HBox(buttons, layout=_ROW), self._said])

    def _begin(self, _: Any) -> None:
        part, minutes, language = self._asked
        self._open(lambda: begin(self.progress, pick(self.progress, part, minutes, language), **self._more))

    def _resume(self, _: Any) -> None:
        self._open(lambda: resume(self.progress, **self._more))

    def _open(self, make: Any) -> None:
        try:
            self.interview: Interview = make()
        except CourseError as error:
            self._said.value = escape(str(error))
            return
        self._ask([])

    def _ask(self, told: list[str]) -> None:
        prompt = self.interview.prompt
        if prompt is None:
            self._close(told)
            return
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in told)
        self._said = widgets.HTML(layout=_WIDE)
        asked = widgets.HTML(f"{said}<p>{escape(self._where())}</p>{_prompt(prompt)}", layout=_WIDE)
        self.box.children = [asked, *self._field(prompt), self._said]

    def _where(self) -> str:
        left = max(0.0, self.interview.plan.minutes - self.interview.elapsed / 60)
        of = len(self.interview.plan.questions)
        return f"Question {max(1, len(self.interview.results))} of {of}, {left:.0f} minutes left"

    def _field(self, prompt: Prompt) -> list[widgets.Widget]:
        """The field of a prompt, with its buttons; an unusable reply leaves it as it is."""
        if prompt.kind == "judge":
            choice = widgets.ToggleButtons(options=JUDGEMENTS, description="Said", style=_NAMED)
            return [choice, self._send(lambda: str(choice.value))]
        if prompt.kind == "points":
            result = self.interview.current
            assert result is not None
            points = result.answer.must_say[self.interview.plan.language]
            boxes = [
                widgets.Checkbox(value=i in result.suggested, description=point, indent=False, layout=_WIDE)
                for i, point in enumerate(points, start=1)
            ]
            return [
                *boxes,
                self._send(lambda: " ".join(str(i) for i, box in enumerate(boxes, start=1) if box.value) or "none"),
            ]
        if prompt.kind == "number":
            line = widgets.Text(description=prompt.ask, style=_NAMED, layout=_WIDE)
            return [line, widgets.HBox([self._send(lambda: line.value), self._pass()], layout=_ROW)]
        text = widgets.Textarea(
            value=self.interview.draft,
            description=prompt.ask,
            rows=8,
            style=_NAMED,
            layout=_WIDE,
            continuous_update=False,
        )
        text.observe(lambda change: self.interview.keep_draft(change["new"]), names="value")
        return [text, widgets.HBox([self._send(lambda: text.value), self._pass()], layout=_ROW)]

    def _send(self, value: Any) -> widgets.Button:
        return self._button("Send", "Send this reply; it is recorded at once", lambda _: self._reply(value()))

    def _pass(self) -> widgets.Button:
        return self._button("Skip", "Pass, and see the answer", lambda _: self._reply(SKIP))

    def _reply(self, text: str) -> None:
        before = self.interview.prompt
        told = self.interview.reply(text)
        if self.interview.prompt == before:
            self._said.value = "".join(f"<p>{escape(sentence)}</p>" for sentence in told)
            return
        self._ask(told)

    def _close(self, told: list[str]) -> None:
        end(self.progress, self.interview)
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in told)
        self.box.children = [widgets.HTML(said + Report(self.interview)._repr_html_(), layout=_WIDE)]

    def _button(self, name: str, tooltip: str, work: Any) -> widgets.Button:
        button = widgets.Button(description=name, tooltip=tooltip, layout={"width": "auto"})
        button.on_click(work)
        return button


def _prompt(prompt: Prompt) -> str:
    title = {"follow-up": "Follow-up: ", "number": "Fill in the number: "}.get(prompt.kind, "")
    text = prompt.text.splitlines()[0] if prompt.kind == "points" else prompt.text
    return f"<p><strong>{escape(title)}</strong>{escape(text)}</p>"
