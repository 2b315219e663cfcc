"""Write the table of facts under a notebook's title: `python -m tools.facts 00`.

Questions, memory and level stand once, in the notebook's metadata under `course`; minutes are computed from the
notebook, its exercises and the bank. The table is a Markdown cell tagged `facts`, made from both.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import nbformat

from tools.form import write_notebook
from tools.minutes import Minutes, minutes
from tools.storing import chapter_files

TAG = "facts"


def minutes_of(notebook: Mapping[str, Any]) -> Minutes:
    """Compute the minutes of a notebook of the course, with its exercises' own and the bank's answered questions."""
    from course_lib.practice.checks import finding
    from course_lib.practice.knowledge.questions import questions

    chapter = notebook["metadata"]["course"]["chapter"]
    exercises = {one.name: one.minutes for one in finding.exercises(chapter)}
    return minutes(notebook, exercises, len(questions(chapter=chapter, status="answered")))


def table(course: dict[str, Any], takes: Minutes) -> str:
    """The Markdown table of a chapter's metadata and minutes."""
    needs = course["needs"] if isinstance(course["needs"], str) else ", ".join(course["needs"])
    cells = {
        "chapter": course["chapter"],
        "answers": ", ".join(course["questions"]) or "no interview question of its own",
        "takes": takes.shown(),
        "needs": f"{course['memory_mb']} MB of memory",
        "level": course["level"],
        "read before": needs or "nothing",
    }
    return "\n".join(f"|{'|'.join(f' {cell} ' for cell in row)}|" for row in (cells, ["---"] * 6, cells.values()))


def refresh(notebook: nbformat.NotebookNode) -> bool:
    """Bring the cell tagged `facts` up to date, and drop minutes that were typed into the metadata.

    Return whether anything changed. ValueError if there is no such cell.
    """
    cells = [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"The notebook has {len(cells)} cells tagged `{TAG}`: give the cell under the title this tag.")
    typed = notebook.metadata["course"].pop("minutes", None)
    wanted = table(notebook.metadata["course"], minutes_of(notebook))
    changed = cells[0].source != wanted
    cells[0].source = wanted
    return changed or typed is not None


def main(argv: list[str]) -> int:
    """Run the command line; return the exit status."""
    try:
        for path in chapter_files(argv):
            notebook = nbformat.read(path, as_version=4)
            if refresh(notebook):
                write_notebook(notebook, path)
                print(f"{path.name}: table of facts written.")
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
