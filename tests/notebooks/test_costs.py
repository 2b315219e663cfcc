"""A whole run says what it cost: what stays, what a chapter adds, and what the finished course will take."""

import pytest

from tests.runner import costs
from tests.runner.stages import Stage

REPORT = """<testsuites><testsuite time="9">
<testcase time="20"/>
<testcase time="40"><properties><property name="chapter" value="06"/></properties></testcase>
<testcase time="8"><properties><property name="chapter" value="00"/><property name="chapter" value="06"/></properties>
</testcase></testsuite></testsuites>"""
ROWS = [{"name": "00_start_here", "seconds": 10.0}, {"name": "06_data_parallel", "seconds": 30.0}]


def test_seconds_of_chapters_and_the_projection(tmp_path):
    (tmp_path / "unit.xml").write_text(REPORT)
    assert costs.unit_seconds(tmp_path / "unit.xml") == {"06": 44.0, "00": 4.0}
    cost, projection = costs.lines([Stage("", True), Stage("", True, rows=ROWS)], tmp_path / "unit.xml", 120.0)
    # 00: 10 + 4/2; 06: 30 + 44/2, since two processes share the unit tests; 120 - 12 - 52 is fixed.
    assert cost == "Time: 120 s, of which fixed 56 s and a chapter 32 s on average (00 12, 06 52)."
    assert projection.startswith("Projection to 38 chapters: 21 min (34 min if each cost as much as 06)")


@pytest.mark.parametrize("text", ["", "<testsuites"])
def test_nothing_is_said_where_a_report_is_missing_or_damaged(tmp_path, text):
    if text:
        (tmp_path / "unit.xml").write_text(text)
    assert costs.lines([Stage("", True, rows=ROWS)], tmp_path / "unit.xml", 120.0) == []
