"""Lay out a planned chapter: `python -m tools.new_chapter 07`.

Its notebook follows the walk of every chapter and has the status `planned`: no reader sees it, and the guards ask of it
only what holds before it is executed. Take `status` out of its metadata when its outputs are stored.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import facts
from tools.chapter import Laid, chapter
from tools.form import assign_ids, tidy, write_notebook
from tools.storing import ROOT

# Heading, and what the section must do; the order is that of every chapter.
WALK = (
    ("Predict", "The reader commits to a number before anything is explained."),
    ("Fail first", "The obvious way, run for real, and the number that shows that it is not enough."),
    ("By hand", "At most eight numbers that can be checked on paper: a loop, the vector form, the library's call."),
    ("Picture", "An object of the library draws itself; the caption below says in words what is to be seen."),
    ("The real run", "A real model on real data and real processes, the baseline first; claims asserted as ranges."),
    ("Step by step", "Each cell follows a sentence that ends in a colon, and its output is read afterwards."),
    ("Proof", "Values, gradients or parameters equal the plain version; bytes, FLOPs and steps equal the formula."),
    ("The library's way", "The same result with the tool that people use at work, and what it adds."),
    ("Turn the knobs", "One panel over a plain function, whose default call is a compared cell just above it."),
    ("Wrong answers in circulation", "Each run live, with the number that gives it away and the repair."),
    ("Exercises", "Four to six, written by `python -m tools.exercise_cells`."),
    (
        "The prediction again, and larger",
        "What changes at 70 B parameters or 1,000 GPUs: computed, and marked so.",
    ),
    ("Interview drill", "The chapter's questions, said aloud."),
    ("Take-away", "Five lines, links to sources, the next chapter."),
)
SETUP = "from course_lib import lab\n\nprint(lab.machine())"


def skeleton(one: Laid, questions: Sequence[str]) -> NotebookNode:
    """Return the planned notebook of a chapter. questions: ids of the bank that it will answer."""
    title = one.title[0].upper() + one.title[1:]
    cells = [
        new_markdown_cell(f"# {one.number} {title}\n\nThe chapter's claim, with its number."),
        new_markdown_cell("", metadata={"tags": [facts.TAG]}),
        new_markdown_cell("What this machine has:"),
        new_code_cell(SETUP, metadata={"tags": ["nbval-ignore-output"]}),
    ]
    cells += [new_markdown_cell(f"## {heading}\n\n{words}") for heading, words in WALK]
    course = {
        "chapter": one.number,
        "title": title,
        "status": "planned",
        "questions": list(questions),
        "memory_mb": 1000,
        "level": "intermediate",
        "needs": ["00"],
    }
    notebook = new_notebook(cells=cells, metadata={"course": course})
    assign_ids(notebook, one.number)
    facts.refresh(notebook)
    tidy(notebook, one.number)
    return notebook


def lay(one: Laid, root: Path = ROOT) -> list[Path]:
    """Write the skeleton's files under `root` and return their paths from there.

    Raises:
        ValueError: Something of the chapter is there already; nothing is written.
    """
    from course_lib.practice.knowledge.questions import questions

    if one.begun(root):
        there = [path for path in (one.notebook, one.mutants, one.exercises) if (root / path).exists()]
        raise ValueError(f"Chapter {one.number} ({one.title}) is there already: {there[0].as_posix()}.")
    asked = [question_id for record in questions(chapter=one.number) for question_id in record.ids]
    texts = {
        one.exercises / "__init__.py": f'"""Exercises of chapter {one.number}, {one.title}."""\n',
        one.mutants: f"# One-line changes that a reader of chapter {one.number} would call wrong, each with the cell\n"
        "# that must notice; tools/mutants/listing.py shows the keys. At least ten when the chapter is executed.\n[]\n",
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    (root / one.notebook).parent.mkdir(parents=True, exist_ok=True)
    write_notebook(skeleton(one, asked), root / one.notebook)
    return [one.notebook, *texts]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.new_chapter", description=__doc__.split("\n")[0])
    parser.add_argument("chapter", help="its number in the curriculum: 07")
    args = parser.parse_args(argv)
    try:
        one = chapter(args.chapter)
        laid = lay(one)
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    print("\n".join(path.as_posix() for path in laid))
    print(f"Chapter {one.number} is planned; `make test NB={one.number}` runs what holds for it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
