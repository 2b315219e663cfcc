"""What a notebook says of its exercises is what their files say, to the letter, and a command brings it back."""

import nbformat
import pytest

from course_lib.practice.checks import finding
from tests.chapters import by_chapter
from tools import exercise_cells
from tools.exercise_cells import code_of, refresh
from tools.storing import chapter_files


@pytest.mark.parametrize("path", by_chapter(chapter_files(["all"]), lambda path: path.stem[:2], lambda path: path.stem))
def test_a_stored_notebook_says_what_its_exercises_say(path):
    assert refresh(nbformat.read(path, as_version=4), path.stem[:2]) == [], "run python -m tools.exercise_cells all"


@pytest.fixture
def notebook():
    """A notebook of chapter 00 with its exercises, as the command writes them."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_markdown_cell(text) for text in ("# 00 Start here", "## Exercises", "## Take-away")]
    said = refresh(book, "00")
    assert len(said) == len(finding.exercises("00")) and all("has no cells" in one for one in said)
    return book


def test_exercises_that_are_missing_go_into_their_section_in_their_order(notebook):
    every = sorted(finding.exercises("00"), key=lambda one: one.place)
    stubs = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert stubs == [code_of(one.id) for one in every]
    assert notebook.cells[1].source == "## Exercises" and notebook.cells[-1].source == "## Take-away"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert refresh(notebook, "00") == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("Difficulty 1 of 3", "Difficulty 2 of 3", "task"),
        ("5 minutes", "50 minutes", "task"),
        ("budget: one expression", "budget: none", "task"),
        ("leave out the bias", "add the bias", "task"),
        ("A layer's share", "The share", "task"),
        ("is_first: bool", "is_first: int", "stub and check"),
        ("check(linear_training_flops)", "check(linear_training_flops);", "stub and check"),
        ("raise NotImplementedError", "raise NotImplementedError  # here", "stub and check"),
    ],
)
def test_any_drift_is_named_and_taken_back(notebook, old, new, what):
    before = [cell.source for cell in notebook.cells]
    cell = next(cell for cell in notebook.cells if old in cell.source)
    cell.source = cell.source.replace(old, new)
    name = "00.linear_training_flops"
    assert refresh(notebook, "00") == [f"{name}: the cell of its {what} differs from its file"]
    assert [cell.source for cell in notebook.cells] == before


def test_a_task_that_was_lost_comes_back(notebook):
    before = [cell.source for cell in notebook.cells]
    del notebook.cells[2]
    assert len(refresh(notebook, "00")) == 1
    assert [cell.source for cell in notebook.cells] == before


def test_cells_of_an_exercise_that_is_gone_are_named(notebook):
    notebook.cells.append(nbformat.v4.new_markdown_cell("### 00.gone · An old one\n\nTask."))
    with pytest.raises(ValueError, match=r"00\.gone is no exercise \(any more\): remove its cells"):
        refresh(notebook, "00")


def test_a_notebook_without_the_section_is_told(notebook):
    notebook.cells = notebook.cells[:1]
    with pytest.raises(ValueError, match="no cell that begins with `## Exercises`"):
        refresh(notebook, "00")


def test_where_exercises_have_no_section_one_that_is_missing_goes_behind_the_last_of_them(notebook):
    before = [cell.source for cell in notebook.cells]
    notebook.cells[1].source = "## Nodes"
    del notebook.cells[4:6]
    assert len(refresh(notebook, "00")) == 1
    assert [cell.source for cell in notebook.cells] == ["# 00 Start here", "## Nodes", *before[2:]]


def test_the_command_checks_and_writes(notebook, tmp_path, capsys):
    path = tmp_path / "00_start_here.ipynb"
    notebook.cells[2].source += " More."
    nbformat.write(notebook, path)
    stored = path.read_bytes()
    assert exercise_cells.main([str(path), "--check"]) == 1 and path.read_bytes() == stored
    assert "the cell of its task differs from its file" in capsys.readouterr().out
    assert exercise_cells.main([str(path)]) == 0
    assert exercise_cells.main([str(path), "--check"]) == 0
    assert "its exercises are as their files say" in capsys.readouterr().out
    assert exercise_cells.main(["99"]) == 2 and "No notebook '99'" in capsys.readouterr().err
