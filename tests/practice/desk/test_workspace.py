"""The workspace: copies without outputs, refreshed by an update, and nothing the reader wrote is ever overwritten."""

import json
import os
from pathlib import Path

import nbformat
import pytest

from course_lib.practice.desk import workspace as ws
from course_lib.practice.desk.house import chapters
from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.workspace import lay_out, sources_hash, write_atomically

CHAPTER = "2_parallelism/06_data_parallel.ipynb"


def write(path: Path, *sources: str, printed: str = "the answer is 42\n") -> None:
    """Write a notebook as the course stores it: executed, with outputs and metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    book.metadata["widgets"] = {"state": {}}
    book.cells = [nbformat.v4.new_markdown_cell("# Start here\n\n[chapter 06](2_parallelism/06_data_parallel.ipynb)")]
    for source in sources:
        output = nbformat.v4.new_output("stream", text=printed)
        book.cells.append(nbformat.v4.new_code_cell(source, outputs=[output], execution_count=7))
        book.cells[-1].metadata["tags"] = ["nbval-ignore-output"]
        book.cells[-1].metadata["execution"] = {"iopub.execute_input": "2026"}
    nbformat.write(book, path)


def edit(path: Path, text: str) -> None:
    """Add a cell as the reader would."""
    book = nbformat.read(path, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell(text))
    nbformat.write(book, path)


def run_and_save(path: Path) -> None:
    """Do what running a notebook in JupyterLab does to its file: outputs, counts and metadata."""
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="ran\n")]
            cell.execution_count = 3
    book.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
    path.write_text(json.dumps(book, indent=4))


@pytest.fixture
def course(tmp_path):
    """Two notebooks and a picture of the course, and the path of an empty workspace."""
    source = tmp_path / "notebooks"
    write(source / "00_start_here.ipynb", "print(1)")
    write(source / CHAPTER, "version = 1")
    (source / "2_parallelism" / "ring.svg").write_text("<svg/>")
    (source / ".ipynb_checkpoints").mkdir()
    write(source / ".ipynb_checkpoints" / "x.ipynb", "stale")
    return source, tmp_path / "work"


def files(folder: Path) -> list[str]:
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name.as_posix() for name in names if name.parts[0] != ".course")


def test_copies_have_the_same_places_and_no_outputs(course):
    source, work = course
    done = lay_out(source, work)
    assert files(work) == ["00_start_here.ipynb", CHAPTER, "2_parallelism/ring.svg"]
    assert done.lines() == ["Laid out 3 files in your workspace, outputs cleared."]
    book = nbformat.read(work / CHAPTER, as_version=4)
    nbformat.validate(book)
    assert "the answer" not in (work / CHAPTER).read_text()
    assert book.cells[1].outputs == [] and book.cells[1].execution_count is None
    assert book.cells[1].metadata == {"tags": ["nbval-ignore-output"]}
    assert book.metadata.kernelspec.name == "python3" and "widgets" not in book.metadata
    assert book.cells[1].source == "version = 1"
    assert "the answer" in (source / CHAPTER).read_text()


def test_links_between_notebooks_lead_somewhere_in_the_workspace(course):
    source, work = course
    lay_out(source, work)
    assert (work / "00_start_here.ipynb").parent.joinpath("2_parallelism/06_data_parallel.ipynb").is_file()


def test_a_second_run_changes_nothing_and_says_nothing(course):
    source, work = course
    lay_out(source, work)
    before = {name: (work / name).stat().st_mtime_ns for name in files(work)}
    state = (work / ws.STATE).stat().st_mtime_ns
    assert lay_out(source, work).lines() == []
    assert {name: (work / name).stat().st_mtime_ns for name in files(work)} == before
    assert (work / ws.STATE).stat().st_mtime_ns == state


def test_an_update_refreshes_a_copy_that_was_only_run(course):
    source, work = course
    lay_out(source, work)
    run_and_save(work / CHAPTER)
    write(source / CHAPTER, "version = 2")
    done = lay_out(source, work)
    assert done.refreshed == [CHAPTER]
    assert "version = 2" in (work / CHAPTER).read_text()
    assert files(work) == ["00_start_here.ipynb", CHAPTER, "2_parallelism/ring.svg"]


def test_new_outputs_alone_are_no_update(course):
    source, work = course
    lay_out(source, work)
    edit(work / CHAPTER, "mine")
    write(source / CHAPTER, "version = 1", printed="the answer is 43\n")
    assert lay_out(source, work).lines() == []


def test_an_update_leaves_a_changed_copy_and_lays_the_new_version_beside_it(course):
    source, work = course
    lay_out(source, work)
    edit(work / CHAPTER, "mine")
    mine = (work / CHAPTER).read_bytes()
    write(source / CHAPTER, "version = 2")
    done = lay_out(source, work)
    beside = "2_parallelism/06_data_parallel.new-version.ipynb"
    assert done.lines() == [f"You changed {CHAPTER}; the course's new version lies beside it as {beside}."]
    assert (work / CHAPTER).read_bytes() == mine
    assert "version = 2" in (work / beside).read_text() and "the answer" not in (work / beside).read_text()
    assert lay_out(source, work).lines() == []
    (work / beside).unlink()
    assert lay_out(source, work).lines() == [], "what the reader threw away is not laid out again"


def test_the_new_version_beside_is_refreshed_too_unless_it_was_changed(course):
    source, work = course
    lay_out(source, work)
    edit(work / CHAPTER, "mine")
    write(source / CHAPTER, "version = 2")
    lay_out(source, work)
    write(source / CHAPTER, "version = 3")
    ((_, beside),) = lay_out(source, work).beside
    assert beside.endswith(".new-version.ipynb") and "version = 3" in (work / beside).read_text()
    edit(work / beside, "mine too")
    write(source / CHAPTER, "version = 4")
    ((_, second),) = lay_out(source, work).beside
    assert second.endswith(".new-version-2.ipynb")
    assert "mine too" in (work / beside).read_text() and "mine" in (work / CHAPTER).read_text()


def test_a_copy_brought_back_by_the_reader_is_refreshed_again(course):
    source, work = course
    lay_out(source, work)
    laid = (work / CHAPTER).read_bytes()
    edit(work / CHAPTER, "mine")
    write(source / CHAPTER, "version = 2")
    lay_out(source, work)
    (work / CHAPTER).write_bytes(laid)
    assert lay_out(source, work).refreshed == [CHAPTER]


def test_a_deleted_copy_comes_back(course):
    source, work = course
    lay_out(source, work)
    (work / CHAPTER).unlink()
    assert lay_out(source, work).new == [CHAPTER]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"format": 99, "laid": {}}', '{"format": 1, "laid": {"x": 3}}'])
def test_a_damaged_record_is_set_aside_and_every_differing_copy_is_the_readers(course, damage):
    source, work = course
    lay_out(source, work)
    (work / ws.STATE).write_text(damage)
    write(source / CHAPTER, "version = 2")
    done = lay_out(source, work)
    assert done.notes[0].startswith(
        "The record of what was laid out was damaged and is set aside as workspace.damaged-"
    )
    assert [name for name, _ in done.beside] == [CHAPTER]
    assert "version = 1" in (work / CHAPTER).read_text()
    (aside,) = (work / ".course").glob("workspace.damaged-*")
    assert aside.read_text() == damage
    assert lay_out(source, work).notes == []


def test_a_damaged_copy_is_the_readers(course):
    source, work = course
    lay_out(source, work)
    (work / CHAPTER).write_text('{"cells": [half of a notebo')
    write(source / CHAPTER, "version = 2")
    assert len(lay_out(source, work).beside) == 1
    assert (work / CHAPTER).read_text() == '{"cells": [half of a notebo'


def test_a_file_that_was_there_first_is_never_overwritten(course):
    source, work = course
    write(work / CHAPTER, "I had this before")
    assert [name for name, _ in lay_out(source, work).beside] == [CHAPTER]
    assert "I had this before" in (work / CHAPTER).read_text()


def test_a_link_is_not_written_through(course, tmp_path):
    source, work = course
    elsewhere = tmp_path / "elsewhere.ipynb"
    (work / "2_parallelism").mkdir(parents=True)
    (work / CHAPTER).symlink_to(elsewhere)
    assert lay_out(source, work).kept == [CHAPTER]
    assert not elsewhere.exists()


def test_a_workspace_that_cannot_be_used_is_one_sentence(course, tmp_path):
    source, _ = course
    (tmp_path / "file").write_text("")
    with pytest.raises(
        CourseError, match=r"workspace .* cannot be used \(.*\): make it yours to write, or .* --work DIR"
    ):
        lay_out(source, tmp_path / "file" / "work")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workspace_is_one_sentence(course):
    source, work = course
    work.mkdir(mode=0o500)
    with pytest.raises(CourseError, match="Permission denied"):
        lay_out(source, work)


def test_the_courses_own_folder_is_refused(course):
    source, _ = course
    with pytest.raises(CourseError, match="the course's own folder"):
        lay_out(source, source)


def test_a_damaged_notebook_of_the_course_is_named(course):
    source, work = course
    (source / CHAPTER).write_text("{}")
    with pytest.raises(CourseError, match=r"own 2_parallelism/06_data_parallel.ipynb is damaged .* git checkout"):
        lay_out(source, work)


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_the_hash_sees_sources_and_cell_types_only(tmp_path):
    one, two = tmp_path / "1.ipynb", tmp_path / "2.ipynb"
    write(one, "a = 1\nb = 2")
    write(two, "a = 1\nb = 2", printed="other")
    run_and_save(two)
    assert sources_hash(one.read_bytes()) == sources_hash(two.read_bytes())
    edit(two, "")
    assert sources_hash(one.read_bytes()) != sources_hash(two.read_bytes())
    turned = one.read_text().replace('"cell_type": "markdown"', '"cell_type": "raw"')
    assert sources_hash(one.read_bytes()) != sources_hash(turned.encode())
    with pytest.raises(ValueError, match="not a notebook"):
        sources_hash(b"[1]")


def test_status_tells_how_each_copy_stands(course, monkeypatch):
    source, work = course
    monkeypatch.setattr("course_lib.practice.desk.place.notebooks", lambda: source)
    assert {row.state for row in chapters(work)} == {"not yet laid out"}
    lay_out(source, work)
    run_and_save(work / "00_start_here.ipynb")
    edit(work / CHAPTER, "mine")
    assert [(row.name, row.title, row.state) for row in chapters(work)] == [
        ("00_start_here.ipynb", "Start here", "as laid out"),
        (CHAPTER, "Start here", "changed by you"),
    ]
