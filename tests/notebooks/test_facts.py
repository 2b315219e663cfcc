"""The table under a notebook's title says what its metadata says."""

import nbformat
import pytest

from tools import facts
from tools.storing import ROOT, chapter_files

COURSE = {
    "chapter": "06",
    "title": "Data parallel",
    "questions": ["s000-q16", "s003-q12"],
    "minutes": 55,
    "memory_mb": 900,
    "level": "intermediate",
    "needs": ["00"],
}
STORED = chapter_files(["all"]) if any((ROOT / "notebooks").rglob("*.ipynb")) else []


def book(*tags):
    cells = [nbformat.v4.new_markdown_cell("# 06", metadata={"tags": list(tag)}) for tag in tags]
    return nbformat.v4.new_notebook(cells=cells, metadata={"course": COURSE})


def test_the_table_is_made_from_the_metadata():
    notebook = book([], ["facts"])
    assert facts.refresh(notebook)
    lines = notebook.cells[1].source.splitlines()
    assert lines[2] == "| 06 | s000-q16, s003-q12 | 55 minutes | 900 MB of memory | intermediate | 00 |"
    assert len({line.count("|") for line in lines}) == 1
    assert not facts.refresh(notebook)
    notebook.metadata.course["minutes"] = 50
    assert facts.refresh(notebook) and "50 minutes" in notebook.cells[1].source


@pytest.mark.parametrize("tags", [[[]], [["facts"], ["facts"]]])
def test_one_cell_must_be_tagged(tags):
    with pytest.raises(ValueError, match=f"has {sum(map(bool, tags))} cells tagged `facts`"):
        facts.refresh(book(*tags))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_tables_are_up_to_date(path):
    notebook = nbformat.read(path, as_version=4)
    if any(facts.TAG in cell.metadata.get("tags", []) for cell in notebook.cells):
        assert not facts.refresh(notebook), f"Run `python -m tools.facts {path.stem}`."
