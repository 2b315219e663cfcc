"""The number field in which a reader types a guess, with its Save button and one line that answers."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import VBox


def guess_field(title: str, ask: str, unit: str | None, save: Callable[[str], str], begin: str, said: str) -> VBox:
    """Return the field. save: takes what was typed and returns the sentence to show; begin: what the field holds.

    What was typed is saved by the button, by Enter, and when the field is left, so that nothing typed is lost.
    """
    import ipywidgets

    text = ipywidgets.Text(
        value=begin,
        description="Your guess",
        placeholder=f"a number of {unit}" if unit else "a number",
        continuous_update=False,
        style={"description_width": "initial"},
        layout={"width": "min(100% - 4px, 22em)"},  # 4px: the margins
    )
    button = ipywidgets.Button(description="Save", tooltip=f"Save the guess for {title}", layout={"width": "auto"})
    answer = ipywidgets.HTML(escape(said))

    def keep(*_: Any) -> None:
        answer.value = escape(save(text.value))

    button.on_click(keep)
    text.observe(keep, names="value")
    question = ipywidgets.HTML(f"<strong>{escape(title)}</strong><br>{escape(ask)}")
    row = ipywidgets.HBox([text, ipywidgets.Label(unit or ""), button], layout={"flex_flow": "row wrap"})
    return ipywidgets.VBox([question, row, answer])
