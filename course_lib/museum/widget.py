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
from course_lib.practice.desk.panel import Panel, Row

_WIDE = {"width": "auto", "max_width": "62em"}


def widget_of(exhibit: Exhibit) -> widgets.VBox:
    """Claim and source of the exhibit, then run it, spot it, repair it."""
    parts = [
        _heading(exhibit.heading),
        widgets.HTML(f"<p>The claim: {escape(exhibit.claim)}</p>", layout=_WIDE),
        widgets.HTML(f'<pre style="overflow-x:auto;line-height:1.35">{escape(numbered(exhibit))}</pre>', layout=_WIDE),
    ]
    return widgets.VBox([*parts, *_run_it(exhibit), *_spot_it(exhibit), *_repair_it(exhibit)])


def _run_it(exhibit: Exhibit) -> list[widgets.Widget]:
    def work() -> Panel:
        return Panel(exhibit.heading, [told(exhibit, exhibit.run(exhibit.wrong), as_wrong=True)])

    return [_heading("1. Run it"), *_button("Run it", "Run the program as it circulates", work)]


def _spot_it(exhibit: Exhibit) -> list[widgets.Widget]:
    code = exhibit.wrong_source.splitlines()
    lines = widgets.RadioButtons(
        options=[(f"line {i}: {code[i - 1].strip()}", i) for i in exhibit.choices()],
        value=None,
        description=asked(exhibit),
        layout=_WIDE,
        style={"description_width": "initial"},
    )

    def work() -> Panel:
        if lines.value is None:
            return Panel("Spot it", [Row("note", "Choose a line first.")])
        return spot(exhibit.number, lines.value)

    return [_heading("2. Spot it"), lines, *_button("Answer", "Say whether this line is at fault, and why", work)]


def _repair_it(exhibit: Exhibit) -> list[widgets.Widget]:
    editor = widgets.Textarea(
        value=draft(exhibit) or exhibit.wrong_source,
        description="Your repair",
        rows=len(exhibit.wrong_source.splitlines()) + 2,
        continuous_update=False,  # kept when the box is left, which every button and every run of the cell does
        layout={"width": "62em", "max_width": "100%"},
    )
    editor.add_class("course-code")
    editor.observe(lambda change: keep_draft(exhibit, change["new"]), names="value")
    look = widgets.HTML("<style>.course-code textarea {font-family: monospace; white-space: pre}</style>")
    how = widgets.HTML(
        "<p>What you type is kept when you leave the box. Indent with spaces: the Tab key goes on to the next control. "
        "Or write the function in a cell of its own and check it there: "
        f"<code>museum.check_repair({escape(repr(exhibit.number))}, your_function)</code></p>",
        layout=_WIDE,
    )
    check = _button("Check my repair", "Measure the program in the box", lambda: _check_text(exhibit, editor.value))
    again = widgets.Button(
        description="Begin again", tooltip="Put the program as it circulates into the box", layout={"width": "auto"}
    )
    again.on_click(lambda _: setattr(editor, "value", exhibit.wrong_source))
    reveal = _button("Show the museum's repair", "Run the repaired program and show it", lambda: _reveal(exhibit))
    return [_heading("3. Repair it"), look, how, editor, again, *check, *reveal]


def _heading(text: str) -> widgets.HTML:
    return widgets.HTML(f"<h4 style='margin:.6em 0 .2em 0'>{escape(text)}</h4>")


def _button(label: str, tooltip: str, work: Callable[[], Panel]) -> list[widgets.Widget]:
    """A button, and the place below it where what `work` returns is shown and announced."""
    button = widgets.Button(description=label, tooltip=tooltip, layout={"width": "auto"})
    place = widgets.HTML(layout=_WIDE)

    def pressed(_: Any) -> None:
        button.disabled, place.value = True, '<p role="status">Running …</p>'
        try:
            place.value = f'<div role="status">{work()._repr_html_()}</div>'
        except BaseException as error:
            place.value = f'<p role="status">It stopped with {escape(type(error).__name__)}: {escape(str(error))}</p>'
        finally:
            button.disabled = False

    button.on_click(pressed)
    return [button, place]


def _reveal(exhibit: Exhibit) -> Panel:
    row = told(exhibit, exhibit.run(exhibit.repaired), as_wrong=False)
    record(exhibit, act="reveal")
    return Panel(
        exhibit.heading,
        [
            Row("note", f"The repair: {exhibit.repair}", code=exhibit.repaired_source),
            row,
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
