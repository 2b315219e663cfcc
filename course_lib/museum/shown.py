"""An exhibit as the last line of a cell: a widget where somebody is there, the same words everywhere else."""

from __future__ import annotations

from typing import Any

from course_lib.museum.catalogue import find
from course_lib.museum.exhibit import Exhibit
from course_lib.museum.panel import numbered
from course_lib.practice.desk.panel import Panel, Row
from course_lib.practice.desk.presence import live_bundle


def show(number: int | str) -> Show:
    """The exhibit with its three acts, for the last line of a cell."""
    return Show(find(number))


class Show:
    """An exhibit in a cell: a widget where somebody is there, the same words as text and HTML everywhere else."""

    def __init__(self, exhibit: Exhibit) -> None:
        self.exhibit = exhibit
        self.static = Panel(
            exhibit.heading,
            [Row("note", f"The claim: {exhibit.claim}", code=numbered(exhibit))],
            footer=f"Run it: museum.run({exhibit.number!r}). Spot it: museum.spot({exhibit.number!r}, line). "
            f"Repair it: museum.check_repair({exhibit.number!r}, your_function).",
        )

    def __repr__(self) -> str:
        return repr(self.static)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return live_bundle(self.static, self._widget)

    def _widget(self) -> Any:
        from course_lib.museum.widget import widget_of

        return widget_of(self.exhibit)
