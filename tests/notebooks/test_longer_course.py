"""A course with one more chapter: it is seen, and a cell that counts the whole course is noticed there."""

import os
import subprocess
import sys

import pytest

from course_lib.museum import exhibits
from tests import longer_course
from tests.notebooks import samples
from tests.notebooks.samples import printed, stored

COUNTS = "from course_lib.museum import exhibits\n\nprint(len(exhibits()))"


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    return longer_course.lay(tmp_path_factory.mktemp("longer") / "copy")


def test_the_added_chapter_is_seen(longer, monkeypatch):
    """Were it not, a run of the copy would prove nothing."""
    code = (
        "from course_lib.museum import exhibits\n"
        "from course_lib.practice.checks import finding\n"
        "from course_lib.practice.desk import house\n"
        "from course_lib.practice.knowledge.questions import questions\n"
        "print(len(exhibits()), finding.names()[-1], len(questions(chapter='10', status='answered')))\n"
        "print(house.notebooks()[2])"
    )
    monkeypatch.setenv("PYTHONPATH", str(longer))
    done = subprocess.run([sys.executable, "-c", code], cwd=longer, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        f"{len(exhibits()) + 1}",
        "10.rate_of_many",
        "1",
        "2_parallelism/10_distributed_design.ipynb",
    ]


def test_a_cell_that_counts_the_whole_course_fails_there(longer, tmp_path, tool):
    here = samples.save(stored(COUNTS, printed(f"{len(exhibits())}\n")), tmp_path / "06_counts.ipynb")
    own = tool("tests.runner.nbval", "--out", tmp_path / "own", here)
    assert own.returncode == 0, own.stdout
    path = os.pathsep.join([str(longer), os.environ.get("PYTHONPATH", "")])
    there = tool("tests.runner.nbval", "--out", tmp_path / "there", here, PYTHONPATH=path)
    assert there.returncode == 1 and "1 failed" in there.stdout
