"""The mock interview: `course mock --minutes 30 --part 2` in the terminal, `mock()` as a widget in chapter 36."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from course_lib.practice.desk.panel import Panel, Row
from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.presence import in_live_notebook, live_bundle
from course_lib.practice.record.progress import Progress, data_folder


def main(argv: list[str]) -> int:
    """Run `course mock`; CourseError with one sentence for an unknown part, or nothing to resume."""
    parser = argparse.ArgumentParser(prog="course mock", description="A timed interview from the question bank.")
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N", help="how long it lasts (30)")
    parser.add_argument("--part", metavar="N", help="questions of one part: 2 or parallelism")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="en or zh (en)")
    parser.add_argument("--resume", action="store_true", help="go on with the interview that was interrupted")
    parser.add_argument("--report", action="store_true", help="close the interrupted interview with its report")
    parser.add_argument("--out", metavar="DIR", help="where the report is written (your data folder)")
    args = parser.parse_args(argv)
    from course_lib.practice.interview.plan import pick
    from course_lib.practice.interview.sittings import begin, resume, unfinished
    from course_lib.practice.interview.terminal import run

    progress = Progress.open()
    if args.resume or args.report:
        interview = resume(progress)
    else:
        if (open_one := unfinished(progress)) is not None:
            print(f"The interview of {open_one.time:%Y-%m-%d %H:%M} UTC is not ended: course mock --resume goes on.")
        interview = begin(progress, pick(progress, args.part, args.minutes, args.language))
    if not args.report and not run(interview):
        return 130
    return close(interview, args.out)


def close(interview: Any, out: str | None = None) -> int:
    """Write and print the report, then end the interview: a report that cannot be written leaves it resumable."""
    from course_lib.practice.interview.sittings import end

    report = report_of(interview)
    files = report.save(out or data_folder() / "interviews")
    end(interview.progress, interview)
    print(f"\n{report}\n")
    for file in files:
        print(f"Report: {file}")
    return 0


def report_of(interview: Any) -> Any:
    """The report of an interview, with links to the reader's own copies where they are laid out."""
    from course_lib.practice.interview.reading import notebook_links
    from course_lib.practice.interview.report import Report

    return Report(interview, notebook_links())


class Mock:
    """The mock interview in a cell: a widget where somebody is there, a panel everywhere else."""

    def __init__(self, part: str | int | None, minutes: float, language: str) -> None:
        from course_lib.practice.interview.interview import ANSWER_S

        self._arguments = {"part": part, "minutes": minutes, "language": language}
        where = "" if part is None else f", part {part}"
        rows = [
            Row(
                "note", "Questions that are due or weak come first; those without an answer in the bank are not asked."
            ),
            Row(
                "note", f"Each takes an answer of about {ANSWER_S // 60} minutes, a number, follow-ups, and the points."
            ),
        ]
        self.panel = Panel(
            f"Mock interview: {minutes:g} minutes{where}", rows, "In the terminal: course mock --minutes 30 --part 2."
        )

    def __repr__(self) -> str:
        return repr(self.panel)

    def _ipython_display_(self) -> None:
        """Show the widget as an output that can be replaced: by the report, which the saved notebook then holds."""
        if not in_live_notebook():
            raise NotImplementedError  # IPython then shows it as any other result
        from IPython.display import display

        name = f"course-mock-{uuid4()}"

        def replace(bundle: dict[str, Any]) -> None:
            display(bundle, raw=True, display_id=name, update=True)

        display(live_bundle(self.panel, lambda: self._widget(replace)), raw=True, display_id=name)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return live_bundle(self.panel, self._widget)

    def _widget(self, replace: Callable[[dict[str, Any]], None] | None = None) -> Any:
        from course_lib.practice.interview.widget import widget_of

        return widget_of(**self._arguments, intro=self.panel._repr_html_(), replace=replace)


def mock(part: str | int | None = None, minutes: float = 30.0, language: str = "en") -> Mock | Panel:
    """A timed interview, as the last expression of a cell. part: 2 or "parallelism"; language: "en" or "zh".

    Bad input is a panel with one sentence, never an exception.
    """
    from course_lib.practice.interview.plan import check

    try:
        check(part, minutes, language)
        return Mock(part, minutes, language)
    except CourseError as error:
        return Panel("Mock interview", [Row("failed", str(error))])
