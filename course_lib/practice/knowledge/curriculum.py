"""The chapters of the course: their numbers, titles and parts, and the room that each has in the bank.

A chapter is a string of two digits everywhere, "06", as in the names of its files. What a reader types (6, "6") becomes
one by `chapter_number`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NewType

from course_lib.practice.knowledge.yaml_file import BankError, read

Chapter = NewType("Chapter", str)


def chapter_number(given: Any) -> Chapter:
    """A chapter's two digits from 6, "6" or "06". ValueError for anything else; whether it exists is not asked."""
    text = "" if isinstance(given, bool) else str(given).strip()
    if not re.fullmatch(r"[0-9]{1,2}", text):
        raise ValueError(f"A chapter is given by its number, like 06, and not by {given!r}.")
    return Chapter(text.zfill(2))


@lru_cache(maxsize=1)
def curriculum() -> dict[str, dict[Chapter, str]]:
    """Parts in order, each with its chapters' numbers and titles."""
    path = bank() / "curriculum.yaml"
    raw = read(path.read_text(encoding="utf-8"), "bank/curriculum.yaml")
    for part, chapters in raw.items():
        for number in chapters:
            if not isinstance(number, str) or not re.fullmatch(r"\d\d", number):
                raise BankError(f"bank/curriculum.yaml, {part}: write {number!r} as two digits in quotes, '06'.")
    return raw


def bank() -> Path:
    """The folder of the course's data."""
    return Path(str(files("course_lib"))) / "bank"


def part_of(chapter: Chapter) -> str:
    """The part that a chapter belongs to, "2_parallelism". ValueError where the course has no such chapter."""
    for part, chapters in curriculum().items():
        if chapter in chapters:
            return part
    every = sorted(number for chapters in curriculum().values() for number in chapters)
    raise ValueError(f"There is no chapter {chapter!r}: the course has {every[0]} to {every[-1]}.")


def title_of(chapter: Chapter) -> str:
    """A chapter's title, "data parallel"."""
    return curriculum()[part_of(chapter)][chapter]


def stem_of(chapter: Chapter) -> str:
    """The name that all files of a chapter share, "06_data_parallel"."""
    return f"{chapter}_{title_of(chapter).replace(' ', '_')}"


def rooms(folder: Path) -> dict[Chapter, Path]:
    """The files of a folder of the bank, one per chapter, in the order of the chapters; a chapter may have none.

    BankError for a file whose name is not a chapter's.
    """
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        names = {stem_of(number): number for chapters in curriculum().values() for number in chapters}
        if path.stem not in names:
            number = re.match(r"\d\d(?=_)", path.name)
            near = [name for name in names if number and name.startswith(f"{number[0]}_")]
            hint = f"rename it to {near[0]}.yaml" if near else "name it after a chapter, as in 06_data_parallel.yaml"
            raise BankError(f"bank/{folder.name}/{path.name}: there is no chapter {path.stem}; {hint}.")
        found[names[path.stem]] = path
    return found
