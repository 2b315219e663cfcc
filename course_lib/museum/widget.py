"""The three acts of an exhibit as a widget: every control has a label and works from the keyboard."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from html import escape
from types import FunctionType
from typing import Any

import ipywidgets as widgets

from course_lib.museum.exhibit import Exhibit
from course_lib.museum.panel import asked, check_repair, draft, keep_draft, numbered, record, spot, told
from course_lib.practice.desk.controls import NAMED, TICK_STYLE, WIDE, button, code_block, html, row, tick, while_typing
from course_lib.practice.desk.panel import Panel, Row

# ipywidgets puts the label beside the field, which then has no room on a narrow page.
_STYLE = (
    "<style>.course-code {flex-direction: column}"
    ".course-code .widget-label {width: auto; text-align: left}"
    ".course-code textarea {font-family: monospace; white-space: pre; width: 100%}</style>"
)


def widget_of(exhibit: Exhibit) -> widgets.VBox:
    """Claim and source of the exhibit, then run it, spot it, repair it."""
    parts = [
        _heading(exhibit.heading),
        html(f"{_STYLE}<p>The claim: {escape(exhibit.claim)}</p>{code_block(numbered(exhibit))}"),
    ]
    return widgets.VBox([*parts, *_run_it(exhibit), *_spot_it(exhibit), *_repair_it(exhibit)])


def _run_it(exhibit: Exhibit) -> list[widgets.Widget]:
    def work() -> Panel:
        return Panel(exhibit.heading, [told(exhibit, exhibit.run(exhibit.wrong), as_wrong=True)])

    return [_heading("1. Run it"), *_button("Run it", "Run the program as it circulates", work)]


def _spot_it(exhibit: Exhibit) -> list[widgets.Widget]:
    code = exhibit.wrong_source.splitlines()
    # Boxes of which one is ticked, not radio buttons: JupyterLab takes the arrow keys, by which these are moved.
    boxes = {i: tick(f"line {i}: <code>{escape(code[i - 1].strip())}</code>") for i in exhibit.choices()}

    def chosen() -> int | None:
        return next((i for i, box in boxes.items() if box.value), None)

    def only_this(change: Any) -> None:
        for box in boxes.values():
            if change["new"] and box is not change["owner"]:
                box.value = False

    for box in boxes.values():
        box.observe(only_this, names="value")

    def work() -> Panel:
        if (line := chosen()) is None:
            return Panel("Spot it", [Row("note", "Choose a line first.")])
        return spot(exhibit.number, line)

    asked_lines = [html(f"{TICK_STYLE}<p>{escape(asked(exhibit))}</p>"), *boxes.values()]
    answer = _button("Answer", "Say whether this line is at fault, and why", work)
    return [_heading("2. Spot it"), *asked_lines, *answer]


def _repair_it(exhibit: Exhibit) -> list[widgets.Widget]:
    editor = widgets.Textarea(
        value=draft(exhibit) or exhibit.wrong_source,
        description="Your repair",
        rows=len(exhibit.wrong_source.splitlines()) + 2,
        style=NAMED,
        layout=WIDE,
    )
    editor.add_class("course-code")
    while_typing(editor, lambda text: keep_draft(exhibit, text))
    how = html(
        "<p>What you type is kept. Indent with spaces: the Tab key goes on to the next control. "
        "Or write the function in a cell of its own and check it there: "
        f"<code>museum.check_repair({escape(repr(exhibit.number))}, your_function)</code></p>"
    )
    check = _button("Check my repair", "Measure the program in the box", lambda: _check_text(exhibit, editor.value))
    again = button(
        "Begin again",
        "Put the program as it circulates into the box",
        lambda _: setattr(editor, "value", exhibit.wrong_source),
    )
    reveal = _button("Show the museum's repair", "Run the repaired program and show it", lambda: _reveal(exhibit))
    return [_heading("3. Repair it"), how, editor, row(again), *check, *reveal]


def _heading(text: str) -> widgets.HTML:
    return html(f"<h4 style='margin:.6em 0 .2em 0'>{escape(text)}</h4>")


def _button(label: str, tooltip: str, work: Callable[[], Panel]) -> list[widgets.Widget]:
    """A button, and the place below it where what `work` returns is shown and announced."""
    place = html("")

    def pressed(_: Any) -> None:
        press.disabled, place.value = True, '<p role="status">Running …</p>'
        try:
            place.value = f'<div role="status">{work()._repr_html_()}</div>'
        except BaseException as error:
            place.value = f'<p role="status">It stopped with {escape(type(error).__name__)}: {escape(str(error))}</p>'
        finally:
            press.disabled = False

    press = button(label, tooltip, pressed)
    return [row(press), place]


def _reveal(exhibit: Exhibit) -> Panel:
    shown = told(exhibit, exhibit.run(exhibit.repaired), as_wrong=False)
    record(exhibit, act="reveal")
    return Panel(
        exhibit.heading,
        [
            Row("note", f"The repair: {exhibit.repair}", code=exhibit.repaired_source),
            shown,
            Row("note", f"Why it passes review: {exhibit.why_it_passes_review}"),
        ],
    )


def _check_text(exhibit: Exhibit, text: str) -> Panel:
    try:
        program = program_of(exhibit, text)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        return Panel("Your repair", [Row("failed", f"The text in the box does not run: {message}")])
    return check_repair(exhibit.number, program)


def program_of(exhibit: Exhibit, text: str) -> Callable[..., Any]:
    """The function that `text` defines, seeing what the exhibit's own program sees; ValueError if there is none.

    A tab that was pasted counts as spaces up to the next multiple of four, beside lines that are indented by spaces.
    Where there are several it is the one called `wrong` or `repaired`, else the last.
    """
    text = text.expandtabs(4)
    name = f"<your repair of exhibit {exhibit.number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # so that tracebacks show lines
    seen = dict(vars(sys.modules[exhibit.wrong.__module__]))
    names = {**seen, "__name__": "__main__"}
    exec(compile(text, name, "exec", flags=annotations.compiler_flag, dont_inherit=True), names)
    new = {key: f for key, f in names.items() if isinstance(f, FunctionType) and seen.get(key) is not f}
    if not new:
        raise ValueError("it defines no function")
    return new.get(exhibit.wrong.__name__) or new.get(exhibit.repaired.__name__) or list(new.values())[-1]
