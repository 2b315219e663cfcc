"""Controls that the quiz and the mock interview share: running text, rows, buttons, a checkbox for a whole sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

WIDE = {"width": "auto", "max_width": "62em"}
NAMED = {"description_width": "initial"}
# ipywidgets sets its own size and height of lines; running text needs those of the page.
_TEXT = "line-height:1.5;font-size:var(--jp-content-font-size1,14px)"
# It also cuts a label after one line; the style must stand in some HTML beside the boxes.
TICK_STYLE = (
    "<style>.course-tick,.course-tick .widget-label-basic{height:auto;white-space:normal;line-height:1.5}"
    ".course-tick .widget-label-basic{display:flex;align-items:flex-start;gap:.5em;overflow:visible}"
    ".course-tick input{flex:none;margin-top:.25em}</style>"
)


def html(text: str) -> widgets.HTML:
    """Running text. text: HTML, escaped by the caller."""
    return widgets.HTML(f'<div style="{_TEXT}">{text}</div>' if text else "", layout=WIDE)


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
