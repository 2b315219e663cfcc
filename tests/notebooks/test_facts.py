"""The table under a notebook's title says what its metadata says, and minutes are computed from what stands there."""

import nbformat
import pytest

from course_lib.practice.checks import finding
from course_lib.practice.knowledge.questions import questions
from tools import facts
from tools.minutes import Minutes, minutes
from tools.storing import ROOT, chapter_files

COURSE = {
    "chapter": "06",
    "title": "Data parallel",
    "questions": ["s000-q16", "s003-q12"],
    "memory_mb": 900,
    "level": "intermediate",
    "needs": ["00"],
}
STORED = chapter_files(["all"]) if any((ROOT / "notebooks").rglob("*.ipynb")) else []


def book(*tags):
    cells = [nbformat.v4.new_markdown_cell("# 06", metadata={"tags": list(tag)}) for tag in tags]
    return nbformat.v4.new_notebook(cells=cells, metadata={"course": COURSE})


def test_the_table_is_made_from_metadata_exercises_and_bank():
    notebook = book([], ["facts"])
    assert facts.refresh(notebook)
    lines = notebook.cells[1].source.splitlines()
    exercises = 5 * round(sum(one.minutes for one in finding.exercises("06")) / 5)
    drill = 5 * len(questions(chapter=6, status="answered"))
    takes = f"reading 5, exercises {exercises}, drill {drill} (minutes)"
    assert lines[2] == f"| 06 | s000-q16, s003-q12 | {takes} | 900 MB of memory | intermediate | 00 |"
    assert len({line.count("|") for line in lines}) == 1
    assert not facts.refresh(notebook)


def test_minutes_that_were_typed_are_dropped():
    notebook = book([], ["facts"])
    facts.refresh(notebook)
    notebook.metadata["course"]["minutes"] = 50
    assert facts.refresh(notebook) and "minutes" not in notebook.metadata["course"]


def text(words, *tags):
    return nbformat.v4.new_markdown_cell("word " * words, metadata={"tags": list(tags)})


def code(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


EXERCISE = (text(90), code("def ring():\n    raise NotImplementedError"), code("check(ring)"))


def test_minutes_are_counted_apart():
    cells = [
        text(999, "facts"),
        text(1500),
        *[code("x = 1") for _ in range(20)],
        code(" "),
        *EXERCISE,
        code("drill(6)"),
    ]
    found = minutes(nbformat.v4.new_notebook(cells=cells), {"ring": 25, "tree": 10}, 3)
    assert found == Minutes(reading=20, exercises=35, drill=15, friday=0)
    assert found.shown() == "reading 20, exercises 35, drill 15 (minutes)"


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ([text(1500, "friday"), code("x = 1", "friday")], 10),
        ([text(1500, "friday"), *EXERCISE[:2], code("check(ring)", "friday")], 35),
        ([text(1500, "friday"), text(90), code("def ring():\n    pass", "friday"), EXERCISE[2]], 35),
        ([text(1500, "friday"), code("drill(6)", "friday")], 25),
    ],
)
def test_the_friday_track_has_the_minutes_of_its_own_cells(tagged, expected):
    found = minutes(nbformat.v4.new_notebook(cells=[text(3000), *tagged]), {"ring": 25}, 3)
    assert found.friday == expected
    assert found.shown().endswith(f"; Friday track {expected} (minutes)")


@pytest.mark.parametrize("tags", [[[]], [["facts"], ["facts"]]])
def test_one_cell_must_be_tagged(tags):
    with pytest.raises(ValueError, match=f"has {sum(map(bool, tags))} cells tagged `facts`"):
        facts.refresh(book(*tags))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_tables_are_up_to_date(path):
    notebook = nbformat.read(path, as_version=4)
    if any(facts.TAG in cell.metadata.get("tags", []) for cell in notebook.cells):
        assert not facts.refresh(notebook), f"Run `python -m tools.facts {path.stem}`."
