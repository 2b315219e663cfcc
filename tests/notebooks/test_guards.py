"""Each guard passes a good notebook and has its sentence for a faulty one; every stored notebook passes all."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from course_lib.practice.desk.place import is_planned
from tests.notebooks import outputs, style
from tests.notebooks.guards import GUARDS, OF_A_PLAN
from tests.notebooks.reading import Cell, Guard, Notebook, code_cells, load
from tests.notebooks.samples import NAME
from tools.chapter import every
from tools.storing import ROOT, chapter_files

STORED = chapter_files(["all"]) if any((ROOT / "notebooks").rglob("*.ipynb")) else []
PLANNED = [path for path in (ROOT / one.notebook for one in every().values()) if is_planned(path)]
Break = Callable[[Notebook], object]


def code(notebook: Notebook, number: int) -> Cell:
    return list(code_cells(notebook))[number - 1][1]


def picture(notebook: Notebook) -> dict:
    return code(notebook, 3)["outputs"][0]


def clear(notebook: Notebook) -> None:
    for _, cell in code_cells(notebook):
        cell["outputs"], cell["execution_count"] = [], None


def each_code(notebook: Notebook, change: Callable[[Cell], object]) -> None:
    for _, cell in code_cells(notebook):
        change(cell)


def no_lead_ins(notebook: Notebook) -> None:
    notebook["cells"] = [c for c in notebook["cells"] if c["cell_type"] == "code"]


def add(notebook: Notebook, text: str) -> None:
    notebook["cells"][0]["source"] += "\n\n" + text


def html(notebook: Notebook, text: str | None = None) -> None:
    """Show HTML in the second code cell, with this text beside it."""
    data = {"text/html": "<b>6 in all</b>"} | ({} if text is None else {"text/plain": text})
    code(notebook, 2)["outputs"].append({"output_type": "display_data", "metadata": {}, "data": data})


# guard, what goes wrong, a part of the sentence that must be said
FAULTS: list[tuple[Guard, Break, str]] = [
    (outputs.executed, clear, "never executed or its outputs were cleared"),
    (outputs.executed, lambda n: code(n, 2).update(execution_count=None), "cell 4 (c05-05) was never executed"),
    (outputs.in_order, lambda n: code(n, 2).update(execution_count=7), "has execution count 7, not 2"),
    (outputs.in_order, lambda n: n["cells"].append(n["cells"].pop(2)), "has execution count 2, not 1"),
    (outputs.fresh, lambda n: code(n, 2).update(source="print(7)"), "code changed since"),
    (outputs.fresh, lambda n: n["metadata"].pop("stored_outputs"), "does not note which code"),
    (outputs.says_what_it_prints, lambda n: code(n, 2).update(outputs=[]), "prints something and stores nothing"),
    (outputs.says_what_it_prints, lambda n: code(n, 2).update(outputs=[], source="numbers[0]"), "stores nothing"),
    (outputs.says_what_it_prints, lambda n: code(n, 5).update(outputs=[]), "c05-11"),
    (outputs.captioned, lambda n: picture(n).update(metadata={}), "without alternative text"),
    (outputs.captioned, lambda n: code(n, 3)["outputs"].pop(), "without its caption below"),
    (outputs.captioned, lambda n: code(n, 3)["outputs"].reverse(), "without its caption below"),
    (outputs.digested, lambda n: picture(n)["data"].pop(outputs.FIGURE), "without digest"),
    (outputs.said_in_text, lambda n: html(n), "cell 4 (c05-05) shows HTML without a text"),
    (outputs.said_in_text, lambda n: html(n, " \n"), "shows HTML without a text"),
    (outputs.said_in_text, lambda n: html(n, "<IPython.core.display.HTML object>"), "shows HTML without a text"),
    (outputs.said_in_text, lambda n: html(n, "<course_lib.lab.Panel at 0x7f>"), "shows HTML without a text"),
    (outputs.small_pictures, lambda n: picture(n)["data"].update({"image/png": "A" * 80_100}), "60,075 bytes"),
    (outputs.no_machine_paths, lambda n: add(n, "See /home/me/notes."), "/home/me/notes"),
    (outputs.no_machine_paths, lambda n: code(n, 2).update(source="open('/tmp/x')"), "/tmp/x"),
    (outputs.no_machine_paths, lambda n: code(n, 2)["outputs"][0].update(text="C:\\Users\\me"), "C:\\Users"),
    (outputs.no_machine_paths, lambda n: code(n, 4)["outputs"][0]["traceback"].append("/Users/me/a.py"), "/Users/me"),
    (outputs.no_machine_paths, lambda n: picture(n)["data"].update({"text/html": "file:///root/x"}), "/root/x"),
    (outputs.errors_on_purpose, lambda n: code(n, 4)["metadata"].clear(), "without the tag raises-exception"),
    (outputs.errors_on_purpose, lambda n: code(n, 4).update(outputs=[]), "raised nothing"),
    (outputs.no_stderr, lambda n: code(n, 2)["outputs"][0].update(name="stderr"), "stores standard error"),
    (
        outputs.mostly_compared,
        lambda n: each_code(n, lambda c: c["metadata"].update(tags=["nbval-ignore-output"])),
        "0 of 6 code cells are compared",
    ),
    (outputs.mostly_compared, lambda n: code(n, 2)["metadata"].update(tags=["nbval-skip"]), "is skipped by nbval"),
    (outputs.mostly_compared, lambda n: code(n, 2).update(source="# NBVAL_IGNORE_OUTPUT\n1"), "Use a tag"),
    (style.led_in, no_lead_ins, "6 code cells follow no text (1 may)"),
    (
        style.led_in,
        lambda n: [c.update(source="Now.") for c in n["cells"] if c["source"].endswith(":")],
        "0 of 6 lead-ins",
    ),
    (style.short_cells, lambda n: each_code(n, lambda c: c.update(source="x = 1\n" * 7)), "7 lines at the median"),
    (style.short_cells, lambda n: code(n, 6).update(source="x = 1\n" * 25), "25 lines at the 90th percentile"),
    (style.short_cells, lambda n: n.update(cells=n["cells"][:1]), "has no code"),
    *((style.described, lambda n, k=k: n["metadata"]["course"].pop(k), f"course.{k} is missing") for k in style.META),
    (style.described, lambda n: n["metadata"]["course"].update(memory_mb="5"), "course.memory_mb is a str"),
    (style.described, lambda n: n["metadata"]["course"].update(minutes=5), "course.minutes is typed"),
    (style.described, lambda n: n["metadata"]["course"].update(chapter="06"), "the file's is 05"),
    (style.identified, lambda n: n["cells"][3].pop("id"), "cell 3 has no id"),
    (style.identified, lambda n: n["cells"][3].update(id="c05-01"), "id c05-01 is on 2 cells"),
    (style.identified, lambda n: n["cells"][3].update(id="6f2a"), "does not begin with c05-"),
    (style.plain_prose, lambda n: add(n, "It works!"), "exclamation mark: It works!"),
    (style.plain_prose, lambda n: add(n, "Done \N{ROCKET}"), "has an emoji"),
    (style.plain_prose, lambda n: add(n, "You simply call it."), "says 'simply'"),
    (style.plain_prose, lambda n: add(n, "A Blazing fast ring."), "says 'Blazing'"),
]

# What no guard may object to.
HARMLESS: list[Break] = [
    lambda n: html(n, "<6 in all, of 3 numbers>"),
    lambda n: html(n, "    a  b\n0   1  2"),
    lambda n: add(n, "`not x != y`, $n! = n (n-1)!$, ![a chart](chart.png), <!-- note! -->"),
    lambda n: add(n, "```\nprint('hi!')\n```"),
    lambda n: add(n, "Read https://example.org/home/tmp/x, in tokens/work or a/home."),
    lambda n: code(n, 2).update(source="x = f'{root}/work/a'\nprint('A:\\n', 7)"),
    lambda n: n["cells"].append({"cell_type": "code", "id": "c05-99", "metadata": {}, "source": " ", "outputs": []}),
    lambda n: code(n, 2).update(source="total = sum(numbers)", outputs=[]),
    lambda n: code(n, 2).update(source="numbers.sort()", outputs=[]),
    lambda n: code(n, 2).update(source="numbers;", outputs=[]),
    lambda n: n["metadata"]["course"].update(chapter=5),
]


@pytest.mark.parametrize(("guard", "fault", "words"), FAULTS, ids=[f"{g.__name__}-{w[:30]}" for g, _, w in FAULTS])
def test_guard_names_the_fault(sample: Path, guard: Guard, fault: Break, words: str) -> None:
    notebook = load(sample)
    assert guard(notebook, NAME) == []
    fault(notebook)
    said = guard(notebook, NAME)
    assert any(words in sentence for sentence in said), said


@pytest.mark.parametrize("change", HARMLESS)
def test_guards_let_harmless_things_pass(sample: Path, change: Break) -> None:
    notebook = copy.deepcopy(load(sample))
    change(notebook)
    said = [sentence for guard in GUARDS if guard is not outputs.fresh for sentence in guard(notebook, NAME)]
    assert said == []


@pytest.mark.parametrize("path", PLANNED, ids=lambda p: p.stem)
def test_planned_notebooks(path: Path) -> None:
    assert [sentence for guard in OF_A_PLAN for sentence in guard(load(path), path.name)] == []


def test_every_guard_has_a_fault_that_trips_it() -> None:
    assert {guard for guard, _, _ in FAULTS} == set(GUARDS)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda g: g.__name__)
@pytest.mark.parametrize("path", STORED, ids=lambda p: p.stem)
def test_stored_notebooks(path: Path, guard: Guard) -> None:
    assert guard(load(path), path.name) == []
