"""What a whole run cost: seconds that stay, seconds by chapter, and what the finished course will take."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

from tests.runner.stages import Stage

CHAPTERS = 38  # of the finished course
PROCESSES = 2  # the unit tests run on so many side by side
LIMIT_S = 25 * 60  # for all chapters on two idle cores


def unit_seconds(report: Path) -> dict[str, float]:
    """Sum the unit tests' seconds by chapter, from the JUnit report; a test of two chapters counts half for each."""
    seconds: dict[str, float] = defaultdict(float)
    for case in ET.parse(report).getroot().iter("testcase"):
        chapters = [p.get("value", "") for p in case.iter("property") if p.get("name") == "chapter"]
        for chapter in chapters:
            seconds[chapter] += float(case.get("time", 0)) / len(chapters)
    return dict(seconds)


def lines(done: list[Stage], report: Path, total: float) -> list[str]:
    """Say what the run cost: seconds of each chapter, the rest, and the projection to the finished course.

    A chapter's seconds are its notebook's and half of its unit tests', since these run two side by side; what is left
    of `total` (wall seconds of the run) is fixed. Nothing is said where the report or the notebooks are missing.
    """
    try:
        tested = unit_seconds(report)
    except (OSError, ET.ParseError):
        return []
    rows = [row for stage in done for row in stage.rows if "seconds" in row]
    if not rows:
        return []
    cost = {r["name"].split("_")[0]: r["seconds"] + tested.get(r["name"].split("_")[0], 0) / PROCESSES for r in rows}
    fixed, mean = total - sum(cost.values()), sum(cost.values()) / len(cost)
    dearest = max(cost, key=lambda number: cost[number])
    each = ", ".join(f"{number} {seconds:.0f}" for number, seconds in cost.items())
    means, most = fixed + CHAPTERS * mean, fixed + CHAPTERS * cost[dearest]
    return [
        f"Time: {total:.0f} s, of which fixed {fixed:.0f} s and a chapter {mean:.0f} s on average ({each}).",
        f"Projection to {CHAPTERS} chapters: {means / 60:.0f} min ({most / 60:.0f} min if each cost as much as "
        f"{dearest}); {LIMIT_S // 60} min is most on two idle cores.",
    ]
