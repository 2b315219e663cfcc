"""`course solve`: the solved edition, derived from the notebooks and never kept.

In each code cell the definition of an exercise's stub gives way to the reference; nothing else changes but that
outputs, which belong to the other edition, are cleared.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from course_lib.practice.checks import finding
from course_lib.practice.checks.cells import reference_source
from course_lib.practice.checks.exercise import Exercise
from course_lib.practice.desk import place
from course_lib.practice.desk.place import CourseError


def stub_in(source: str) -> tuple[Exercise, int, int] | None:
    """Return the exercise that a code cell holds a definition of, with that definition's first and last line."""
    if "NotImplementedError" not in source:
        return None
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None  # a cell with magics holds no stub
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (found := finding.by_name(node.name)):
            return found, node.lineno, node.end_lineno or node.lineno
    return None


def solve(notebook: dict[str, Any]) -> list[str]:
    """Replace the stubs in a notebook (its JSON) by the references, in place; return the ids of the exercises."""
    solved = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        cell["outputs"], cell["execution_count"] = [], None
        source = "".join(cell["source"])
        found = stub_in(source)
        if found is not None:
            exercise, first, last = found
            lines = source.splitlines()
            cell["source"] = "\n".join([*lines[: first - 1], reference_source(exercise), *lines[last:]])
            solved.append(exercise.id)
    return solved


def write(out: Path, chapter: str | None = None) -> dict[Path, list[str]]:
    """Write the solved edition of all notebooks with exercises into `out`; return what was solved in each.

    chapter: two digits; raises CourseError where no such notebook has an exercise.
    """
    import nbformat

    source, written = place.notebooks(), {}
    for path in sorted(source.rglob(f"{chapter or ''}*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        notebook = nbformat.read(path, as_version=4)
        ids = solve(notebook)
        if ids:
            target = out / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, target)
            written[target] = ids
    if not written:
        which = f"that begins with {chapter!r} " if chapter else ""
        raise CourseError(f"No notebook {which}has an exercise: give a chapter's two digits, like 06, or none for all.")
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Write the solved edition and say where."""
    parser = argparse.ArgumentParser(prog="course solve", description="Derive notebooks with every stub solved.")
    parser.add_argument("chapter", nargs="?", help="two digits, 06; all chapters if left out")
    parser.add_argument("--out", type=Path, default=Path("build/solved"), help="folder to write to (build/solved)")
    args = parser.parse_args(argv)
    try:
        written = write(args.out, args.chapter)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    for path, ids in written.items():
        print(f"{path}: {', '.join(ids)}")
    return 0
