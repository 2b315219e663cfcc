"""A new chapter is laid out from the curriculum, passes the guards as planned, and no reader sees it."""

import json
import shutil

import pytest

from course_lib.practice.desk.place import is_planned
from course_lib.practice.desk.workspace import course_files
from tests.notebooks.guards import OF_A_PLAN
from tests.notebooks.reading import load
from tools import new_chapter
from tools.chapter import CURRICULUM, chapter, whole
from tools.mutants.listing import read
from tools.storing import ROOT, chapter_files


@pytest.fixture
def project(tmp_path):
    (tmp_path / CURRICULUM).parent.mkdir(parents=True)
    shutil.copy(ROOT / CURRICULUM, tmp_path / CURRICULUM)
    return tmp_path


def test_a_skeleton_passes_the_guards_as_planned(project):
    one = chapter("10", project)
    laid = new_chapter.lay(one, project)
    assert all((project / path).is_file() for path in laid)
    assert whole("10", project) == one and is_planned(project / one.notebook)
    notebook = load(project / one.notebook)
    assert [said for guard in OF_A_PLAN for said in guard(notebook, one.notebook.name)] == []
    assert "| 10 |" in notebook["cells"][1]["source"] and "s000-q15" not in notebook["metadata"]["course"]
    assert all(cell.get("outputs", []) == [] for cell in notebook["cells"])
    assert read(project / one.mutants) == []
    assert one.exercises / "__init__.py" in laid


def test_guards_object_to_a_plan_that_lost_a_section(project):
    new_chapter.lay(chapter("10", project), project)
    notebook = load(project / chapter("10", project).notebook)
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["source"].startswith("## Proof")]
    said = [sentence for guard in OF_A_PLAN for sentence in guard(notebook, "10_distributed_design.ipynb")]
    assert len(said) == 1 and "its sections are not Predict, Fail first" in said[0]


def test_no_reader_and_no_run_of_all_sees_a_planned_chapter_until_it_drops_its_status(project):
    one = chapter("10", project)
    new_chapter.lay(one, project)
    path = project / one.notebook
    assert list(course_files(project / "notebooks")) == []
    with pytest.raises(ValueError, match="No notebook 'all'"):
        chapter_files(["all"], project)
    assert chapter_files(["10"], project) == [path]
    notebook = json.loads(path.read_text())
    del notebook["metadata"]["course"]["status"]
    path.write_text(json.dumps(notebook))
    assert chapter_files(["all"], project) == list(course_files(project / "notebooks")) == [path]


def test_what_is_there_stays_as_it_is(project):
    one = chapter("10", project)
    (project / one.exercises).mkdir(parents=True)
    with pytest.raises(ValueError, match="is there already: course_lib/exercises/ch10_distributed_design"):
        new_chapter.lay(one, project)
    assert not (project / one.notebook).exists() and not (project / one.mutants).exists()


@pytest.mark.parametrize(
    ("number", "words"),
    [("06", "Chapter 06 (data parallel) is there already: notebooks/"), ("99", "There is no chapter '99'")],
)
def test_the_command_refuses_in_a_sentence(number, words, capsys):
    assert new_chapter.main([number]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
