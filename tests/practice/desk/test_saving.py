"""A saved notebook shows each panel's text form without a kernel, and says how to get its controls back."""

import copy
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from course_lib.practice.desk.saving import REMEDY, WIDGET_VIEW, without_views

PANELS = (
    "from course_lib.practice import quiz; quiz(2)",
    "from course_lib.practice import mock; mock(2)",
    "from course_lib.practice import predict; predict('06.bytes', ask='How many?', unit='MB')",
    "from course_lib import museum; museum.show(24)",
    "def linear_training_flops(tokens, d_in, d_out, is_first):\n    raise NotImplementedError\n"
    "from course_lib.practice import check; check(linear_training_flops)",
    "from course_lib import lab\n"
    "lab.control_panel(lambda n: lab.table([[n, 2 * n]], ['n', 'twice']), 'Twice', n=(1, 9, 3))",
)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A notebook with a panel of every kind, run as where a reader sits."""
    patch = pytest.MonkeyPatch()
    patch.setenv("COURSE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    patch.delenv("COURSE_ORDERED", raising=False)
    there = "from course_lib.practice.desk import presence; presence.somebody_there = lambda: True"
    cells = [nbformat.v4.new_code_cell(text) for text in (there, *PANELS)]
    cells[
        0
    ].source += "\nfrom course_lib.practice.predictions import prediction; prediction.in_live_notebook = lambda: True"
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    patch.undo()
    return notebook


def saved(notebook):
    model = {"type": "notebook", "format": "json", "content": copy.deepcopy(notebook)}
    without_views(model=model, path="a.ipynb", contents_manager=None)
    return model["content"]


@pytest.mark.timeout(180)
def test_every_panel_is_stored_with_its_words_and_without_its_view(live):
    for before, after in zip(live.cells[1:], saved(live).cells[1:], strict=True):
        (was,), (now,) = before.outputs, after.outputs
        assert WIDGET_VIEW in was.data, before.source
        assert set(now.data) == {"text/plain", "text/html"}
        assert now.data["text/plain"] == was.data["text/plain"]
        assert now.data["text/html"].startswith(was.data["text/html"]) and REMEDY in now.data["text/html"]
    assert "widgets" not in saved(live).metadata


@pytest.mark.timeout(180)
def test_the_page_of_a_saved_notebook_has_no_broken_widget(live, tmp_path):
    (tmp_path / "saved.ipynb").write_text(nbformat.writes(saved(live)))
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "saved.ipynb"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    page = (tmp_path / "saved.html").read_text()
    assert page.count(REMEDY) == len(PANELS)
    assert "jupyter-widgets-view" not in page and "application/vnd.jupyter.widget-view" not in page
    assert "Exhibit 24: Early stopping" in page and "twice" in page


def test_saving_twice_adds_no_second_remedy_and_other_outputs_stay(live):
    once = saved(live)
    assert saved(once) == once
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    plain.cells[0].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "1"}, execution_count=1)]
    assert saved(plain) == plain


def test_a_view_alone_becomes_the_remedy_and_no_other_file_is_touched():
    cell = nbformat.v4.new_code_cell("w", outputs=[nbformat.v4.new_output("display_data", {WIDGET_VIEW: {}})])
    (output,) = saved(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs
    assert output.data == {"text/plain": REMEDY}
    for model in ({"type": "file", "content": "text"}, {"type": "notebook", "content": None}, {}):
        before = copy.deepcopy(model)
        without_views(model=model, path="a", contents_manager=None)
        assert model == before
