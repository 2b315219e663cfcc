"""Guards over how a chapter is written: lead-ins, short cells, metadata, ids, plain prose."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from pathlib import Path

from tests.notebooks.reading import Cell, Notebook, at, code_cells
from tools.form import chapter_of

# LLMs-from-scratch, chapter 3: 36 of 38 code cells follow text, 28 lead-ins end in a colon, 4 lines at the median.
LED_IN, COLONS, OF = 36, 28, 38
MAX_MEDIAN_LINES, MAX_P90_LINES = 6, 24
HYPE = re.compile(
    r"\b(simply|blazing(ly)?|amazing(ly)?|awesome|incredibl[ey]|seamless(ly)?|effortless(ly)?|revolutionary|"
    r"game-changing|cutting-edge|supercharged?|unleash(es)?|mind-blowing)\b",
    re.IGNORECASE,
)
EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u26ff\u2705\u2728\u2753-\u2757\u2763\u2764\u2b50\ufe0f]")
META = {
    "chapter": (int, str),
    "questions": (list,),
    "memory_mb": (int, float),
    "level": (str,),
    "needs": (list, str),
}


def led_in(notebook: Notebook, name: str) -> list[str]:
    """Nearly every code cell follows a text cell, and most of these end in a colon."""
    before = [notebook["cells"][i - 1] if i else None for i, _ in code_cells(notebook)]
    bare = [at(name, i, c) for (i, c), b in zip(code_cells(notebook), before, strict=True) if _is_code(b)]
    allowed = math.ceil(len(before) * (OF - LED_IN) / OF)
    found = []
    if len(bare) > allowed:
        found.append(f"{len(bare)} code cells follow no text ({allowed} may): {'; '.join(bare)}.")
    colons = sum(not _is_code(b) and b["source"].rstrip().rstrip("*_").endswith(":") for b in before)
    if colons < math.floor(len(before) * COLONS / OF):
        found.append(f"{name}: {colons} of {len(before)} lead-ins end in a colon; {COLONS} of {OF} should.")
    return found


def _is_code(cell: Cell | None) -> bool:
    return cell is None or cell["cell_type"] != "markdown"


def short_cells(notebook: Notebook, name: str) -> list[str]:
    """Code cells are short: 6 lines at the median, 24 at the 90th percentile (blank lines left out)."""
    lengths = sorted(sum(bool(line.strip()) for line in c["source"].splitlines()) for _, c in code_cells(notebook))
    if not lengths:
        return [f"{name} has no code."]
    median, p90 = statistics.median(lengths), lengths[math.ceil(0.9 * len(lengths)) - 1]
    found = []
    if median > MAX_MEDIAN_LINES:
        found.append(f"{name}: code cells have {median:g} lines at the median; {MAX_MEDIAN_LINES} is most.")
    if p90 > MAX_P90_LINES:
        found.append(f"{name}: code cells have {p90} lines at the 90th percentile; {MAX_P90_LINES} is most.")
    return found


def described(notebook: Notebook, name: str) -> list[str]:
    """The notebook's `course` metadata is there and of the right kind, and its chapter is the file's."""
    course = notebook.get("metadata", {}).get("course", {})
    found = [f"{name}: metadata course.{key} is missing." for key in META if key not in course]
    for key, kinds in META.items():
        if key in course and (not isinstance(course[key], kinds) or isinstance(course[key], bool)):
            found.append(f"{name}: metadata course.{key} is a {type(course[key]).__name__}.")
    if "minutes" in course:
        found.append(f"{name}: metadata course.minutes is typed; they are computed: run `python -m tools.facts`.")
    chapter = str(course.get("chapter", "")).zfill(2)
    if "chapter" in course and chapter != chapter_of(Path(name)):
        found.append(
            f"{name}: metadata course.chapter is {course['chapter']!r}, and the file's is {chapter_of(Path(name))}."
        )
    return found


def identified(notebook: Notebook, name: str) -> list[str]:
    """Every cell has an id of its own of the form c06-01: answers point to cells."""
    ids = [cell.get("id") for cell in notebook["cells"]]
    found = [f"{name}, cell {i} has no id. Run `make outputs`." for i, cell_id in enumerate(ids) if not cell_id]
    found += [f"{name}: id {cell_id} is on {n} cells." for cell_id, n in Counter(filter(None, ids)).items() if n > 1]
    prefix = f"c{chapter_of(Path(name))}-"
    found += [
        f"{name}: id {cell_id} does not begin with {prefix}."
        for cell_id in ids
        if cell_id and not cell_id.startswith(prefix)
    ]
    return found


def plain_prose(notebook: Notebook, name: str) -> list[str]:
    """Text has no exclamation marks, emoji or words of advertisement."""
    found = []
    for i, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "markdown":
            continue
        prose = _prose(cell["source"])
        found += [
            f"{at(name, i, cell)} has an exclamation mark: {m[0].strip()}" for m in re.finditer(r".{0,30}!", prose)
        ]
        found += [f"{at(name, i, cell)} has an emoji: {m[0]}" for m in EMOJI.finditer(prose)]
        found += [f"{at(name, i, cell)} says '{m[0]}'." for m in HYPE.finditer(prose)]
    return found


def _prose(markdown: str) -> str:
    """Drop what is no prose: code, formulas, comments, pictures' marks, addresses."""
    for pattern in (r"```.*?```", r"~~~.*?~~~", r"<!--.*?-->", r"\$\$.*?\$\$", r"`[^`\n]*`", r"\$[^$\n]*\$"):
        markdown = re.sub(pattern, " ", markdown, flags=re.DOTALL)
    return re.sub(r"!\[|\]\([^)]*\)|https?://\S+", " ", markdown)
