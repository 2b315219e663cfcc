"""One way to make a control panel: widgets over a plain function, whose result is shown below them.

The result goes into an HTML widget, not into an `Output` widget: the page shows it in one step, and a run without a
browser (nbval, nbclient) does not mistake it for the cell's own output.
"""

from __future__ import annotations

import base64
import html
import inspect
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from ipywidgets import HTML, Checkbox, Dropdown, FloatSlider, IntSlider, Layout, VBox

from course_lib.lab.figures import LEAST_WIDTH, Picture

# ipywidgets sets tables without gaps between their columns; the page's own style does not reach into a widget.
_GAPS = (
    "<style>.course-shown table{border-collapse:collapse}"
    ".course-shown th,.course-shown td{padding:.15em .9em;line-height:1.5}"
    ".course-shown th{border-bottom:1px solid #8a8a8a}</style>"
)


class ControlPanel(VBox):
    """Controls above the shown result. controls: name -> widget; shown: the HTML widget; `refresh()` runs again."""

    def __init__(self, fn: Callable, title: str, controls: dict[str, Any]) -> None:
        self.fn = fn
        self.controls = controls
        self.shown = HTML()
        self.heading = title
        super().__init__([*([HTML(f"<b>{html.escape(title)}</b>")] if title else []), *controls.values(), self.shown])
        for control in controls.values():
            control.observe(self.refresh, names="value")
        self.refresh()

    def refresh(self, _change: Any = None) -> None:
        """Call the function with the controls' values and show what it prints and returns."""
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                result = self.fn(**{name: control.value for name, control in self.controls.items()})
            parts = [_as_html(result)]
        except ValueError as error:  # a choice that the function does not allow: one sentence, no traceback
            parts = [_alert(str(error))]
        except Exception as error:
            # Without this a fault in a callback would go to the log, and the panel would keep showing the last result.
            parts = [_alert(f"{type(error).__name__}: {error}")]
        if printed.getvalue():
            parts.insert(0, _preformatted(printed.getvalue()))
        self.shown.value = f'{_GAPS}<div class="course-shown">{"".join(parts)}</div>'

    def __repr__(self) -> str:
        return f"Control panel: {self.heading or self.fn.__name__}. Run this cell to move its controls."

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The widget, and beside it what it shows now, for a page without a kernel."""
        still = f"<p>{html.escape(repr(self))}</p>{self.shown.value}"
        return super()._repr_mimebundle_() | {"text/plain": repr(self), "text/html": still}


def control_panel(fn: Callable, title: str = "", **controls: Any) -> ControlPanel:
    """Make a panel that calls `fn(**values)` at once and whenever a control changes.

    Each keyword is an argument of `fn`: (low, high, start) or (low, high, start, step) makes a slider, of whole numbers
    if all are; a list makes a menu that starts with its first entry; True or False a tick box. What `fn` prints and
    returns is shown: text, a Picture, a table, or a list of these; a ValueError as one sentence.
    """
    takes = inspect.signature(fn).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        unknown = [name for name in controls if name not in takes]
        if unknown:
            raise ValueError(
                f"{fn.__name__} has no argument {unknown[0]!r}: the controls must be named after {', '.join(takes)}."
            )
    return ControlPanel(fn, title, {name: _control(name, spec) for name, spec in controls.items()})


def _control(name: str, spec: Any) -> Any:
    style, layout = {"description_width": "initial"}, Layout(width="min(100% - 4px, 32em)")  # 4px: the margins
    common = {"description": name, "style": style, "layout": layout}
    if isinstance(spec, bool):
        return Checkbox(value=spec, indent=False, **common)
    if isinstance(spec, list) and spec:
        return Dropdown(options=spec, value=spec[0], **common)
    numbers = isinstance(spec, tuple) and all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in spec)
    if not numbers or len(spec) not in (3, 4):
        raise ValueError(
            f"{name}={spec!r} makes no control: use (low, high, start) or (low, high, start, step) for a slider, a "
            "list for a menu, True or False for a tick box."
        )
    low, high, start = spec[:3]
    if not low <= start <= high:
        raise ValueError(f"{name}={spec!r}: the start, {start}, must lie between {low} and {high}.")
    whole = all(isinstance(x, int) for x in spec)
    step = spec[3] if len(spec) == 4 else (1 if whole else (high - low) / 100)
    # Results follow when the handle is let go: a function may take a second, and the calls would pile up.
    common["continuous_update"] = False
    return (IntSlider if whole else FloatSlider)(value=start, min=low, max=high, step=step, **common)


def _as_html(result: Any) -> str:
    if result is None:
        return ""
    if isinstance(result, (list, tuple)):
        return "".join(_as_html(part) for part in result)
    if isinstance(result, Picture):
        words = html.escape(result.caption, quote=True)
        data = base64.b64encode(result.png()).decode()
        # In a narrow window it keeps a width at which its letters are legible, and scrolls by itself.
        image = f'<img alt="{words}" style="max-width:max(100%,{LEAST_WIDTH}px)" src="data:image/png;base64,{data}">'
        return f'<div style="overflow-x:auto">{image}</div><p><i>Figure.</i> {words}</p>'
    if hasattr(result, "_repr_html_"):
        return result._repr_html_()
    return _preformatted(str(result))


def _preformatted(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"


def _alert(sentence: str) -> str:
    return f'<p role="alert" style="border-left:4px solid #D55E00;padding-left:0.6em">{html.escape(sentence)}</p>'
