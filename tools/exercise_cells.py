"""Write the cells of a chapter's exercises into its notebook: `python -m tools.exercise_cells 06`.

The exercise's file is the one source of its task, difficulty, minutes, budget and stub. The cell above a stub and the
cell with stub and check are written from it; an exercise that the notebook lacks goes to the end of the section of
exercises, or behind the last of them where they have no section of their own. `--check` writes nothing and ends with 1
where a cell differs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from course_lib.practice.checks import cells, finding, solved
from tools.form import assign_ids, write_notebook
from tools.storing import ROOT, chapter_files

SECTION = "## Exercises"
TITLE = re.compile(r"### (\d\d\.\w+) ·")


def code_of(exercise_id: str) -> str:
    """The code cell of an exercise: its stub and its check."""
    return f"{cells.stub_source(exercise_id)}\n\n\n{cells.check_source(exercise_id)}"


def refresh(notebook: NotebookNode, chapter: str) -> list[str]:
    """Bring the exercises' cells up to date, in place; return a sentence for each that differed.

    Raises:
        ValueError: The notebook has no section for an exercise that it lacks, or cells of an exercise that is gone.
    """
    said = []
    every = sorted(finding.exercises(chapter), key=lambda one: one.place)
    for cell in notebook.cells:
        named = TITLE.match(cell.source) if cell.cell_type == "markdown" else None
        if named and named[1] not in {one.id for one in every}:
            raise ValueError(f"{named[1]} is no exercise (any more): remove its cells, or bring its file back.")
    for exercise in every:
        at = place_of(notebook, exercise.id)
        wanted = [cells.task_markdown(exercise.id), code_of(exercise.id)]
        if at is None:
            at = end_of_section(notebook, [one.id for one in every if one is not exercise], exercise.id)
            notebook.cells[at:at] = [new_markdown_cell(wanted[0]), new_code_cell(wanted[1])]
            said.append(f"{exercise.id}: it has no cells in the notebook")
            continue
        if not notebook.cells[at - 1].source.startswith(f"### {exercise.id} "):
            notebook.cells.insert(at, new_markdown_cell(""))
            at += 1
        for cell, text, what in zip(notebook.cells[at - 1 : at + 1], wanted, ("task", "stub and check"), strict=True):
            if cell.source != text:
                cell.source = text
                said.append(f"{exercise.id}: the cell of its {what} differs from its file")
    assign_ids(notebook, chapter)
    return said


def place_of(notebook: NotebookNode, exercise_id: str) -> int | None:
    """The index of the code cell with an exercise's stub; None where there is none."""
    for index, cell in enumerate(notebook.cells):
        found = solved.stub_in(cell.source) if cell.cell_type == "code" else None
        if found and found[0].id == exercise_id:
            return index
    return None


def end_of_section(notebook: NotebookNode, others: Sequence[str], exercise_id: str) -> int:
    """The index behind the last cell of the section of exercises, or else behind the last of the others."""
    inside = False
    for index, cell in enumerate(notebook.cells):
        heading = cell.source.startswith("## ") and cell.cell_type == "markdown"
        if inside and heading:
            return index
        inside = inside or (heading and cell.source.startswith(SECTION))
    if inside:
        return len(notebook.cells)
    behind = [at + 1 for at in (place_of(notebook, one) for one in others) if at is not None]
    if not behind:
        raise ValueError(f"{exercise_id} needs a section: the notebook has no cell that begins with `{SECTION}`.")
    return max(behind)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.exercise_cells", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", help="chapter number, path, or `all`")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where a cell differs")
    args = parser.parse_args(argv)
    differs = False
    try:
        for path in chapter_files(args.notebooks):
            notebook = nbformat.read(path, as_version=4)
            said = refresh(notebook, path.stem[:2])
            differs |= bool(said)
            if said and not args.check:
                write_notebook(notebook, path)
            name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            print(
                "\n".join(f"{name}: {sentence}" for sentence in said) or f"{name}: its exercises are as their files say"
            )
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    return int(differs and args.check)


if __name__ == "__main__":
    sys.exit(main())
