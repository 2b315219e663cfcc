"""How well the suggestion works: precision and recall on answers whose covered points are known.

python -m course_lib.practice.interview.measure            # what is held out: the figures that are reported
python -m course_lib.practice.interview.measure --tune     # the other half, at several thresholds: the one to choose on
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from course_lib.practice.interview.coverage import suggest
from course_lib.practice.knowledge.questions import question

HALVES = ("tune", "held_out", "bank", "interview")
KINDS = ("good", "partial", "wrong")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer and the points that it covers. question: an id of the bank; covers: numbers from 1.

    half: "tune", "held_out", "bank" for the bank's own 30-second answers, by other hands than the rest, or "interview"
    for what was typed in two whole interviews against the clock, with the points that were then ticked.
    """

    question: str
    half: str
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
    """Every answer of bank/mock_answers.yaml; ValueError, naming it, for one that cannot be used."""
    import yaml

    rows = yaml.safe_load((files("course_lib") / "bank" / "mock_answers.yaml").read_text(encoding="utf-8"))
    found = []
    for number, row in enumerate(rows, start=1):
        answer = question(row["question"]).answer
        text = row["text"] if "text" in row or answer is None else answer.short[row["language"]]
        one = Labelled(**row | {"covers": frozenset(row["covers"]), "text": text})
        points = len(answer.must_say[one.language]) if answer else 0
        if one.half not in HALVES or one.kind not in KINDS or not one.covers <= set(range(1, points + 1)):
            raise ValueError(f"mock_answers.yaml, answer {number} ({one.question}): half, kind or covers is wrong.")
        found.append(one)
    return tuple(found)


def quality(answers: Iterable[Labelled], threshold: float | None = None) -> Quality:
    """Count right, false and missed points over these answers."""
    answers = list(answers)
    pairs = [(one.covers, one.suggested(threshold)) for one in answers]
    right, false, missed = (sum(len(of(*p)) for p in pairs) for of in (_both, lambda c, s: s - c, lambda c, s: c - s))
    return Quality(len(answers), right, false, missed)


def _both(covers: frozenset[int], suggested: frozenset[int]) -> frozenset[int]:
    return covers & suggested


def rows(half: str = "held_out") -> list[list[object]]:
    """What a table shows: kind of answer, answers, covered points, suggested points, precision, recall.

    The last rows of the held-out half are about answers by other hands, and about two real interviews.
    """
    every = [one for one in labelled() if one.half == half]
    groups = {kind: [one for one in every if one.kind == kind and one.language == "en"] for kind in KINDS}
    groups |= {"English": [o for o in every if o.language == "en"], "Chinese": [o for o in every if o.language == "zh"]}
    if half == "held_out":
        groups["by others"] = [one for one in labelled() if one.half == "bank"]
        groups["in an interview"] = [one for one in labelled() if one.half == "interview"]
    found = []
    for name, answers in groups.items():
        of = quality(answers)
        shares = ["", ""] if name == "wrong" else [of.precision, of.recall]
        found.append([name, of.answers, of.right + of.missed, of.right + of.false, *shares])
    return found


HEADER = ["answers", "number", "points covered", "points suggested", "precision", "recall"]


def main(argv: list[str]) -> int:
    """Print precision and recall of one half."""
    from course_lib.lab.measure import table

    parser = argparse.ArgumentParser(
        prog="python -m course_lib.practice.interview.measure", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--tune", action="store_true", help="the tuning half, at several thresholds")
    parser.add_argument("--errors", action="store_true", help="list the points that it gets wrong on the tuning half")
    args = parser.parse_args(argv)
    print(table(rows("tune" if args.tune else "held_out"), HEADER))
    tuned = [one for one in labelled() if one.half == "tune"]
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
