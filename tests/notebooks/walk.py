"""Guards over a chapter as a whole: its size, its width, its Friday track, and comparisons that name their factors."""

from __future__ import annotations

import re

from tests.notebooks.reading import Notebook, at, code_cells, tags
from tools.facts import minutes_of
from tools.minutes import FRIDAY, FRIDAY_LIMIT
from tools.new_chapter import WALK

LEAST_CELLS, MOST_CELLS = 60, 90
MOST_COLUMNS = 90  # at 1,280 px a wider line scrolls sideways


def narrow(notebook: Notebook, name: str) -> list[str]:
    """No line of code is so wide that a reader must scroll sideways."""
    return [
        f"{at(name, i, cell)} has a line of {len(line)} columns; {MOST_COLUMNS} is most: {line.strip()[:40]}"
        for i, cell in code_cells(notebook)
        for line in cell["source"].splitlines()
        if len(line) > MOST_COLUMNS
    ]


def sized(notebook: Notebook, name: str) -> list[str]:
    """A chapter has 60 to 90 cells."""
    count = len(notebook["cells"])
    if LEAST_CELLS <= count <= MOST_CELLS:
        return []
    return [f"{name} has {count} cells; a chapter has {LEAST_CELLS} to {MOST_CELLS}."]


def friday_track(notebook: Notebook, name: str) -> list[str]:
    """The cells for a reader with one hour are marked: at least one section with code, in sixty minutes at most."""
    track = [cell for cell in notebook["cells"] if FRIDAY in tags(cell)]
    headed = any(cell["cell_type"] == "markdown" and cell["source"].startswith("## ") for cell in track)
    if not headed or not any(cell["cell_type"] == "code" for cell in track):
        return [f"{name}: no section is tagged `{FRIDAY}`: give the tag to its heading (## …) and its cells."]
    needed = minutes_of(notebook).friday
    if needed > FRIDAY_LIMIT:
        return [f"{name}: the cells tagged `{FRIDAY}` take {needed} minutes; {FRIDAY_LIMIT} is most."]
    return []


def names_its_factors(notebook: Notebook, name: str) -> list[str]:
    """At least one table compares, and says what it varies and what it holds fixed (`varies=`, `fixed=`)."""
    sources = [cell["source"] for _, cell in code_cells(notebook)]
    if any(re.search(r"\bvaries=", source) and re.search(r"\bfixed=", source) for source in sources):
        return []
    return [f"{name}: no table names its factors: give the comparison lab.table(…, varies=…, fixed=…)."]


def whole(notebook: Notebook, name: str) -> list[str]:
    """A planned chapter has every section of the walk, in its order."""
    texts = (cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    found = [text.splitlines()[0].removeprefix("## ") for text in texts if text.startswith("## ")]
    wanted = [heading for heading, _ in WALK]
    return [] if [h for h in found if h in wanted] == wanted else [f"{name}: its sections are not {', '.join(wanted)}."]


EVERY = (narrow,)
OF_A_PART = (sized, friday_track, names_its_factors)  # the start page and the mock interview are no chapters of a part
