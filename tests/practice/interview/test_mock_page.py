"""The mock interview on the page: its number field, its drafts, the report that the saved notebook holds."""

import asyncio
import re

import pytest

from course_lib.practice.desk import presence
from course_lib.practice.desk.place import SERVED, workspace
from course_lib.practice.interview import mock as mock_cell
from course_lib.practice.interview import widget as mock_widget
from course_lib.practice.interview.reading import links_from_here
from course_lib.practice.interview.sittings import resume, unfinished
from course_lib.practice.record.progress import Progress
from tests.practice.interview.mock_replies import GOOD, everything, plan, press


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(mock_widget, "pick", lambda *_: plan())
    return Progress.open()


def field(box, kind):
    return next(child for child in everything(box) if type(child).__name__ == kind)


def test_enter_sends_the_number(progress):
    async def through():
        mock = mock_widget.MockWidget(2, 6)
        press(mock.box, "Begin")
        field(mock.box, "Textarea").value = GOOD
        press(mock.box, "Send")
        line = field(mock.box, "Text")
        line.value = "1.5"
        line._handle_custom_msg({"event": "submit"}, [])
        line._handle_custom_msg({"event": "submit"}, [])  # a key that is held: the second is no reply to what follows
        await asyncio.sleep(0.3)
        return mock.interview

    interview = asyncio.run(through())
    assert interview.results[0].number["right"] and interview.prompt.kind == "follow-up"
    assert interview.results[0].follow_ups == {}


def test_what_was_sent_is_no_draft_of_the_next_prompt(progress, monkeypatch):
    soon = mock_widget.while_typing
    monkeypatch.setattr(mock_widget, "while_typing", lambda box, keep: soon(box, keep, every=0.02))

    async def through():
        mock = mock_widget.MockWidget(2, 6)
        press(mock.box, "Begin")
        field(mock.box, "Textarea").value = "All workers send"
        field(mock.box, "Textarea").value = GOOD
        press(mock.box, "Send")
        await asyncio.sleep(0.1)

    asyncio.run(through())
    assert resume(progress).draft == ""


class Page:
    """What a page shows: outputs by the name they may be replaced under."""

    def __init__(self):
        self.outputs = {}

    def display(self, bundle, raw, display_id, update=False):
        assert raw and (display_id in self.outputs) == update
        self.outputs[display_id] = bundle


def test_the_report_takes_the_place_of_the_widget_in_the_notebook(progress, monkeypatch):
    page, made = Page(), []
    real = mock_widget.MockWidget
    monkeypatch.setattr(mock_widget, "MockWidget", lambda *a: made.append(real(*a)) or made[-1])
    monkeypatch.setattr(presence, "in_live_notebook", lambda: True)
    monkeypatch.setattr(mock_cell, "in_live_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", page.display)
    mock_cell.mock(2, 6)._ipython_display_()
    (shown,) = page.outputs.values()
    assert "application/vnd.jupyter.widget-view+json" in shown and shown["text/plain"].startswith("Mock interview")
    press(made[0].box, "Begin")
    field(made[0].box, "Textarea").value = "costs $5, then $6 <b>"
    press(made[0].box, "Send")
    while unfinished(progress) is not None:
        names = [getattr(child, "description", "") for child in everything(made[0].box)]
        press(made[0].box, "Skip" if "Skip" in names else "Send")
    (stored,) = page.outputs.values()
    assert set(stored) == {"text/html", "text/plain"} and "Your mock interview" in stored["text/plain"]
    assert "This report is kept in" in stored["text/html"] and "$5, then $6 &lt;b&gt;" in stored["text/html"]
    assert "width:100%;overflow-wrap:anywhere" in stored["text/html"]  # points keep to a narrow page
    # MathJax would read what stands between two dollars as a formula
    assert re.match(r'<div class="[^"]*mathjax_ignore', stored["text/html"])


def test_where_nobody_is_there_it_is_a_result_as_any_other(progress, monkeypatch):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    with pytest.raises(NotImplementedError):
        mock_cell.mock(2)._ipython_display_()


def test_the_report_links_the_copies_in_the_workspace_that_is_served(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "00_start_here.ipynb").write_text("{}")
    monkeypatch.setenv(SERVED, str(elsewhere))
    monkeypatch.chdir(elsewhere)
    assert workspace() == elsewhere and links_from_here() == ""
    assert workspace(tmp_path) == tmp_path
