"""Controls that the quiz and the mock interview share: running text, rows, buttons, a checkbox for a whole sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as widgets

WIDE = {"width": "auto", "max_width": "62em"}
NAMED = {"description_width": "initial"}
LINE = {"width": "min(100% - 4px, 32em)"}  # a field of one line; 4px: its margins
# ipywidgets sets its own size and height of lines; running text needs those of the page.
_TEXT = "line-height:1.5;font-size:var(--jp-content-font-size1,14px)"
# It also cuts a label after one line; the style must stand in some HTML beside the boxes.
TICK_STYLE = (
    "<style>.course-tick,.course-tick .widget-label-basic{height:auto;white-space:normal;line-height:1.5}"
    ".course-tick .widget-label-basic{display:flex;align-items:flex-start;gap:.5em;overflow:visible}"
    ".course-tick .widget-label-basic span,.course-tick code{min-width:0;overflow-wrap:anywhere}"
    ".course-tick input{flex:none;margin-top:.25em}</style>"
)


def code_block(code: str) -> str:
    """A program as HTML. The page would break its lines inside words; here a long one scrolls."""
    # Its own width counts as none: the box that ipywidgets puts around it would else grow with the longest line.
    look = "white-space:pre;overflow-x:auto;line-height:1.35;width:0;min-width:100%"
    return f'<pre style="{look}">{escape(code)}</pre>'


def html(text: str) -> widgets.HTML:
    """Running text. text: HTML, escaped by the caller."""
    return widgets.HTML(f'<div style="{_TEXT}">{text}</div>' if text else "", layout=WIDE)


def on_enter(line: widgets.Text, work: Callable[[Any], None]) -> None:
    """Do what the button beside a one-line field does when the reader presses Enter in it.

    The page sends the key and the last letters in two messages, either of which may come first: `work` waits for both.
    """

    def pressed(_: Any, content: dict[str, Any], __: Any) -> None:
        if content.get("event") == "submit":
            asyncio.get_running_loop().call_later(0.1, work, line)

    line.on_msg(pressed)


def while_typing(box: widgets.Textarea, keep: Callable[[str], None], every: float = 5.0) -> None:
    """Hand what is in the box to `keep` while it is typed: at once, then every `every` seconds while it changes.

    Without it the page sends the text when the box is left, and a page that is closed before takes it along.
    """
    waiting, kept = False, box.value

    def changed(_: Any = None) -> None:
        nonlocal waiting, kept
        if waiting or box.value == kept:
            return
        kept = box.value
        keep(kept)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nothing can happen later, so every change is kept as it comes
            return
        waiting = True
        loop.call_later(every, again)

    def again() -> None:
        nonlocal waiting
        waiting = False
        changed()

    box.continuous_update = True
    box.observe(changed, names="value")


def row(*children: widgets.Widget) -> widgets.HBox:
    """Controls beside each other, which keep their size and wrap on a narrow page."""
    return widgets.HBox(children, layout={"flex_flow": "row wrap"})


def button(name: str, tooltip: str, work: Callable[[Any], None], style: str = "") -> widgets.Button:
    """A button as wide as its name. style: "primary" for the one that goes on."""
    found = widgets.Button(description=name, tooltip=tooltip, button_style=style, layout={"width": "auto"})
    found.on_click(work)
    return found


def tick(label: str, value: bool = False) -> widgets.Checkbox:
    """A box for one sentence, which wraps where TICK_STYLE stands beside it. label: HTML, escaped by the caller."""
    box = widgets.Checkbox(
        value=value,
        description=label,
        description_allow_html=True,
        indent=False,
        layout=WIDE | {"height": "auto"},
    )
    box.add_class("course-tick")
    return box
