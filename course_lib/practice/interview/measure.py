"""How well the suggestion works: precision and recall on answers whose covered points are known.

python -m course_lib.practice.interview.measure            # the answers held out: the figures that are reported
python -m course_lib.practice.interview.measure --tune     # the answers to tune on, at several thresholds
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from course_lib.practice.interview.coverage import suggest
from course_lib.practice.knowledge.curriculum import bank, rooms
from course_lib.practice.knowledge.questions import question
from course_lib.practice.knowledge.yaml_file import BankError, read

SPLITS = ("tune", "held_out", "bank", "interview")
KINDS = ("good", "partial", "wrong")
LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer and the points that it covers. question: an id of the bank; covers: numbers from 1.

    split: "tune", "held_out", "bank" for the bank's own 30-second answers, by other hands than the rest, or "interview"
    for what was typed in two whole interviews against the clock, with the points that were then ticked.
    """

    question: str
    split: str
    kind: str
    language: str
    covers: frozenset[int]
    text: str

    def suggested(self, threshold: float | None = None) -> frozenset[int]:
        """The points that the suggestion calls covered."""
        answer = question(self.question).answer
        assert answer is not None
        mistakes = [mistake.says for mistake in answer.mistakes] if self.language == "en" else []
        found = suggest(self.text, answer.must_say[self.language], mistakes, threshold)
        return frozenset(each.number for each in found if each.covered)


@dataclass(frozen=True, slots=True)
class Quality:
    """Points over all answers: right are suggested and covered, false suggested only, missed covered only."""

    answers: int
    right: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of suggested points that are covered; 1 where nothing is suggested."""
        return self.right / (self.right + self.false) if self.right + self.false else 1.0

    @property
    def recall(self) -> float:
        """The share of covered points that are suggested; 1 where nothing is covered."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


@lru_cache(maxsize=1)
def labelled() -> tuple[Labelled, ...]:
    """Every answer of bank/labelled, chapter by chapter; BankError as `read_labelled` says."""
    return tuple(each for path in rooms(bank() / "labelled").values() for each in read_labelled(path))


def read_labelled(path: Path) -> list[Labelled]:
    """The answers of one file; BankError, naming file, answer and fault, for one that cannot be used."""
    file = f"bank/labelled/{path.name}"
    rows = read(path.read_text(encoding="utf-8"), file)
    if not isinstance(rows, list):
        raise BankError(f"{file} must be a list of answers; begin each with '- {{question: …'.")
    found = []
    for number, row in enumerate(rows, start=1):
        named = f" ({row['question']})" if isinstance(row, dict) and "question" in row else ""
        for problem in _problems(row, path.name[:2]):
            raise BankError(f"{file}, answer {number}{named}: {problem}.")
        text = row.get("text") or question(row["question"]).answer.short[row["language"]]
        found.append(Labelled(**row | {"covers": frozenset(row["covers"]), "text": text}))
    return found


def _problems(row: Any, chapter: str) -> Iterator[str]:
    fields = {"question", "split", "kind", "language", "covers"}
    if not isinstance(row, dict) or not fields <= set(row) <= fields | {"text"}:
        yield f"it must hold {', '.join(sorted(fields))} and a text, and nothing else"
        return
    try:
        record = question(row["question"])
    except ValueError as error:
        yield str(error).rstrip(".")
        return
    if record.chapter != chapter:
        yield f"the question belongs to chapter {record.chapter}; move the answer to that chapter's file"
    for field, choices in (("split", SPLITS), ("kind", KINDS), ("language", LANGUAGES)):
        if row[field] not in choices:
            yield f"{field} is {row[field]!r}; take one of {', '.join(choices)}"
            return
    if record.answer is None:
        yield "the question is planned; only an answered one has points to cover"
        return
    points = len(record.answer.must_say[row["language"]])
    if not isinstance(row["covers"], list) or not set(row["covers"]) <= set(range(1, points + 1)):
        yield f"covers is {row['covers']}; write a list of numbers from 1 to {points}"
    if ("text" in row) == (row["split"] == "bank"):
        yield "the split bank takes its text from the bank, every other split needs a text"


def quality(answers: Iterable[Labelled], threshold: float | None = None) -> Quality:
    """Count right, false and missed points over these answers."""
    answers = list(answers)
    pairs = [(one.covers, one.suggested(threshold)) for one in answers]
    right, false, missed = (sum(len(of(*p)) for p in pairs) for of in (_both, lambda c, s: s - c, lambda c, s: c - s))
    return Quality(len(answers), right, false, missed)


def _both(covers: frozenset[int], suggested: frozenset[int]) -> frozenset[int]:
    return covers & suggested


def rows(split: str = "held_out") -> list[list[object]]:
    """What a table shows: kind of answer, answers, covered points, suggested points, precision, recall.

    The last rows of the split held_out are about answers by other hands, and about two real interviews.
    """
    every = [one for one in labelled() if one.split == split]
    groups = {kind: [one for one in every if one.kind == kind and one.language == "en"] for kind in KINDS}
    groups |= {"English": [o for o in every if o.language == "en"], "Chinese": [o for o in every if o.language == "zh"]}
    if split == "held_out":
        groups["by others"] = [one for one in labelled() if one.split == "bank"]
        groups["in an interview"] = [one for one in labelled() if one.split == "interview"]
    found = []
    for name, answers in groups.items():
        of = quality(answers)
        shares = ["", ""] if name == "wrong" else [of.precision, of.recall]
        found.append([name, of.answers, of.right + of.missed, of.right + of.false, *shares])
    return found


HEADER = ["answers", "number", "points covered", "points suggested", "precision", "recall"]


def main(argv: list[str]) -> int:
    """Print precision and recall of one split."""
    from course_lib.lab.measure import table

    parser = argparse.ArgumentParser(
        prog="python -m course_lib.practice.interview.measure", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--tune", action="store_true", help="the split to tune on, at several thresholds")
    parser.add_argument("--errors", action="store_true", help="list the points it gets wrong on the split to tune on")
    args = parser.parse_args(argv)
    print(table(rows("tune" if args.tune else "held_out"), HEADER))
    tuned = [one for one in labelled() if one.split == "tune"]
    for language in ("en", "zh") if args.tune else ():
        print(f"\nthreshold  precision  recall  ({language})")
        for threshold in (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55):
            of = quality([one for one in tuned if one.language == language], threshold)
            print(f"{threshold:9.2f}  {of.precision:9.2f}  {of.recall:6.2f}")
    for one in tuned if args.errors else ():
        answer = question(one.question).answer
        assert answer is not None
        scored = suggest(one.text, answer.must_say[one.language], [m.says for m in answer.mistakes])
        for point in scored:
            if point.covered != (point.number in one.covers):
                print(
                    f"{one.question} {one.kind}: {'false' if point.covered else 'missed'} {point.score} {point.point}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
