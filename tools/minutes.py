"""How long a chapter takes, computed from notebook and exercises: reading, exercises, drill, and the Friday track.

Reading is words and code cells: prose with figures to think about goes at 150 words a minute (silent reading of
non-fiction runs at 238: Brysbaert 2019, doi:10.1016/j.jml.2019.104047), and a code cell with its output takes half a
minute. Exercises bring their own minutes. In the drill each question is answered aloud: half a minute, three minutes,
and two follow-ups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORDS_PER_MINUTE = 150
MINUTES_PER_CODE_CELL = 0.5
MINUTES_PER_QUESTION = 5
FRIDAY = "friday"
FRIDAY_LIMIT = 60
STEP = 5  # shown minutes are rounded to it: a changed sentence is no other chapter


@dataclass(frozen=True)
class Minutes:
    """Minutes of a chapter by what is done in them; friday: those of the cells with this tag, whatever they hold."""

    reading: int
    exercises: int
    drill: int
    friday: int

    def shown(self) -> str:
        """The words of the table under the title."""
        parts = {"reading": self.reading, "exercises": self.exercises, "drill": self.drill}
        words = ", ".join(f"{name} {value}" for name, value in parts.items() if value)
        friday = f"; Friday track {self.friday}" if self.friday else ""
        return f"{words}{friday} (minutes)"


def minutes(notebook: Mapping[str, Any], exercises: Mapping[str, int], questions: int) -> Minutes:
    """Compute a chapter's minutes.

    exercises: minutes by function name, as in `check(name)`; questions: how many `drill` asks.
    """
    cells = notebook["cells"]
    own = {i for cell_range in _exercise_cells(cells, exercises).values() for i in cell_range}
    track = [i for i, cell in enumerate(cells) if FRIDAY in cell.get("metadata", {}).get("tags", [])]
    practised = [name for name, at in _exercise_cells(cells, exercises).items() if set(at) & set(track)]
    drilled = any(re.search(r"^drill\(", cells[i]["source"], re.MULTILINE) for i in track)
    friday = _reading([cells[i] for i in track if i not in own]) + sum(exercises[name] for name in practised)
    return Minutes(
        reading=_round(_reading([cell for i, cell in enumerate(cells) if i not in own])),
        exercises=_round(sum(exercises.values())),
        drill=_round(questions * MINUTES_PER_QUESTION),
        friday=_round(friday + drilled * questions * MINUTES_PER_QUESTION),
    )


def _exercise_cells(cells: Sequence[Mapping[str, Any]], exercises: Mapping[str, int]) -> dict[str, list[int]]:
    """The positions of each exercise's cells: the task above the cell that defines its stub, the stub, the check."""
    found: dict[str, list[int]] = {}
    for name in exercises:
        uses = re.compile(rf"^(?:def|class) {name}\b|^check\({name}\)", re.MULTILINE)
        at = [i for i, cell in enumerate(cells) if cell["cell_type"] == "code" and uses.search(cell["source"])]
        if at and at[0] and cells[at[0] - 1]["cell_type"] == "markdown":
            at.insert(0, at[0] - 1)
        found[name] = at
    return found


def _reading(cells: Sequence[Mapping[str, Any]]) -> float:
    """Minutes to read these cells; the generated table of facts is none of them."""
    prose = [
        cell["source"]
        for cell in cells
        if cell["cell_type"] == "markdown" and "facts" not in cell.get("metadata", {}).get("tags", [])
    ]
    code = sum(cell["cell_type"] == "code" and bool(cell["source"].strip()) for cell in cells)
    return sum(len(text.split()) for text in prose) / WORDS_PER_MINUTE + code * MINUTES_PER_CODE_CELL


def _round(minutes: float) -> int:
    return STEP * round(minutes / STEP) or (STEP if minutes else 0)
