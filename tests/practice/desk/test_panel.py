"""A panel says the same in plain text, in HTML and without colour."""

import re

import pytest

from course_lib.practice.desk.panel import Panel, Row

PANEL = Panel(
    "Exercise 06.tree_broadcast: failed",
    [
        Row("passed", "Every rank holds rank 0's values."),
        Row("failed", "Rank 0 sent 7 messages <b>, 3 suffice.", "That is a star: " + "one rank sends to each. " * 8),
        Row("note", "Source", code="def f(x):\n    return x < 1"),
    ],
    "hint(tree_broadcast) gives a first hint.",
)


def test_plain_text_begins_each_row_with_its_word_and_stays_within_its_width():
    lines = repr(PANEL).splitlines()
    assert lines[0] == "Exercise 06.tree_broadcast: failed"
    assert lines[1].startswith("  passed  Every rank")
    assert lines[2].startswith("  failed  Rank 0 sent 7")
    assert max(map(len, lines)) <= 110
    assert lines[-1].startswith("hint(tree_broadcast)")
    assert "              return x < 1" in lines  # code keeps its indentation


def test_html_carries_the_same_words_and_escapes_what_the_reader_wrote():
    html = PANEL._repr_html_()
    words = re.sub(r"<[^>]+>", " ", html)
    for row in PANEL.rows:
        assert row.status in words
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert "return x &lt; 1" in html


def test_the_verdict_is_the_worst_row():
    assert PANEL.status == "failed"
    assert Panel("x", [Row("note", "a"), Row("passed", "b")]).status == "passed"
    assert Panel("x", [Row("not attempted", "a")]).status == "not attempted"
    assert Panel("x").status == "note"


def test_a_status_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="one of passed, failed"):
        Row("ok", "text")


def test_long_code_scrolls_inside_the_panel_and_dollars_are_no_formula():
    html = PANEL._repr_html_()
    cells = re.findall(r"<td ([^>]*)>", html)
    assert len(cells) == 3 and all(
        "width:100%;max-width:0" in cell for cell in cells
    )  # not as wide as its longest line
    assert re.match(r'<div class="[^"]*\bmathjax_ignore\b', html)
