"""Buttons for hint and solution below what a check found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from course_lib.practice.desk.panel import Panel
from course_lib.practice.desk.presence import live_bundle


class WithButtons(Panel):
    """A panel with buttons where somebody can press them; what they show stands below them.

    exercise: its id; hint, solution: what the buttons call with it.
    """

    exercise: str
    hint: Callable[[str], Panel]
    solution: Callable[[str], Panel]

    def __init__(
        self, panel: Panel, exercise: str, hint: Callable[[str], Panel], solution: Callable[[str], Panel]
    ) -> None:
        super().__init__(panel.title, panel.rows, panel.footer)
        for name, value in {"exercise": exercise, "hint": hint, "solution": solution}.items():
            object.__setattr__(self, name, value)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return live_bundle(self, self._widget)

    def _widget(self) -> Any:
        import ipywidgets

        from course_lib.practice.desk import controls

        shown = ipywidgets.HTML(layout=controls.WIDE)

        def show(what: Callable[[str], Panel]) -> Callable[[Any], None]:
            def pressed(_: Any) -> None:
                shown.value = f'<div role="status">{what(self.exercise)._repr_html_()}</div>'

            return pressed

        buttons = controls.row(
            controls.button("Hint", f"Show the next hint of {self.exercise}", show(self.hint)),
            controls.button("Solution", f"Show the solution of {self.exercise}, after an attempt", show(self.solution)),
        )
        return ipywidgets.VBox([ipywidgets.HTML(self._repr_html_(), layout=controls.WIDE), buttons, shown])
