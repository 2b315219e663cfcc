"""The interview drill at the end of a chapter: its questions, answers folded until the reader has spoken."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from course_lib.practice.desk.panel import WIDTH, inline
from course_lib.practice.knowledge.curriculum import Chapter, chapter_number
from course_lib.practice.knowledge.questions import Answer, Bilingual, Question, load, questions


def drill(chapter: str | int) -> Drill:
    """The interview drill of a chapter, "06" or 6: its questions, answers folded, as the last expression of a cell."""
    found = questions(chapter=chapter)
    if not found:
        some = ", ".join(sorted({record.chapter for record in load()}))
        raise ValueError(f"The bank has no question for chapter {chapter_number(chapter)}; it has some for {some}.")
    return Drill(chapter_number(chapter), found)


@dataclass(frozen=True)
class Drill:
    """A chapter's questions. As a cell's last expression it shows HTML with folded answers; `markdown` holds all text.

    Its plain text is what a terminal needs: question, 30-second answer, must-say points.
    """

    chapter: Chapter
    questions: Sequence[Question]

    def __repr__(self) -> str:
        lines = []
        for record in self.questions:
            lines.append(_wrap(f"{record.text.en} ({', '.join(record.ids)})", ""))
            if record.answer is None:
                lines += [_wrap(record.status_line(), "  "), ""]
                continue
            lines.append(_wrap(record.answer.short.en, "  "))
            lines += [*(_wrap(point, "  - ") for point in record.answer.must_say.en), ""]
        return "\n".join(lines).rstrip()

    @property
    def markdown(self) -> str:
        """Everything as Markdown, for books and slides: nothing is folded."""
        return "\n\n".join(block for record in self.questions for block in _markdown(record)) + "\n"

    def _repr_html_(self) -> str:
        return '<div class="course-drill">' + "".join(map(_html, self.questions)) + "</div>"


def _wrap(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _markdown(record: Question) -> Iterator[str]:
    for wording in record.wordings:
        yield f"**{wording.text.en}** {wording.text.zh} *({wording.id})*"
        if wording.emphasis:
            yield f"{wording.emphasis.en} {wording.emphasis.zh}"
    answer = record.answer
    if answer is None:
        yield f"*{record.status_line()}*"
        return
    yield f"*30 seconds.* {answer.short.en}"
    yield "*Must say.*\n\n" + _bullets(answer.must_say.en)
    yield "*Three minutes.* " + answer.long.replace("\n", "\n\n")
    for follow_up in answer.follow_ups:
        yield f"*Follow-up: {follow_up.question}* {follow_up.answer}"
    yield "*Usual mistakes.*\n\n" + _bullets(f"“{mistake.says}” {mistake.wrong}" for mistake in answer.mistakes)
    yield f"*30 秒。* {answer.short.zh}"
    yield "*必须说到。*\n\n" + _bullets(answer.must_say.zh)
    yield "*Evidence.*\n\n" + _bullets(f"`{item.tag}`: {item.shows}" for item in answer.evidence)
    yield "*Sources.* " + "; ".join(answer.sources) + "."


def _bullets(points: Iterable[str]) -> str:
    return "\n".join(f"- {point}" for point in points)


def _html(record: Question) -> str:
    asked = "".join(
        f'<p style="margin:.3em 0"><strong>{inline(wording.text.en)}</strong> <span lang="zh">'
        f"{inline(wording.text.zh)}"
        f"</span> <small>{wording.id}</small>{_emphasis(wording.emphasis)}</p>"
        for wording in record.wordings
    )
    answer = record.answer
    body = f"<p><em>{escape(record.status_line())}</em></p>" if answer is None else "".join(_folded(answer))
    return f'<div style="border-top:1px solid #8a8a8a;padding:.5em 0;max-width:62em">{asked}{body}</div>'


def _emphasis(emphasis: Bilingual | None) -> str:
    return f"<br><em>{inline(emphasis.en)}</em>" if emphasis else ""


def _folded(answer: Answer) -> Iterator[str]:
    yield _fold("30 seconds", f"<p>{inline(answer.short.en)}</p>" + _list(answer.must_say.en, "Must say"))
    yield _fold("Three minutes", "".join(f"<p>{inline(part)}</p>" for part in answer.long.split("\n") if part))
    for follow_up in answer.follow_ups:
        yield _fold(f"Follow-up: {follow_up.question}", f"<p>{inline(follow_up.answer)}</p>")
    yield _fold("Usual mistakes", _list(f"“{mistake.says}” {mistake.wrong}" for mistake in answer.mistakes))
    chinese = f"<p>{inline(answer.short.zh)}</p>" + _list(answer.must_say.zh, "必须说到")
    yield _fold("中文：30 秒回答", f'<div lang="zh">{chinese}</div>')  # noqa: RUF001
    evidence = _list((f"`{item.tag}`: {item.shows}" for item in answer.evidence), "Cells of this chapter")
    yield _fold("Evidence and sources", evidence + _list(answer.sources, "Sources"))


def _fold(title: str, body: str) -> str:
    return f"<details><summary>{inline(title)}</summary>{body}</details>"


def _list(points: Iterable[str], title: str = "") -> str:
    head = f"<p>{title}:</p>" if title else ""
    return head + "<ul>" + "".join(f"<li>{inline(point)}</li>" for point in points) + "</ul>"
