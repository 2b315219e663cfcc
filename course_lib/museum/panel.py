"""What the reader sees of an exhibit: run it, spot it, repair it; as plain calls and as text."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from course_lib.museum.catalogue import find
from course_lib.museum.exhibit import Exhibit, Finding
from course_lib.practice.desk.panel import Panel, Row

_drafts: dict[str, str] = {}  # number of an exhibit: what was typed in this kernel, should progress not open


def run(number: int | str) -> Panel:
    """Run the wrong and the repaired program; a panel with what each shows. CourseError if there is no such exhibit."""
    exhibit = find(number)
    return _told(exhibit, exhibit.run(exhibit.wrong), exhibit.run(exhibit.repaired))


def spot(number: int | str, line: int | None = None) -> Panel:
    """The wrong program with its lines numbered, or, for a line of it, whether the fault is there and why."""
    exhibit = find(number)
    choices = exhibit.choices()
    title = f"Spot it: {exhibit.heading}"
    listed = ", ".join(map(str, choices))
    if line is None:
        row = Row("note", f"The claim: {exhibit.claim}", code=numbered(exhibit))
        return Panel(
            title,
            [row],
            footer=f"{asked(exhibit)} Choose one marked by >, {listed}: museum.spot({number!r}, line).",
        )
    if line not in choices:
        return Panel(title, [Row("note", f"Line {line} is not among the lines to choose from: {listed}.")])
    at_fault, reason = choices[line]
    code = exhibit.wrong_source.splitlines()[line - 1].strip()
    record(exhibit, act="spot", line=line, right=at_fault)
    if not at_fault:
        return Panel(title, [Row("failed", f"Line {line} is not at fault. {reason}", code=code)])
    lines = exhibit.num_faulty
    more = f"One of {lines} lines that are at fault; each of them is a right answer." if lines > 1 else ""
    return Panel(title, [Row("passed", f"Yes, line {line}. {reason}", more, code)], f"Its name: {exhibit.fault_name}.")


def check_repair(number: int | str, program: Callable[..., Any]) -> Panel:
    """Measure your own version of the wrong program; it is called like the wrong one."""
    exhibit = find(number)
    panel = exhibit.check_repair(program)
    record(exhibit, act="repair", right=panel.status == "passed")
    return panel


def asked(exhibit: Exhibit) -> str:
    """The question of the second act; where several lines are at fault it says so, and that one of them is enough."""
    if exhibit.num_faulty == 1:
        return "Which line is at fault?"
    return f"Which line is at fault? {exhibit.num_faulty} lines are; name one of them."


def numbered(exhibit: Exhibit) -> str:
    """The wrong program with a number before each line; lines to choose from are marked by ">"."""
    choices = exhibit.choices()
    lines = enumerate(exhibit.wrong_source.splitlines(), start=1)
    return "\n".join(f"{'>' if i in choices else ' '} {i:>2}  {line}".rstrip() for i, line in lines)


def told(exhibit: Exhibit, finding: Finding, as_wrong: bool) -> Row:
    """One row about what a program of the exhibit showed."""
    if as_wrong:
        return Row("failed", f"As it circulates: {finding.sentence}")
    return Row("passed", f"Repaired: {finding.sentence}")


def _told(exhibit: Exhibit, wrong: Finding, repaired: Finding) -> Panel:
    rows = [
        Row("note", f"The claim: {exhibit.claim}"),
        told(exhibit, wrong, as_wrong=True),
        told(exhibit, repaired, as_wrong=False),
        Row("note", f"Its name: {exhibit.fault_name}. Why it passes review: {exhibit.why_it_passes_review}"),
        Row("note", f"The repair: {exhibit.repair}"),
    ]
    if exhibit.source:
        rows.append(Row("note", f"Source: {exhibit.source}"))
    return Panel(exhibit.heading, rows)


def draft(exhibit: Exhibit) -> str | None:
    """What the reader last typed as a repair of this version of the exhibit, None if nothing or nothing can be read."""
    if exhibit.number in _drafts:
        return _drafts[exhibit.number]
    if os.environ.get("COURSE_ORDERED"):
        return None
    with contextlib.suppress(Exception):
        from course_lib.practice.record.progress import Progress

        kept = [event.data.get("text") for event in Progress.open().events("draft", exhibit.number)]
        return kept[-1] if kept and isinstance(kept[-1], str) else None
    return None


def keep_draft(exhibit: Exhibit, text: str) -> None:
    """Keep what the reader typed, in this kernel and in the progress, so that it is there when the cell runs again."""
    _drafts[exhibit.number] = text
    if os.environ.get("COURSE_ORDERED"):
        return
    with contextlib.suppress(Exception):
        from course_lib.practice.record.progress import Progress

        Progress.open().record("draft", exhibit.number, text=text)


def record(exhibit: Exhibit, **data: Any) -> None:
    """Keep what the reader did with an exhibit; never in the way."""
    if os.environ.get("COURSE_ORDERED"):
        return
    with contextlib.suppress(Exception):
        from course_lib.practice.record.progress import Progress

        Progress.open().record("museum", exhibit.number, **data)
