"""One run of the runner over good and faulty notebooks: what it compares, notices, keeps and measures."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks import samples
from tests.notebooks.conftest import Tool
from tests.notebooks.reading import code_cells, compared, load
from tests.notebooks.samples import figure_by_hand, printed, stored
from tools.comparing import without_looks
from tools.storing import ROOT, chapter_files

STORED = chapter_files(["all"]) if any((ROOT / "notebooks").rglob("*.ipynb")) else []
# A child of 60 MB that ends with the cell, and the kernel's own 30 MB.
HOG = """import subprocess, sys
mine = b"x" * 30_000_000
child = "import time; x = b'x' * 60_000_000; time.sleep(2)"
print(subprocess.run([sys.executable, "-c", child]).returncode)"""
# A process that turns away from its parent and stays when the kernel is gone.
STRAY = """import subprocess, sys
child = "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True).wait()
import time
time.sleep(0.6)"""
FAULTY = {
    "01_drift.ipynb": stored("print(2 + 2)", printed("5\n")),
    "02_wrong_figure.ipynb": stored(samples.FIGURE_BY_HAND, figure_by_hand([1, 3])),
    "03_never_executed.ipynb": stored("print(2 + 2)", count=None),
    "04_stores_nothing.ipynb": stored("print(2 + 2)"),
    "06_dies.ipynb": stored("import os\nos._exit(1)"),
    "08_stray.ipynb": stored(STRAY),
    "13_reaches_out.ipynb": stored("import socket\nsocket.create_connection(('192.0.2.1', 9), timeout=1)"),
    "15_other_claim.ipynb": stored(samples.PANEL, samples.panel("passed: 5 messages of 6")),
    "09_no_error.ipynb": stored("1 + 1", tag="raises-exception"),
}
SOUND = {
    "10_right_figure.ipynb": stored(samples.FIGURE_BY_HAND, figure_by_hand([1, 2], png="b3RoZXI=")),
    "11_measured.ipynb": stored("import time\nprint(time.time())", printed("0\n"), tag="nbval-ignore-output"),
    "14_other_style.ipynb": stored(samples.PANEL, samples.panel(colour="navy")),
    "12_hog.ipynb": stored(HOG, printed("0\n")),
}


@pytest.fixture(scope="module")
def strict_run(tmp_path_factory: pytest.TempPathFactory, tool: Tool, sample: Path) -> tuple[dict[str, Any], Path, str]:
    folder = tmp_path_factory.mktemp("strict")
    paths = [samples.save(notebook, folder / name) for name, notebook in (FAULTY | SOUND).items()]
    paths.append(Path(shutil.copy(sample, folder)))
    out = folder / "out"
    done = tool("tests.runner.nbval", "--out", out, "--patience", 2, *paths)
    assert done.returncode == 1, done.stdout + done.stderr
    rows = {row["name"] + ".ipynb": row for row in json.loads((out / "notebooks.json").read_text())}
    return rows, out, done.stdout


def test_good_chapter_passes_and_its_compared_cells_are_counted(strict_run: tuple) -> None:
    row = strict_run[0][samples.NAME]
    assert (row["result"], row["cells"], row["run"], row["compared"]) == ("passed", 6, 6, 5)
    assert row["seconds"] > 0


@pytest.mark.parametrize("name", SOUND)
def test_sound_notebooks_pass(strict_run: tuple, name: str) -> None:
    assert strict_run[0][name]["result"] == "passed"


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_notebooks_fail(strict_run: tuple, name: str) -> None:
    row = strict_run[0][name]
    assert (row["result"], row["failed"]) == ("1 failed", ["Cell 0"]), strict_run[2]


@pytest.mark.parametrize(
    "words",
    [
        "The stored cell was never executed",
        "the kernel died in this cell",
        "1 process(es) outlived the kernel by 2 s",
        "mismatch 'application/vnd.course.figure+json'",
        "Network is unreachable",
        "Unexpected output fields from running code",
    ],
)
def test_failures_say_what_was_wrong(strict_run: tuple, words: str) -> None:
    assert words in strict_run[2]


def test_measured_cells_run_and_are_not_counted_as_compared(strict_run: tuple) -> None:
    row = strict_run[0]["11_measured.ipynb"]
    assert (row["run"], row["compared"]) == (1, 0)


def test_peak_memory_counts_children_and_the_largest_process_does_not(strict_run: tuple) -> None:
    row = strict_run[0]["12_hog.ipynb"]
    assert row["peak"] > 130e6  # 90 MB of data and two interpreters, one of them a kernel
    assert 60e6 < row["largest"] < row["peak"] - 30e6


def test_failed_notebooks_are_kept_with_the_outputs_of_this_run(strict_run: tuple) -> None:
    kept = {path.name for path in (strict_run[1] / "executed").iterdir()}
    assert kept == set(FAULTY)
    for name, text in (("01_drift.ipynb", "4\n"), ("04_stores_nothing.ipynb", "4\n")):
        notebook = nbformat.read(strict_run[1] / "executed" / name, as_version=4)
        assert [output.text for output in notebook.cells[0].outputs] == [text]
    figure = nbformat.read(strict_run[1] / "executed" / "02_wrong_figure.ipynb", as_version=4)
    assert figure.cells[0].outputs[0].data["application/vnd.course.figure+json"] == {"bars": [1, 2]}


def test_junit_file_names_the_failed_cells(strict_run: tuple) -> None:
    cases = list(ET.parse(strict_run[1] / "notebooks.xml").getroot().iter("testcase"))
    bad = {case.get("classname") for case in cases if {child.tag for child in case} & {"failure", "error"}}
    assert len(bad) == len(FAULTY)


def test_lax_run_compares_nothing_and_still_fails_on_errors_and_hangs(tmp_path: Path, tool: Tool) -> None:
    drift = samples.save(stored("print(2 + 2)", printed("5\n")), tmp_path / "01_drift.ipynb")
    broken = samples.save(stored("assert 2 + 2 == 5"), tmp_path / "02_broken.ipynb")
    hangs = samples.save(stored("import time\ntime.sleep(60)"), tmp_path / "03_hangs.ipynb")
    done = tool("tests.runner.nbval", "--lax", "--out", tmp_path / "out", "--cell-timeout", 4, drift, broken, hangs)
    rows = json.loads((tmp_path / "out" / "notebooks.json").read_text())
    assert [(r["result"], r["compared"], r["run"]) for r in rows] == [
        ("passed", 0, 1),
        ("1 failed", 0, 1),
        ("1 failed", 0, 1),
    ]
    assert done.returncode == 1
    assert "Timeout of 4 seconds exceeded" in done.stdout


def test_stock_nbval_compares_the_digest_and_not_the_picture(tmp_path: Path, tool: Tool, sample: Path) -> None:
    """No plugin of ours: the figure's digest, the good chapter and its tags work with nbval alone."""
    right = samples.save(SOUND["10_right_figure.ipynb"], tmp_path / "01_right.ipynb")
    wrong = samples.save(FAULTY["02_wrong_figure.ipynb"], tmp_path / "02_wrong.ipynb")
    plain = ("-p", "no:cacheprovider", "--noconftest", "-c", "/dev/null", f"--rootdir={tmp_path}", "-rfE")
    good = shutil.copy(sample, tmp_path)
    outward = [f"--deselect={Path(good).name}::Cell {number}" for number in (4, 5)]  # the network is not cut here
    done = tool("pytest", *plain, "--nbval", "--nbval-current-env", *outward, right, good, wrong)
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert len(failed) == 1 and "02_wrong.ipynb" in failed[0], done.stdout
    assert "mismatch 'application/vnd.course.figure+json'" in done.stdout


def test_plain_nbval_in_the_notebooks_folder_compares_text_and_not_looks(tmp_path: Path, tool: Tool) -> None:
    """`pytest --nbval notebooks`, as a reader types it: the project's conftest alone."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    style = samples.save(SOUND["14_other_style.ipynb"], tmp_path / "notebooks" / "14_other_style.ipynb")
    claim = samples.save(FAULTY["15_other_claim.ipynb"], tmp_path / "notebooks" / "15_other_claim.ipynb")
    plain = ("pytest", "-p", "no:cacheprovider", "-c", tmp_path / "pyproject.toml", "--nbval", "--nbval-current-env")
    done = tool(*plain, style, claim)
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert len(failed) == 1 and "15_other_claim.ipynb" in failed[0], done.stdout
    assert "mismatch 'text/plain'" in done.stdout and "text/html" not in done.stdout


@pytest.mark.skipif(not STORED, reason="there is no notebook yet")
def test_a_change_of_style_touches_no_compared_output_and_a_change_of_words_does() -> None:
    changed = 0
    for path in STORED:
        for _, cell in code_cells(load(path)):
            shown = [output for output in cell["outputs"] if compared(cell) and "text/html" in output.get("data", {})]
            for output in shown:
                data = output["data"]
                restyled = {**output, "data": data | {"text/html": data["text/html"].replace("<", "<!-- x --><")}}
                reworded = {**output, "data": data | {"text/plain": data["text/plain"] + " of 7"}}
                assert without_looks([restyled]) == without_looks([output]), path.stem
                assert without_looks([reworded]) != without_looks([output]), path.stem
                changed += 1
    assert changed >= len(STORED)  # each chapter shows panels: a list of none would prove nothing
