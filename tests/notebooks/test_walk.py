"""Guards over a chapter as a whole, each seen to object; and every stored chapter passes them."""

import pytest

from tests.notebooks import walk
from tests.notebooks.reading import load
from tools.chapter import every
from tools.storing import ROOT, chapter_files

NAME = "06_sample.ipynb"
STORED = chapter_files(["all"])
OF_A_PART = {ROOT / one.notebook for one in every().values() if one.part != "0_start"}


def cell(kind, source, *tags):
    return {"cell_type": kind, "source": source, "metadata": {"tags": list(tags)}}


def chapter():
    pairs = [(cell("markdown", f"Step {i}:"), cell("code", "x = 1")) for i in range(28)]
    cells = [
        cell("markdown", "# Data parallel", "friday"),
        cell("markdown", "## The ring", "friday"),
        cell("code", "lab.table(rows, header, varies='ranks', fixed='bytes')", "friday"),
        *(each for pair in pairs for each in pair),
        cell("markdown", "The end."),
    ]
    return {"cells": cells, "metadata": {"course": {"chapter": "06"}}}


def untag(notebook):
    for each in notebook["cells"]:
        each["metadata"] = {}


FAULTS = [
    (walk.narrow, lambda n: n["cells"][2].update(source="y" * 91), "has a line of 91 columns; 90 is most"),
    (walk.sized, lambda n: n["cells"].pop(), "has 59 cells; a chapter has 60 to 90"),
    (walk.sized, lambda n: n["cells"].extend(n["cells"][:31]), "has 91 cells"),
    (walk.friday_track, untag, "no section is tagged `friday`"),
    (walk.friday_track, lambda n: n["cells"][2].update(metadata={}), "no section is tagged"),
    (walk.friday_track, lambda n: n["cells"][1].update(metadata={}), "no section is tagged"),
    (walk.friday_track, lambda n: n["cells"][1].update(source="## " + "word " * 9_600), "take 65 minutes; 60 is most"),
    (walk.names_its_factors, lambda n: n["cells"][2].update(source="lab.table(rows, header)"), "no table names"),
    (walk.names_its_factors, lambda n: n["cells"][2].update(source="lab.table(r, h, varies='n')"), "no table names"),
]


@pytest.mark.parametrize(("guard", "fault", "words"), FAULTS, ids=[f"{g.__name__}-{w[:24]}" for g, _, w in FAULTS])
def test_guard_names_the_fault(guard, fault, words):
    notebook = chapter()
    assert guard(notebook, NAME) == []
    fault(notebook)
    assert words in " ".join(guard(notebook, NAME))


def test_every_guard_has_a_fault_that_trips_it():
    assert {guard for guard, _, _ in FAULTS} == {*walk.EVERY, *walk.OF_A_PART}


@pytest.mark.parametrize("guard", [*walk.EVERY, *walk.OF_A_PART], ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_chapters(path, guard):
    if guard in walk.EVERY or path in OF_A_PART:
        assert guard(load(path), path.name) == []
