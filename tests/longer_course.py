"""A copy of the course with one more chapter: it must change no compared cell of those that are there.

`python -m tests.run --longer`, as in .ci/run, runs the notebooks of such a copy instead of the course's own, so that
the proof costs no second run of each chapter.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import yaml

from tools import new_chapter
from tools.chapter import Laid, chapter, every
from tools.storing import ROOT

ADDED = "10"
DONOR_EXERCISE = ("06", "scaled_lr", "rate_of_many")
DONOR_EXHIBIT = ("24", "zero_patience", "patience_of_many")
DONOR_QUESTION = "c06-q05"


def lay(copy: Path) -> Path:
    """Lay out a copy of the course with a chapter that has a question with its answer, an exercise and an exhibit."""
    for folder in ("course_lib", "notebooks"):
        shutil.copytree(
            ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        )
    one = chapter(ADDED)
    new_chapter.lay(one, copy)
    notebook = nbformat.read(copy / one.notebook, as_version=4)
    del notebook.metadata["course"]["status"]
    nbformat.write(notebook, copy / one.notebook)
    _answer_a_question(copy, one)
    number, donor, name = DONOR_EXERCISE
    text = (copy / every()[number].exercises / f"{donor}.py").read_text()
    (copy / one.exercises / f"{name}.py").write_text(
        text.replace(donor, name).replace(f'"{number}.', f'"{one.number}.')
    )
    number, donor, name = DONOR_EXHIBIT
    text = (copy / "course_lib" / "museum" / f"{donor}.py").read_text()
    text = text.replace(f'number="{number}"', 'number="26"').replace('chapters=("04",)', f'chapters=("{one.number}",)')
    (copy / "course_lib" / "museum" / f"{name}.py").write_text(text)
    return copy


def _answer_a_question(copy: Path, one: Laid) -> None:
    """Give the chapter the answer of another one's question, under an id of its own."""
    bank = copy / "course_lib" / "bank" / "questions"
    records = [raw for path in sorted(bank.glob("*.yaml")) for raw in yaml.safe_load(path.read_text()) or []]
    record = next(raw for raw in records if raw["id"] == DONOR_QUESTION)
    own = bank / f"{one.stem}.yaml"
    rows = (yaml.safe_load(own.read_text()) or []) if own.exists() else []
    added = record | {"id": f"c{one.number}-q01"}
    own.write_text(yaml.safe_dump([*rows, added], allow_unicode=True, sort_keys=False))
