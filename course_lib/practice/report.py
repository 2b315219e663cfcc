"""The report that closes a mock interview, as Markdown and as a page of its own: what was said, missed, and to read."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from course_lib.practice import place
from course_lib.practice.panel import Panel, Row
from course_lib.practice.place import CourseError

if TYPE_CHECKING:
    from course_lib.practice.mock_interview import Interview, Result

SHOWN = 3_000  # characters of an answer that the report repeats
_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
    "blockquote{border-left:3px solid #8a8a8a;margin-left:0;padding-left:1em;white-space:pre-wrap}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.2em .8em .2em 0;vertical-align:top}"
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
        told = [f"{_count(answered, 'question')} of {self.asked} answered in {_minutes(self.elapsed)}."]
        told += [f"{skipped} skipped."] if skipped else []
        if not self.results:
            return told
        told.append(f"{self.said} of {self.points} must-say points said.")
        numbers = [each.number for each in self.results if each.number is not None]
        if numbers:
            told.append(f"{sum(number['right'] for number in numbers)} of {_count(len(numbers), 'number')} right.")
        judged = [each.get("judged") for result in self.results for each in result.follow_ups.values()]
        if judged:
            counts = ", ".join(f"{judged.count(word)} {word}" for word in ("yes", "partly", "no") if word in judged)
            told.append(f"{_count(len(judged), 'follow-up')}, by your own judgement: {counts}.")
        return told

    def reading(self) -> list[tuple[str, str, str]]:
        """What to read, the weakest first: chapter, where its notebook is ("" if planned), and why."""
        weak = [each for each in self.results if _weak(each)]
        found = []
        for result in sorted(weak, key=lambda each: len(each.said or ()) / len(each.answer.must_say.en)):
            name, title = _notebook(result.record.chapter)
            missed = len(result.answer.must_say.en) - len(result.said or ())
            why = [f"{_count(missed, 'point')} missed"] if missed else []
            why += ["the number was wrong"] if result.number and not result.number["right"] else []
            cells = ", ".join(evidence.tag for evidence in result.answer.evidence)
            where = f"{self.links.rstrip('/')}/{quote(name)}".lstrip("/" if not self.links else "") if name else ""
            found.append((title, where, f"{result.question}: {' and '.join(why)}; cells {cells}"))
        return found

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
            rows.append(Row("note", f"{result.question}: {result.record.wording(result.question).text['en']}"))
            rows += [Row(*pair) for pair in _judged(result, self.plan.language)]
        rows += [Row("note", f"To read: {title}", why) for title, _, why in self.reading()]
        return repr(Panel("Your mock interview", rows))

    def _repr_html_(self) -> str:
        return f'<div class="course-report" style="max-width:62em">{self._body()}</div>'

    def _reading(self) -> list[str]:
        lines = [
            f"- [{title}]({where}): {why}" if where else f"- {title}: {why}" for title, where, why in self.reading()
        ]
        return ["## To read", "\n".join(lines)] if lines else []

    def _one(self, result: Result) -> str:
        language = self.plan.language
        quoted = "\n".join(f"> {line}" for line in _shown(result.text).splitlines()) or "> (skipped)"
        blocks = [
            f"## {result.record.wording(result.question).text[language]}",
            f"{result.question}, {_minutes(result.seconds)}",
            quoted,
            "\n".join(f"- {status}: {text}" for status, text in _judged(result, language)),
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
            linked = [
                (
                    f'<a style="text-decoration:underline" href="{escape(to)}">{escape(name)}</a>'
                    if to
                    else escape(name),
                    w,
                )
                for name, to, w in reading
            ]
            items = "".join(f"<li>{name}: {escape(why)}</li>" for name, why in linked)
            parts.append(f"<h2>To read</h2><ul>{items}</ul>")
        return "".join([*parts, *map(self._one_html, self.results)])

    def _one_html(self, result: Result) -> str:
        language = self.plan.language
        rows = "".join(
            f'<tr><th scope="row">{escape(status)}</th><td>{escape(text)}</td></tr>'
            for status, text in _judged(result, language)
        )
        follow_ups = "".join(
            f"<p><em>Follow-up: {escape(result.answer.follow_ups[i].question)}</em></p>"
            f"<blockquote>{escape(_shown(each['text'])) or '(skipped)'}</blockquote>"
            f"<p>An answer: {escape(result.answer.follow_ups[i].answer)}</p>"
            for i, each in sorted(result.follow_ups.items())
        )
        return (
            f"<h2>{escape(result.record.wording(result.question).text[language])}</h2>"
            f"<p>{result.question}, {_minutes(result.seconds)}</p>"
            f"<blockquote>{escape(_shown(result.text)) or '(skipped)'}</blockquote><table>{rows}</table>{follow_ups}"
            f"<p><em>30 seconds.</em> {escape(result.answer.short[language])}</p>"
        )


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


def _weak(result: Result) -> bool:
    return len(result.said or ()) < len(result.answer.must_say.en) or bool(result.number and not result.number["right"])


def _shown(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


def _notebook(chapter: int) -> tuple[str, str]:
    """The path of a chapter's notebook inside its folder, and its title; "" and "planned" where there is none."""
    from course_lib.practice.question_schema import curriculum

    title = next((names[chapter] for names in curriculum().values() if chapter in names), "")
    heading = f"Chapter {chapter:02}, {title}"
    try:
        names = sorted(path.relative_to(place.notebooks()) for path in place.notebooks().rglob(f"{chapter:02}_*.ipynb"))
    except CourseError:
        names = []
    names = [name for name in names if ".ipynb_checkpoints" not in name.parts]
    return (names[0].as_posix(), heading) if names else ("", f"{heading} (planned)")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} min"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
