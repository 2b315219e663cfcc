"""An answer's evidence: the notebook has the tagged cell, and the cell's stored output has the answer's numbers."""

import json
import re
from pathlib import Path

import pytest

from course_lib.practice.desk import place
from course_lib.practice.knowledge.questions import Question, questions

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def notebook_of(chapter: str, folder: Path = NOTEBOOKS) -> Path | None:
    found = sorted(folder.glob(f"**/{chapter}_*.ipynb"))
    return next((p for p in found if ".ipynb_checkpoints" not in p.parts and not place.is_planned(p)), None)


def tagged_cells(path: Path) -> dict[str, dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {tag: cell for cell in cells for tag in cell["metadata"].get("tags", ()) if tag.startswith("evidence-")}


def printed_numbers(cell: dict) -> list[float]:
    texts = []
    for output in cell.get("outputs", ()):
        texts += [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
    joined = "\n".join("".join(text) for text in texts)
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?", joined)]


def evidence_problems(record: Question, folder: Path) -> list[str]:
    path = notebook_of(record.chapter, folder)
    if path is None:
        return [f"{record.id} is answered, but chapter {record.chapter} has no notebook: set 'status: planned'"]
    cells = tagged_cells(path)
    problems = [
        f"{record.id}: {path.name} has no cell with the tag {item.tag}, which should show: {item.shows}"
        for item in record.answer.evidence
        if item.tag not in cells
    ]
    listed = {item.cell for item in record.answer.evidence}
    for number in record.answer.numbers:
        if number.kind != "evidence":
            continue
        if number.source not in listed:
            problems.append(f"{record.id}: {number.shown} is taken from {number.source}, which is not in `evidence`")
        elif f"evidence-{number.source}" in cells:
            printed = printed_numbers(cells[f"evidence-{number.source}"])
            if not any(abs(value - number.value) <= 1e-9 * abs(number.value) for value in printed):
                problems.append(f"{record.id}: the cell evidence-{number.source} does not print {number.shown}")
    return problems


@pytest.mark.parametrize("record", questions(status="answered"), ids=lambda record: record.id)
def test_the_chapter_measures_what_the_answer_says(record):
    assert evidence_problems(record, NOTEBOOKS) == []


def test_a_chapter_that_exists_has_no_planned_question():
    for record in questions(status="planned"):
        assert notebook_of(record.chapter) is None, f"{record.id} is planned, but its chapter exists: answer it"


def write_notebook(folder: Path, tag: str, text: str) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": [text]}
    cell = {"cell_type": "code", "metadata": {"tags": [tag]}, "source": [], "outputs": [output]}
    (folder / "06_data_parallel.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")


def test_missing_notebook_cell_and_number_are_told_apart(tmp_path):
    record = next(record for record in questions(chapter=6) if record.id == "c06-q06")
    assert "has no notebook" in evidence_problems(record, tmp_path)[0]
    write_notebook(tmp_path, "evidence-summed-gradient", "sum / whole batch: 2\n")
    (problem,) = evidence_problems(record, tmp_path)
    assert "no cell with the tag evidence-linear-scaling" in problem
    write_notebook(tmp_path, "evidence-linear-scaling", "at B = 8192: 3.3\n")
    assert any("does not print 3.2" in problem for problem in evidence_problems(record, tmp_path))
