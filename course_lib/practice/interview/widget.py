"""The mock interview as a widget: one prompt at a time beside a clock, a field for the reply, the report at the end."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets

from course_lib.practice.desk.controls import (
    LINE,
    NAMED,
    TICK_STYLE,
    WIDE,
    button,
    html,
    on_enter,
    row,
    tick,
    while_typing,
)
from course_lib.practice.desk.panel import NO_FORMULAS, inline
from course_lib.practice.desk.place import CourseError
from course_lib.practice.interview.interview import ANSWER_S, JUDGEMENTS, SKIP, Interview, Prompt
from course_lib.practice.interview.plan import pick
from course_lib.practice.interview.reading import links_from_here, notebook_links
from course_lib.practice.interview.report import Report
from course_lib.practice.interview.result import Result
from course_lib.practice.interview.sittings import begin, end, resume, unfinished
from course_lib.practice.record.progress import Progress, data_folder


def widget_of(
    part: str | int | None = None,
    minutes: float = 30.0,
    language: str = "en",
    intro: str = "",
    replace: Callable[[dict[str, str]], None] | None = None,
) -> widgets.VBox:
    """The interview, not yet begun. intro: HTML above the buttons; replace: puts the report in the widget's place."""
    return MockWidget(part, minutes, language, intro, replace).box


class MockWidget:
    """A button to begin, one to go on with an interrupted interview, then prompt after prompt."""

    def __init__(
        self,
        part: str | int | None = None,
        minutes: float = 30.0,
        language: str = "en",
        intro: str = "",
        replace: Callable[[dict[str, str]], None] | None = None,
        **for_interview: Any,
    ) -> None:
        self._asked = (part, minutes, language)
        self._replace = replace
        self._more = for_interview
        self.progress = Progress.open()
        buttons = [button("Begin", f"Begin an interview of {minutes:g} minutes", self._begin, "primary")]
        if (kept := unfinished(self.progress)) is not None:
            buttons.append(button("Go on", "Go on with the interview that was interrupted", self._resume))
            intro += f"<p>The interview of {kept.time:%Y-%m-%d %H:%M} UTC is not ended: Go on takes it up again.</p>"
        self._said = html("")
        self.box = widgets.VBox([html(intro), row(*buttons), self._said])

    def _begin(self, _: Any) -> None:
        part, minutes, language = self._asked
        self._open(lambda: begin(self.progress, pick(self.progress, part, minutes, language), **self._more))

    def _resume(self, _: Any) -> None:
        self._open(lambda: resume(self.progress, **self._more))

    def _open(self, make: Callable[[], Interview]) -> None:
        try:
            self.interview = make()
        except CourseError as error:
            self._said.value = escape(str(error))
            return
        self._ask([])

    def _ask(self, told: list[str]) -> None:
        prompt, result = self.interview.prompt, self.interview.current
        if prompt is None or result is None:
            self._close(told)
            return
        self._said = html("")
        clock = _clock(ANSWER_S) if prompt.kind == "answer" else ""
        asked = f"{_told(told)}<p><small>{escape(self._where())}</small>{clock}</p>{_prompt(prompt, result)}"
        self.box.children = [html(asked), *self._field(prompt, result), self._said]

    def _where(self) -> str:
        left = max(0.0, self.interview.plan.minutes - self.interview.elapsed / 60)
        of, number = len(self.interview.plan.questions), max(1, len(self.interview.results))
        time = f"{left:.0f} minutes left" if left > 0.5 else "the time is over, this question is finished"
        return f"Question {number} of {of}, {time}"

    def _field(self, prompt: Prompt, result: Result) -> list[widgets.Widget]:
        """The field of a prompt, with its buttons; an unusable reply leaves it as it is."""
        if prompt.kind == "judge":
            choices = [button(word, f"Said: {word}", lambda _, word=word: self._reply(word)) for word in JUDGEMENTS]
            return [html("<p>Was this what you said?</p>"), row(*choices)]
        if prompt.kind == "points":
            points = result.answer.must_say[self.interview.plan.language]
            boxes = [tick(inline(point), i in result.suggested) for i, point in enumerate(points, start=1)]
            return [html(TICK_STYLE), *boxes, row(self._send(lambda: _ticked(boxes)))]
        if prompt.kind == "number":
            line = widgets.Text(description="Your number", placeholder=prompt.ask, style=NAMED, layout=LINE)
            on_enter(line, lambda _: self._reply(line.value, prompt))
            return [line, row(self._send(lambda: line.value), self._pass())]
        text = widgets.Textarea(value=self.interview.draft, rows=10, layout=WIDE)
        text.placeholder = prompt.ask
        while_typing(text, lambda typed: self._keep_draft(typed, prompt))
        return [text, row(self._send(lambda: text.value), self._pass())]

    def _send(self, value: Callable[[], str]) -> widgets.Button:
        about = "Send this reply; it is recorded at once"
        return button("Send", about, lambda _: self._reply(value()), "primary")

    def _pass(self) -> widgets.Button:
        return button("Skip", "Pass, and see the answer", lambda _: self._reply(SKIP))

    def _keep_draft(self, text: str, asked: Prompt) -> None:
        if self.interview.prompt == asked:  # what was sent in the meantime is no draft of what is asked next
            self.interview.keep_draft(text)

    def _reply(self, text: str, asked: Prompt | None = None) -> None:
        """Hand a reply to the interview; one to a prompt that is no longer asked counts for nothing."""
        before = self.interview.prompt
        if asked is not None and asked != before:
            return
        told = self.interview.reply(text)
        if self.interview.prompt == before:
            self._said.value = "".join(f"<p>{escape(sentence)}</p>" for sentence in told)
            return
        self._ask(told)

    def _close(self, told: list[str]) -> None:
        """Show the report and write it as files; where that fails, the interview stays open to be closed again."""
        try:
            files = Report(self.interview, notebook_links()).save(data_folder() / "interviews")
            end(self.progress, self.interview)
            kept = "".join(f"<br><code>{escape(str(file))}</code>" for file in files)
            kept = f"<p><small>This report is kept in:{kept}</small></p>"
        except CourseError as error:
            kept = f"<p>{escape(str(error))}</p>"
        # An output, unlike an HTML widget, has its links followed by JupyterLab: to the notebook, and to its section.
        report = Report(self.interview, links_from_here())
        shown = {"text/html": report._repr_html_(), "text/plain": repr(report)}
        if self._replace is not None:
            whole = f'<div class="{NO_FORMULAS}">{_told(told)}{shown["text/html"]}{kept}</div>'
            self._replace(shown | {"text/html": whole})
            return
        page = widgets.Output(outputs=({"output_type": "display_data", "data": shown, "metadata": {}},))
        self.box.children = [html(_told(told)), page, html(kept)]


def _ticked(boxes: list[widgets.Checkbox]) -> str:
    return " ".join(str(i) for i, box in enumerate(boxes, start=1) if box.value) or "none"


def _told(told: list[str]) -> str:
    """What the last reply came to, set apart from the prompt that follows."""
    if not told:
        return ""
    sentences = "".join(f'<p style="margin:.2em 0">{inline(sentence)}</p>' for sentence in told)
    return f'<div style="border-left:5px solid #8a8a8a;padding-left:.8em;opacity:.85">{sentences}</div>'


def _prompt(prompt: Prompt, result: Result) -> str:
    """What is asked, with the reader's own words beside the answer that they are compared with."""
    strong = '<p style="font-size:1.15em;font-weight:600;margin:.4em 0">'
    if prompt.kind == "points":
        yours = f"<details open><summary>Your answer</summary>{_quoted(result.text)}</details>" if result.text else ""
        return f"{yours}{strong}{inline(prompt.text.splitlines()[0])}</p>"
    if prompt.kind == "judge":
        number, said = next((i, each) for i, each in result.follow_ups.items() if "judged" not in each)
        asked = inline(result.answer.follow_ups[number].question)
        return f"{strong}{asked}</p>{_quoted(said['text'])}<p>{inline(prompt.text)}</p>"
    title = {"follow-up": "Follow-up: ", "number": "Fill in the number: "}.get(prompt.kind, "")
    return f"{strong}{escape(title)}{inline(prompt.text)}</p>"


def _quoted(text: str | None) -> str:
    style = "border-left:3px solid #8a8a8a;margin:.3em 0;padding-left:.8em;white-space:pre-wrap"
    return f'<blockquote style="{style};max-height:14em;overflow-y:auto">{escape(text or "")}</blockquote>'


def _clock(seconds: float) -> str:
    """A bar that fills by itself in the usual time of an answer: an animation of the style sheet, no program."""
    return (
        "<style>@keyframes course-clock{from{width:0}to{width:100%}}</style>"
        f'<span style="display:block;height:5px;max-width:24em;background:#8a8a8a55" title="fills in {seconds:.0f} s">'
        '<span style="display:block;height:5px;background:#E69F00;'
        f'animation:course-clock {seconds:.0f}s linear forwards"></span></span>'
        f"<small>The bar fills in {seconds / 60:g} minutes, the usual length of an answer.</small>"
    )
