"""What to read after an interview: chapters, and in them the sections whose cells measure what was missed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from course_lib.practice.desk import house, place
from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.wording import count
from course_lib.practice.knowledge.curriculum import Chapter, title_of

if TYPE_CHECKING:
    from course_lib.practice.interview.result import Result


@dataclass(frozen=True, slots=True)
class Missed:
    """Why one question leads to a chapter. sections: heading and link of each section that measures its answer."""

    question: str
    why: str
    sections: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """One chapter to read. where: its notebook as a path or address, "" while the chapter is planned."""

    title: str
    where: str
    missed: list[Missed] = field(default_factory=list)


def reading_of(results: list[Result], links: str = "") -> list[Reading]:
    """Chapters to read, that of the weakest answer first. links: the folder of the notebooks; "" is beside the page."""
    weak = [each for each in results if _why(each)]
    found: dict[Chapter, Reading] = {}
    for result in sorted(weak, key=lambda each: len(each.said or ()) / len(each.answer.must_say.en)):
        chapter = result.record.chapter
        if chapter not in found:
            name, title = notebook_of(chapter)
            where = f"{links.rstrip('/')}/{quote(name)}".lstrip("/" if not links else "") if name else ""
            found[chapter] = Reading(title, where)
        reading = found[chapter]
        tags = [evidence.tag for evidence in result.answer.evidence]
        # JupyterLab compares the fragment as it stands with the heading, so legal punctuation stays as it is.
        named = [(each, quote(each.replace(" ", "-"), safe=":,;?!'()*/@&=+$~")) for each in sections_of(chapter, tags)]
        sections = [(each, f"{reading.where}#{fragment}") for each, fragment in named]
        reading.missed.append(Missed(result.question, _why(result), sections))
    return list(found.values())


def _why(result: Result) -> str:
    missed = len(result.answer.must_say.en) - len(result.said or ())
    why = [f"{count(missed, 'point')} missed"] if missed else []
    if result.number and not result.number["right"]:
        why.append("the number was wrong" if result.number["typed"] else "the number was skipped")
    return " and ".join(why)


def notebook_of(chapter: Chapter) -> tuple[str, str]:
    """The path of a chapter's notebook inside its folder, and its title; "" and "planned" where there is none."""
    heading = f"Chapter {chapter}, {title_of(chapter)}"
    try:
        names = [name.as_posix() for name in house.notebooks() if name.name.startswith(f"{chapter}_")]
    except CourseError:
        names = []
    return (names[0], heading) if names else ("", f"{heading} (planned)")


def sections_of(chapter: Chapter, tags: list[str]) -> list[str]:
    """The headings under which a chapter's cells with these tags stand, in its order; [] where it cannot be read."""
    try:
        cells = json.loads((place.notebooks() / notebook_of(chapter)[0]).read_text(encoding="utf-8"))["cells"]
    except (CourseError, OSError, ValueError, KeyError):
        return []
    found, heading = [], ""
    for cell in cells:
        if cell["cell_type"] == "markdown":
            headings = [line for line in "".join(cell["source"]).splitlines() if line.startswith("## ")]
            heading = headings[-1].removeprefix("## ").strip() if headings else heading
        if heading and set(tags) & set(cell["metadata"].get("tags", ())):
            found.append(heading)
    return list(dict.fromkeys(found))


def notebook_links() -> str:
    """The folder that links of a saved report lead to: the reader's own copies where they are laid out."""
    folder = _folder()
    return folder.as_uri() if folder else ""


def links_from_here() -> str:
    """The same folder as a path from the working folder, where a notebook resolves its links."""
    folder = _folder()
    found = Path(os.path.relpath(folder)).as_posix() if folder else "."
    return "" if found == "." else found


def _folder() -> Path | None:
    try:
        folder = place.workspace()
        return folder if any(folder.glob("*.ipynb")) else place.notebooks()
    except CourseError:
        return None
