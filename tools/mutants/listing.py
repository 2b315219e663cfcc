"""A chapter's list of mutants, tests/mutants/NN_theme.yaml: reading it, and finding each text where it must stand.

```yaml
- name: communication-removed
  wrong: nothing is sent, so replicas drift apart   # why a reader would call it wrong
  cell: c06-22                                      # or `file: course_lib/parallelism/ring.py`; neither: any code cell
  old: "dist.all_reduce(gradient)"                  # stands there exactly once
  new: "pass"
  noticed: c06-24                                   # the cell that must notice
  survives: why no cell can notice it               # only for a mutant that is known to survive
```
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

NEEDED = {"name", "wrong", "old", "new", "noticed"}
OPTIONAL = {"cell", "file", "survives"}


@dataclass(frozen=True)
class Mutant:
    """One change: `old` becomes `new` in a cell or a file, and the cell `noticed` must fail.

    cell: a cell's id, or None where the text alone finds the cell; file: a path from the project's root in place of a
    cell; survives: the reason why nothing can notice it, empty for a mutant that must be caught.
    """

    name: str
    wrong: str
    old: str
    new: str
    noticed: str
    cell: str | None = None
    file: str | None = None
    survives: str = ""


def read(path: Path) -> list[Mutant]:
    """Read a chapter's list.

    Raises:
        ValueError: The file is missing, is no list of mutants, or two have the same name; one sentence.
    """
    if not path.is_file():
        raise ValueError(f"There is no {path.name}: write the chapter's mutants into {path}.")
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        raise ValueError(f"{path.name} is not YAML near line {mark.line + 1 if mark else '?'}.") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path.name} is no list of mutants: each begins with `- name:`.")
    found = [_mutant(path.name, number, row) for number, row in enumerate(rows, start=1)]
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path.name} has two mutants named {twice[0]!r}.")
    return found


def _mutant(where: str, number: int, row: dict[str, Any]) -> Mutant:
    name = row.get("name", f"number {number}")
    if lacking := sorted(NEEDED - {key for key, value in row.items() if value is not None}):
        raise ValueError(f"{where}: mutant {name} has no `{lacking[0]}`.")
    if unknown := sorted(set(map(str, row)) - NEEDED - OPTIONAL):
        raise ValueError(f"{where}: mutant {name} has a key `{unknown[0]}` that means nothing here.")
    if "cell" in row and "file" in row:
        raise ValueError(f"{where}: mutant {name} names a cell and a file: it changes one of them.")
    return Mutant(**{key: str(value).strip("\n") for key, value in row.items()})


def changed_cell(mutant: Mutant, notebook: Mapping[str, Any]) -> tuple[int, str]:
    """Return the position of the cell that a mutant changes and the cell's text after the change.

    Raises:
        ValueError: The text is gone or stands there more than once, the change is none, or does not compile.
    """
    code = [(i, c) for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "code"]
    if mutant.cell is not None:
        code = [(i, c) for i, c in code if c.get("id") == mutant.cell]
        if not code:
            raise ValueError(f"Mutant {mutant.name}: the notebook has no code cell {mutant.cell}.")
    holding = [(i, c) for i, c in code if mutant.old in c["source"]]
    times = sum(c["source"].count(mutant.old) for _, c in holding)
    where = f"in cell {mutant.cell}" if mutant.cell else "in the notebook's code"
    _stands_once(mutant, times, where)
    index, cell = holding[0]
    return index, _changed(mutant, cell["source"], magics=True)


def changed_file(mutant: Mutant, root: Path) -> str:
    """Return the text of the file that a mutant changes after the change; ValueError as for a cell."""
    path = root / str(mutant.file)
    if not path.is_file():
        raise ValueError(f"Mutant {mutant.name}: there is no file {mutant.file}.")
    text = path.read_text(encoding="utf-8")
    _stands_once(mutant, text.count(mutant.old), f"in {mutant.file}")
    return _changed(mutant, text, magics=False)


def _stands_once(mutant: Mutant, times: int, where: str) -> None:
    shown = mutant.old if len(mutant.old) <= 60 else f"{mutant.old[:57]}..."
    if times == 0:
        raise ValueError(f"Mutant {mutant.name}: its text {shown!r} is gone {where}: bring the list up to date.")
    if times > 1:
        raise ValueError(
            f"Mutant {mutant.name}: its text {shown!r} stands {times} times {where}: take more of the line."
        )


def _changed(mutant: Mutant, text: str, *, magics: bool) -> str:
    if mutant.old == mutant.new:
        raise ValueError(f"Mutant {mutant.name}: `old` and `new` are the same, so nothing can notice it.")
    after = text.replace(mutant.old, mutant.new)
    shell = magics and any(line.lstrip().startswith(("%", "!")) for line in text.splitlines())
    if not shell and str(mutant.file or ".py").endswith(".py"):
        try:
            ast.parse(after)
        except SyntaxError:
            message = f"Mutant {mutant.name} does not compile: every cell would notice it, and that proves nothing."
            raise ValueError(message) from None
    return after


def check(mutant: Mutant, notebook: Mapping[str, Any], root: Path) -> None:
    """Raise ValueError, one sentence, where a mutant cannot be applied or names no cell that could notice it."""
    ids = {cell.get("id"): i for i, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"}
    if mutant.noticed not in ids:
        raise ValueError(f"Mutant {mutant.name}: the notebook has no code cell {mutant.noticed} that could notice it.")
    if mutant.file is not None:
        changed_file(mutant, root)
    elif changed_cell(mutant, notebook)[0] > ids[mutant.noticed]:
        raise ValueError(
            f"Mutant {mutant.name}: cell {mutant.noticed} runs before the changed one and cannot notice it."
        )
