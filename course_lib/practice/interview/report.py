"""The report that closes a mock interview, as Markdown and as a page of its own: what was said, missed, and to read."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.practice.desk.panel import NO_FORMULAS, Panel, Row, inline
from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.wording import count, minutes
from course_lib.practice.interview.reading import Missed, Reading, reading_of

if TYPE_CHECKING:
    from course_lib.practice.interview.interview import Interview
    from course_lib.practice.interview.result import Result

SHOWN = 3_000  # characters of an answer that the report repeats
_CELL = 'style="text-align:left;vertical-align:top;padding:.2em .9em .2em 0;background:none'
_QUOTE = (  # the page in a notebook has no style sheet of its own
    '<blockquote style="border-left:3px solid #8a8a8a;margin:.5em 0;padding-left:1em;white-space:pre-wrap">'
)
_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}"
)


class Report:
    """What an interview came to. links: the folder that holds the notebooks, as a path or address; "" is beside it."""

    def __init__(self, interview: Interview, links: str = "") -> None:
        self.results = [each for each in interview.results if each.text is not None]
        self.plan, self.elapsed, self.links = interview.plan, interview.elapsed, links
        self.asked = len(interview.plan.questions)

    @property
    def said(self) -> int:
        """Must-say points that were said, over all answered questions."""
        return sum(len(each.said or ()) for each in self.results)

    @property
    def points(self) -> int:
        """Must-say points of all answered questions."""
        return sum(len(each.answer.must_say.en) for each in self.results)

    def summary(self) -> list[str]:
        """The outcome in sentences: questions, points, numbers, follow-ups, time."""
        answered = sum(bool(each.text) for each in self.results)
        skipped = len(self.results) - answered
        told = [f"{count(answered, 'question')} of {self.asked} answered in {minutes(self.elapsed)}."]
        told += [f"{skipped} skipped."] if skipped else []
        if not self.results:
            return told
        told.append(f"{self.said} of {self.points} must-say points said.")
        numbers = [each.number for each in self.results if each.number is not None]
        if numbers:
            told.append(f"{sum(number['right'] for number in numbers)} of {count(len(numbers), 'number')} right.")
        judged = [each.get("judged") for result in self.results for each in result.follow_ups.values()]
        if judged:
            counts = ", ".join(f"{judged.count(word)} {word}" for word in ("yes", "partly", "no") if word in judged)
            told.append(f"{count(len(judged), 'follow-up')}, by your own judgement: {counts}.")
        return told

    def reading(self) -> list[Reading]:
        """What to read, the weakest first."""
        return reading_of(self.results, self.links)

    @property
    def markdown(self) -> str:
        """The whole report as Markdown."""
        return (
            "\n\n".join(["# Mock interview", " ".join(self.summary()), *self._reading(), *map(self._one, self.results)])
            + "\n"
        )

    @property
    def html(self) -> str:
        """The whole report as a page that needs nothing else."""
        return (
            f'<!doctype html><html lang="{self.plan.language}"><head><meta charset="utf-8">'
            '<title>Mock interview</title><meta name="viewport" content="width=device-width">'
            f"<style>{_STYLE}</style></head>"
            f"<body>{self._body()}</body></html>\n"
        )

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write both forms into a folder, under the interview's name; CourseError where that is not possible."""
        where = Path(folder).expanduser()
        files = [where / f"interview-{self.plan.session}.{ending}" for ending in ("md", "html")]
        try:
            where.mkdir(parents=True, exist_ok=True)
            for file, text in zip(files, (self.markdown, self.html), strict=True):
                file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CourseError(
                f"The report cannot be written to {where} ({error.strerror}): name another folder with --out; "
                "your answers are kept, and course mock --report shows them again."
            ) from error
        return files

    def __repr__(self) -> str:
        rows = [Row("note", sentence) for sentence in self.summary()]
        for result in self.results:
            asked = result.record.wording(result.question).text[self.plan.language]
            rows.append(Row("note", f"{result.question}: {asked}"))
            rows += [Row(*pair) for pair in _judged(result, self.plan.language)]
        for chapter in self.reading():
            because = [f"{each.question}: {each.why}; {_sections(each)}".rstrip("; ") for each in chapter.missed]
            rows.append(Row("note", f"To read: {chapter.title}", "\n".join(because)))
        return repr(Panel("Your mock interview", rows))

    def _repr_html_(self) -> str:
        return f'<div class="course-report {NO_FORMULAS}" style="max-width:62em">{self._body()}</div>'

    def _reading(self) -> list[str]:
        lines = []
        for chapter in self.reading():
            lines.append(f"- [{chapter.title}]({chapter.where})" if chapter.where else f"- {chapter.title}")
            for each in chapter.missed:
                linked = ", ".join(f"[{name}]({to})" for name, to in each.sections)
                lines.append(f"  - {each.question}: {each.why}" + (f"; {linked}" if linked else ""))
        return ["## To read", "\n".join(lines)] if lines else []

    def _one(self, result: Result) -> str:
        language = self.plan.language
        quoted = "\n".join(f"> {line}" for line in _shown(result.text).splitlines()) or "> (skipped)"
        blocks = [
            f"## {result.record.wording(result.question).text[language]}",
            f"{result.question}, {minutes(result.seconds)}",
            quoted,
            "\n".join(f"- {text}" for _, text in _judged(result, language)),
        ]
        for i, follow_up in sorted(result.follow_ups.items()):
            known = result.answer.follow_ups[i]
            said = "\n".join(f"> {line}" for line in _shown(follow_up["text"]).splitlines()) or "> (skipped)"
            blocks += [f"*Follow-up: {known.question}*", said, f"An answer: {known.answer}"]
        blocks.append(f"*30 seconds.* {result.answer.short[language]}")
        return "\n\n".join(blocks)

    def _body(self) -> str:
        parts = ["<h1>Mock interview</h1>", f"<p>{escape(' '.join(self.summary()))}</p>"]
        if reading := self.reading():
            parts.append(f"<h2>To read</h2><ul>{''.join(map(_chapter, reading))}</ul>")
        return "".join([*parts, *map(self._one_html, self.results)])

    def _one_html(self, result: Result) -> str:
        language = self.plan.language
        rows = "".join(
            f'<tr style="background:none"><th scope="row" {_CELL};white-space:nowrap">{escape(word)}</th>'
            f'<td {_CELL};width:100%;overflow-wrap:anywhere">{inline(text)}</td></tr>'
            for word, _, text in (pair[1].partition(": ") for pair in _judged(result, language))
        )
        follow_ups = "".join(
            f"<p><em>Follow-up: {inline(result.answer.follow_ups[i].question)}</em></p>"
            f"{_QUOTE}{escape(_shown(each['text'])) or '(skipped)'}</blockquote>"
            f"<p>An answer: {inline(result.answer.follow_ups[i].answer)}</p>"
            for i, each in sorted(result.follow_ups.items())
        )
        return (
            f"<h2>{inline(result.record.wording(result.question).text[language])}</h2>"
            f"<p>{result.question}, {minutes(result.seconds)}</p>"
            f"{_QUOTE}{escape(_shown(result.text)) or '(skipped)'}</blockquote><table>{rows}</table>{follow_ups}"
            f"<p><em>30 seconds.</em> {inline(result.answer.short[language])}</p>"
        )


def _sections(missed: Missed) -> str:
    return f"sections {', '.join(name for name, _ in missed.sections)}" if missed.sections else ""


def _chapter(chapter: Reading) -> str:
    items = "".join(
        f"<li>{escape(f'{each.question}: {each.why}')}"
        f"{'; ' * bool(each.sections)}{', '.join(_link(*pair) for pair in each.sections)}</li>"
        for each in chapter.missed
    )
    return f"<li>{_link(chapter.title, chapter.where)}<ul>{items}</ul></li>"


def _link(name: str, to: str) -> str:
    return f'<a style="text-decoration:underline" href="{escape(to)}">{escape(name)}</a>' if to else escape(name)


def _judged(result: Result, language: str) -> list[tuple[str, str]]:
    """A status and a sentence for every point, the number and the follow-ups."""
    told = []
    for i, point in enumerate(result.answer.must_say[language], start=1):
        status = "not attempted" if result.said is None else "passed" if i in result.said else "failed"
        word = {"passed": "said", "failed": "missed", "not attempted": "not judged"}[status]
        told.append((status, f"{word}: {point}"))
    if result.number is not None:
        told.append(("passed" if result.number["right"] else "failed", f"number: {result.number['told']}"))
    for i, each in sorted(result.follow_ups.items()):
        status = {"yes": "passed", "no": "failed"}.get(each.get("judged", ""), "note")
        told.append((status, f"follow-up, {each.get('judged', 'not judged')}: {result.answer.follow_ups[i].question}"))
    return told


def _shown(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"
