"""A panel calls its plain function, shows what it gives, and says in a sentence what is wrong."""

import nbformat
import pytest
from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider
from nbclient import NotebookClient

from course_lib.lab.figures import LEAST_WIDTH, Picture, figure
from course_lib.lab.measure import table
from course_lib.lab.widgets import control_panel


def ring(n, payload=1.0, kind="sum", show=True):
    if n > 8:
        raise ValueError(f"{n} ranks are more than 8: choose fewer.")
    print(f"{n} ranks <{kind}>")
    return f"{payload * n:g} MB" if show else None


def make(**changed):
    spec = {"n": (2, 16, 4), "payload": (0.0, 2.0, 0.5), "kind": ["sum", "mean"], "show": True}
    return control_panel(ring, "Ring", **{**spec, **changed})


def test_each_kind_of_control():
    controls = make(n=(2, 16, 4, 2)).controls
    assert [type(control) for control in controls.values()] == [IntSlider, FloatSlider, Dropdown, Checkbox]
    n = controls["n"]
    assert (n.min, n.max, n.value, n.step) == (2, 16, 4, 2)
    assert controls["kind"].value == "sum" and controls["show"].value is True
    assert [control.description for control in controls.values()] == ["n", "payload", "kind", "show"]


def test_the_first_call_is_shown_and_a_change_runs_again():
    panel = make()
    assert "4 ranks &lt;sum&gt;" in panel.shown.value and "2 MB" in panel.shown.value
    panel.controls["n"].value = 6
    assert "6 ranks" in panel.shown.value and "3 MB" in panel.shown.value
    panel.controls["show"].value = False
    assert "MB" not in panel.shown.value


def test_a_value_error_is_one_sentence_and_passes():
    panel = make()
    panel.controls["n"].value = 9
    assert "9 ranks are more than 8: choose fewer." in panel.shown.value
    assert "ValueError" not in panel.shown.value and 'role="alert"' in panel.shown.value
    panel.controls["n"].value = 5
    assert "alert" not in panel.shown.value


def test_another_fault_is_named():
    assert "ZeroDivisionError: integer" in control_panel(lambda n: 1 // (n - n), n=(0, 1, 0)).shown.value


def test_pictures_and_tables_are_shown():
    def show(n):
        fig, ax = figure()
        ax.plot([0, n])
        return [table([[n]], ["ranks"]), Picture(fig, f'A line to "{n}".')]

    shown = control_panel(show, n=(1, 9, 3)).shown.value
    assert "<table>" in shown and 'src="data:image/png;base64,' in shown
    assert 'alt="A line to &quot;3&quot;."' in shown
    # a narrow page scrolls the picture instead of making its letters smaller than one can read
    assert (
        f'<div style="overflow-x:auto"><img alt="A line to &quot;3&quot;." style="max-width:max(100%,{LEAST_WIDTH}px)"'
        in shown
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n": (2, 16)}, "makes no control"),
        ({"n": (2, 16, 4, 1, 1)}, "makes no control"),
        ({"n": "four"}, "makes no control"),
        ({"kind": []}, "makes no control"),
        ({"n": (2, 16, 17)}, "the start, 17, must lie between 2 and 16"),
        ({"ranks": (2, 16, 4)}, "ring has no argument 'ranks'"),
    ],
)
def test_a_bad_control_is_named(changed, words):
    with pytest.raises(ValueError, match=words):
        make(**changed)


def test_in_a_kernel_the_cell_shows_a_widget_and_words():
    source = "from course_lib.lab.widgets import control_panel\ncontrol_panel(lambda n: print(n), 'Count', n=(1, 9, 3))"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    (output,) = book.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert output.data["text/plain"] == "Control panel: Count. Run this cell to move its controls."


def test_without_a_kernel_the_panel_shows_what_it_showed_last():
    panel = control_panel(lambda n: table([[n, 2 * n]], ["n", "twice"]), "Twice", n=(1, 9, 3))
    panel.controls["n"].value = 4
    bundle = panel._repr_mimebundle_()
    assert "<td" in bundle["text/html"] and ">8</td>" in bundle["text/html"]
    assert "Run this cell to move its controls" in bundle["text/plain"]


def test_tables_in_a_panel_have_gaps_between_their_columns():
    panel = control_panel(lambda n: table([[n, 2 * n]], ["n", "twice"]), n=(1, 9, 3))
    style, _, shown = panel.shown.value.partition("</style>")
    assert ".course-shown td{padding:.15em .9em" in style and '<div class="course-shown"><table>' in shown
