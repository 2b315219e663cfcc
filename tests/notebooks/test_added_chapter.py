"""A chapter that is added changes no compared cell of those that are there.

The runner takes this along where nobody waits for it (`CI` is set, as in .ci/run), and `pytest -m added` runs it.
"""

import shutil
import subprocess
import sys

import nbformat
import pytest
import yaml

from course_lib.museum import exhibits
from tools import new_chapter
from tools.chapter import Laid, chapter, every
from tools.mutants.running import first_failure
from tools.storing import ROOT, chapter_files, on_storing_python

ADDED = "10"
DONOR_EXERCISE = ("06", "scaled_lr", "rate_of_many")
DONOR_EXHIBIT = ("24", "zero_patience", "patience_of_many")
DONOR_QUESTION = "c06-q05"


@pytest.fixture(scope="module")
def longer_course(tmp_path_factory):
    """A copy of the course with one more chapter: a question with its answer, an exercise, an exhibit."""
    root = tmp_path_factory.mktemp("longer") / "copy"
    for folder in ("course_lib", "notebooks"):
        shutil.copytree(
            ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        )
    one = chapter(ADDED)
    new_chapter.lay(one, root)
    notebook = nbformat.read(root / one.notebook, as_version=4)
    del notebook.metadata["course"]["status"]
    nbformat.write(notebook, root / one.notebook)
    answer_a_question(root, one)
    number, donor, name = DONOR_EXERCISE
    text = (root / every()[number].exercises / f"{donor}.py").read_text()
    (root / one.exercises / f"{name}.py").write_text(
        text.replace(donor, name).replace(f'"{number}.', f'"{one.number}.')
    )
    number, donor, name = DONOR_EXHIBIT
    text = (root / "course_lib" / "museum" / f"{donor}.py").read_text()
    text = text.replace(f'number="{number}"', 'number="26"').replace("chapters=(4,)", f"chapters=({int(one.number)},)")
    (root / "course_lib" / "museum" / f"{name}.py").write_text(text)
    return root


def answer_a_question(root, one: Laid) -> None:
    """Give the chapter the answer of another one's question, under an id of its own."""
    bank = root / "course_lib" / "bank" / "questions"
    records = [raw for path in sorted(bank.glob("*.yaml")) for raw in yaml.safe_load(path.read_text()) or []]
    record = next(raw for raw in records if raw["id"] == DONOR_QUESTION)
    own = bank / f"{one.stem}.yaml"
    rows = (yaml.safe_load(own.read_text()) or []) if own.exists() else []
    added = record | {"id": f"c{one.number}-q01"}
    own.write_text(yaml.safe_dump([*rows, added], allow_unicode=True, sort_keys=False))


def test_the_added_chapter_is_seen(longer_course, monkeypatch):
    """Were it not, the next test would prove nothing."""
    code = (
        "from course_lib.museum import exhibits\n"
        "from course_lib.practice.checks import finding\n"
        "from course_lib.practice.desk import house\n"
        "from course_lib.practice.knowledge.questions import questions\n"
        "print(len(exhibits()), finding.names()[-1], len(questions(chapter=10, status='answered')))\n"
        "print(house.notebooks()[2])"
    )
    monkeypatch.setenv("PYTHONPATH", str(longer_course))
    done = subprocess.run([sys.executable, "-c", code], cwd=longer_course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        f"{len(exhibits()) + 1}",
        "10.rate_of_many",
        "1",
        "2_parallelism/10_distributed_design.ipynb",
    ]


@pytest.mark.added
@pytest.mark.skipif(not on_storing_python(), reason="outputs are compared on one Python")
@pytest.mark.parametrize("path", chapter_files(["all"]), ids=lambda path: path.stem)
def test_no_compared_cell_changes(path, longer_course, tmp_path):
    copy = longer_course / path.relative_to(ROOT)
    assert first_failure(copy, nbformat.read(copy, as_version=4), longer_course, tmp_path) is None
