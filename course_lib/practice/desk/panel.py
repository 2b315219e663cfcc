"""One look for everything that the practice machinery answers: a title, rows that begin with a word, a footer.

A panel is readable as plain text, in the browser and without colour: a status is a word, never only a colour. Nothing
in it changes from run to run by itself (no times, no addresses), so that a notebook's stored output can be compared.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

STATUSES = ("passed", "failed", "not attempted", "note")
WIDTH = 110  # columns of the plain text
NO_FORMULAS = "mathjax_ignore tex2jax_ignore"  # classes: JupyterLab's MathJax, and that of version 2, leave "$" alone

# The mark beside a status only repeats the word, which keeps the page's own text colour in light and dark mode.
# Okabe and Ito's palette, told apart by colour-blind readers too.
_COLOURS = {"passed": "#009E73", "failed": "#D55E00", "not attempted": "#E69F00", "note": "#8a8a8a"}


@dataclass(frozen=True)
class Row:
    """One line of a panel.

    status: one of STATUSES; text: what was found, in one sentence; detail: why, or what to do, below it; code: Python
    source shown below both, as it is.
    """

    status: str
    text: str
    detail: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status={self.status!r}: a row's status is one of {', '.join(STATUSES)}.")


@dataclass(frozen=True)
class Panel:
    """What `check`, `hint`, `solution` and their like show; the last expression of a cell.

    title: one line; rows: what was found; footer: what to do next.
    """

    title: str
    rows: Sequence[Row] = field(default_factory=list)
    footer: str = ""

    @property
    def status(self) -> str:
        """The verdict: "failed" if any row failed, else the first of "not attempted", "passed", "note" present."""
        present = {row.status for row in self.rows}
        return next((status for status in ("failed", "not attempted", "passed") if status in present), "note")

    def __repr__(self) -> str:
        lines = [*_wrap(self.title, "")]
        wide = max((len(row.status) for row in self.rows), default=0)
        for row in self.rows:
            lines += _wrap(row.text, f"  {row.status:<{wide}}  ")
            if row.detail:
                lines += _wrap(row.detail, " " * (wide + 4))
            lines += [(" " * (wide + 4) + line).rstrip() for line in row.code.splitlines()]
        if self.footer:
            lines += _wrap(self.footer, "")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(_html_row(row) for row in self.rows)
        footer = f'<div style="margin-top:.5em">{_html_text(self.footer)}</div>' if self.footer else ""
        return (
            f'<div class="course-panel {NO_FORMULAS}" style="border:1px solid #8a8a8a;border-radius:4px;'
            'padding:.6em .9em;max-width:62em;line-height:1.45">'
            f"<div><strong>{_html_text(self.title)}</strong></div>"
            f'<table style="border-collapse:collapse;margin:.4em 0 0 0;font-size:1em"><tbody>{rows}</tbody></table>'
            f"{footer}</div>"
        )


def _wrap(text: str, prefix: str) -> list[str]:
    """Break each line of `text` at WIDTH columns; `prefix` starts the first, spaces of its width the others."""
    lines: list[str] = []
    for line in _lines(text):
        start = prefix if not lines else " " * len(prefix)
        broken = textwrap.wrap(line, WIDTH - len(prefix), break_long_words=False, break_on_hyphens=False)
        lines += [start + broken[0]] if broken else [start.rstrip()]
        lines += [" " * len(prefix) + part for part in broken[1:]]
    return lines


def _lines(text: str) -> Iterable[str]:
    return text.splitlines() or [""]


def inline(text: str) -> str:
    """`text` escaped for HTML, its backticked spans as code; a dollar sign is no formula here."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False)).replace("$", "&#36;")


def _html_text(text: str) -> str:
    return "<br>".join(escape(line) for line in _lines(text))


def _html_row(row: Row) -> str:
    cell = 'style="text-align:left;vertical-align:top;padding:.2em .9em .2em .6em;background:none'
    detail = f'<div style="opacity:.85">{_html_text(row.detail)}</div>' if row.detail else ""
    code = f'<pre style="margin:.3em 0;white-space:pre;overflow-x:auto">{escape(row.code)}</pre>' if row.code else ""
    return (
        f'<tr style="background:none"><th scope="row" {cell};white-space:nowrap;'
        f'border-left:5px solid {_COLOURS[row.status]}">'
        # As wide as the panel leaves it, whatever it holds: code scrolls by itself and does not push the text out.
        f'{row.status}</th><td {cell};width:100%;max-width:0">{_html_text(row.text)}{detail}{code}</td></tr>'
    )
