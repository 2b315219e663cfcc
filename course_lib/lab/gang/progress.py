"""One progress bar for a run: the step of the slowest rank that reports."""

from __future__ import annotations

import html
import sys
import time
from typing import Any

from course_lib.lab.gang.output import in_notebook, is_ordered

REDRAW_EVERY = 0.1  # seconds
_WIDTH = 24  # characters of the bar in a terminal


class ProgressBar:
    """Shows reports in a notebook or a terminal; nowhere else, and not where outputs are compared."""

    def __init__(self) -> None:
        self._reports: dict[int, tuple[int, int, dict[str, Any]]] = {}
        self._shown = 0.0
        self._handle: Any = None
        self._notebook = None if is_ordered() else in_notebook()
        self._terminal = not is_ordered() and not self._notebook and sys.stderr is not None and sys.stderr.isatty()

    def update(self, rank: int, step: int, total: int, values: dict[str, Any]) -> None:
        """Take a rank's report and redraw, ten times a second at most."""
        self._reports[rank] = (step, total, values)
        if time.monotonic() - self._shown >= REDRAW_EVERY:
            self._draw()

    def close(self) -> None:
        """Draw the last state, which stays."""
        if self._reports:
            self._draw()
            if self._terminal:
                sys.stderr.write("\n")

    def text(self) -> str:
        """Return the bar's words: `step 30 of 200, loss 2.31`."""
        step, total, values = min(self._reports.values(), key=lambda report: report[0] / max(report[1], 1))
        numbers = [
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
        ]
        return ", ".join([f"step {step} of {total}", *numbers])

    def _draw(self) -> None:
        self._shown = time.monotonic()
        if not (self._notebook or self._terminal):
            return
        step, total, _ = min(self._reports.values(), key=lambda report: report[0] / max(report[1], 1))
        text = self.text()
        if self._terminal:
            filled = round(_WIDTH * min(step / max(total, 1), 1.0))
            sys.stderr.write(f"\r[{'#' * filled}{'.' * (_WIDTH - filled)}] {text}\x1b[K")
            sys.stderr.flush()
            return
        from IPython.display import display

        bundle = {
            "text/plain": text,
            "text/html": f'<progress value="{step}" max="{total}"></progress> <span>{html.escape(text)}</span>',
        }
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
