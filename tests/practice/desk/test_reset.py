"""A reset lays a fresh copy and keeps the reader's, dated, whatever it was."""

import os
import re
import tempfile
from pathlib import Path

import nbformat
import pytest

from course_lib.cli import main
from course_lib.practice.desk import place
from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.reset import find
from course_lib.practice.desk.workspace import changed_by_reader, lay_out, reset

CHAPTER = "2_parallelism/06_data_parallel.ipynb"
BACKUP = r"2_parallelism/06_data_parallel\.backup-\d{4}-\d\d-\d\d-\d{6}(-\d)?\.ipynb"


@pytest.fixture
def folders(tmp_path):
    source, work = tmp_path / "notebooks", tmp_path / "work"
    for name in ("00_start_here.ipynb", CHAPTER, "2_parallelism/07_sharded.ipynb"):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        output = nbformat.v4.new_output("stream", text="42\n")
        cell = nbformat.v4.new_code_cell("print(42)", outputs=[output], execution_count=1)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    lay_out(source, work)
    return source, work


def edit(path, text="my_own = 1"):
    book = nbformat.read(path, as_version=4)
    book.cells.append(nbformat.v4.new_code_cell(text))
    nbformat.write(book, path)
    return path.read_bytes()


def test_the_readers_copy_is_kept_under_a_dated_name_and_a_fresh_one_laid(folders):
    source, work = folders
    fresh = (work / CHAPTER).read_bytes()
    mine = edit(work / CHAPTER)
    other = edit(work / "00_start_here.ipynb")
    kept = reset(source, work, CHAPTER)
    assert re.fullmatch(BACKUP, kept)
    assert (work / kept).read_bytes() == mine
    assert (work / CHAPTER).read_bytes() == fresh
    assert not changed_by_reader(work, CHAPTER)
    assert (work / "00_start_here.ipynb").read_bytes() == other


def test_two_resets_within_a_second_keep_both_copies(folders):
    source, work = folders
    kept = []
    for i in range(3):
        edit(work / CHAPTER, f"version = {i}")
        kept.append(reset(source, work, CHAPTER))
    assert len(set(kept)) == 3
    assert [f"version = {i}" in (work / name).read_text() for i, name in enumerate(kept)] == [True] * 3


def test_an_update_after_a_reset_refreshes_the_copy_again(folders):
    source, work = folders
    edit(source / CHAPTER, "new_in_the_course = 1")
    edit(work / CHAPTER)
    reset(source, work, CHAPTER)
    assert "new_in_the_course" in (work / CHAPTER).read_text()
    edit(source / CHAPTER, "newer_in_the_course = 1")
    assert lay_out(source, work).refreshed == [CHAPTER]


def test_a_reset_is_of_one_chapter(folders):
    source, work = folders
    edit(source / "00_start_here.ipynb", "new_in_the_course = 1")
    edit(work / CHAPTER)
    reset(source, work, CHAPTER)
    assert "new_in_the_course" not in (work / "00_start_here.ipynb").read_text()


def test_what_is_as_laid_out_needs_no_backup_and_what_is_missing_comes_back(folders):
    source, work = folders
    assert reset(source, work, CHAPTER) is None
    (work / CHAPTER).unlink()
    assert reset(source, work, CHAPTER) is None
    assert (work / CHAPTER).is_file()
    assert [path.name for path in (work / "2_parallelism").iterdir() if "backup" in path.name] == []


def test_a_copy_that_was_only_run_is_kept_too(folders):
    source, work = folders
    ran = (source / CHAPTER).read_bytes()
    (work / CHAPTER).write_bytes(ran)
    kept = reset(source, work, CHAPTER)
    assert (work / kept).read_bytes() == ran


def test_a_damaged_copy_and_a_link_are_kept_as_they_are(folders, tmp_path):
    source, work = folders
    (work / CHAPTER).write_text("{oops")
    assert (work / reset(source, work, CHAPTER)).read_text() == "{oops"
    (work / CHAPTER).unlink()
    (tmp_path / "elsewhere.ipynb").write_text("mine")
    (work / CHAPTER).symlink_to(tmp_path / "elsewhere.ipynb")
    assert (work / reset(source, work, CHAPTER)).is_symlink()
    assert (tmp_path / "elsewhere.ipynb").read_text() == "mine"
    assert not (work / CHAPTER).is_symlink()
    (work / CHAPTER).unlink()
    (work / CHAPTER).symlink_to(tmp_path / "a disk that is not there")
    assert (work / reset(source, work, CHAPTER)).is_symlink()


@pytest.mark.parametrize(
    "chapter", ["6", "06", "06_data_parallel", "06_data_parallel.ipynb", CHAPTER, f"work/{CHAPTER}", "../06"]
)
def test_a_chapter_is_found_as_people_name_it(folders, chapter):
    assert find(chapter, folders[0]) == CHAPTER


@pytest.mark.parametrize("chapter", ["99", "six", "", "-6"])
def test_an_unknown_chapter_is_a_sentence_with_those_that_there_are(folders, chapter):
    with pytest.raises(CourseError, match=f"There is no chapter {chapter!r} .* it has 00, 06, 07"):
        find(chapter, folders[0])


def test_the_command_says_what_it_kept(folders, monkeypatch, capsys):
    source, work = folders
    monkeypatch.setattr(place, "root", lambda: source.parent)
    edit(work / CHAPTER)
    assert main(["reset", "06"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{CHAPTER} in {work} is as the course lays it out, outputs cleared."
    assert re.fullmatch(f"Your copy is kept as {BACKUP}\\. Your progress is as it was\\.", second)
    assert main(["reset", "99"]) == 1
    assert "There is no chapter '99'" in capsys.readouterr().err


def test_a_workspace_that_cannot_be_written_is_a_sentence_and_loses_nothing(folders):
    source, work = folders
    mine = edit(work / CHAPTER)
    (work / "2_parallelism").chmod(0o555)
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            if os.geteuid() == 0:  # the superuser may write anywhere: become nobody
                for folder in work.parents[: -len(Path(tempfile.gettempdir()).parts)]:
                    folder.chmod(0o755)
                os.setuid(65534)
            reset(source, work, CHAPTER)
        except CourseError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    (work / "2_parallelism").chmod(0o755)
    assert "cannot be replaced (Permission denied)" in said
    assert (work / CHAPTER).read_bytes() == mine
