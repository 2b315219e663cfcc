"""Read a stored notebook as it is (plain JSON): nbformat repairs some faults while reading."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Cell = dict[str, Any]
Guard = Callable[[Notebook, str], list[str]]

UNCOMPARED = {"nbval-ignore-output", "nbval-skip", "pytest-validate-ignore-output"}
COMMENT_MARKS = re.compile(r"^\s*#\s*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)\s*$", re.MULTILINE)


def load(path: Path) -> Notebook:
    """Read a notebook as plain JSON, its lists of lines joined to text."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = "".join(output["text"])
            data = output.get("data", {})
            for kind, body in data.items():
                if isinstance(body, list) and all(isinstance(line, str) for line in body):
                    data[kind] = "".join(body)
    return notebook


def code_cells(notebook: Notebook) -> Iterator[tuple[int, Cell]]:
    """Yield position and cell of every code cell that has text."""
    return ((i, c) for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code" and c["source"].strip())


def tags(cell: Cell) -> set[str]:
    """Return a cell's tags."""
    return set(cell.get("metadata", {}).get("tags", []))


def compared(cell: Cell) -> bool:
    """Whether nbval compares this cell's outputs in a strict run."""
    return not (tags(cell) & UNCOMPARED or COMMENT_MARKS.search(cell["source"]))


def at(name: str, index: int, cell: Cell) -> str:
    """Say where: file, position and id of a cell."""
    return f"{name}, cell {index} ({cell.get('id', 'no id')})"
