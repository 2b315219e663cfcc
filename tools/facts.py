"""Write the table of facts under a notebook's title from its metadata: `python -m tools.facts 00`.

The metadata under `course` is the one place where questions, minutes, memory and level stand; the table is a Markdown
cell tagged `facts`, made from it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import nbformat

from tools.form import write_notebook
from tools.storing import chapter_files

TAG = "facts"


def table(course: Mapping[str, Any]) -> str:
    """The Markdown table of a chapter's metadata."""
    needs = course["needs"] if isinstance(course["needs"], str) else ", ".join(course["needs"])
    cells = {
        "chapter": course["chapter"],
        "answers": ", ".join(course["questions"]) or "no interview question of its own",
        "takes": f"{course['minutes']} minutes",
        "needs": f"{course['memory_mb']} MB of memory",
        "level": course["level"],
        "read before": needs or "nothing",
    }
    return "\n".join(f"|{'|'.join(f' {cell} ' for cell in row)}|" for row in (cells, ["---"] * 6, cells.values()))


def refresh(notebook: nbformat.NotebookNode) -> bool:
    """Bring the cell tagged `facts` up to date; return whether it changed. ValueError if there is none."""
    cells = [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"The notebook has {len(cells)} cells tagged `{TAG}`: give the cell under the title this tag.")
    wanted = table(notebook.metadata["course"])
    changed = cells[0].source != wanted
    cells[0].source = wanted
    return changed


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
