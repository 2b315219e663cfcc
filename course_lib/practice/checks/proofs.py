"""`course proofs`: for every exercise, proof that its check can tell right from wrong.

The untouched stub is not accepted, the reference passes, each wrong answer is rejected with its own words, each other
right answer is accepted, and an answer that has the result without doing the work is rejected.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from course_lib.practice.checks import finding
from course_lib.practice.checks.exercise import Answer, Exercise, Wrong
from course_lib.practice.checks.judging import Verdict, judge

NEEDED = {"wrong": 3, "alternatives": 2}  # at least so many of each


@dataclass
class Proof:
    """What was proved for one exercise: counts of (as expected, all), and a sentence for each that was not."""

    id: str
    stub: bool = False
    reference: bool = False
    wrong: tuple[int, int] = (0, 0)
    alternatives: tuple[int, int] = (0, 0)
    cheats: tuple[int, int] = (0, 0)
    faults: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        """Return the table's row."""
        return [
            self.id,
            "not attempted" if self.stub else "NOT PROVED",
            "passes" if self.reference else "NOT PROVED",
            *(f"{good}/{total}" for good, total in (self.wrong, self.alternatives, self.cheats)),
        ]


HEADER = ["exercise", "stub", "reference", "wrong rejected", "alternatives accepted", "cheats rejected"]


def prove(exercise: Exercise) -> Proof:
    """Judge everything that an exercise brings as its proof."""
    proof = Proof(exercise.id)
    proof.stub = _expect(proof, exercise, exercise.stub, "not attempted")
    proof.reference = _expect(proof, exercise, exercise.reference, "passed")
    proof.wrong = _rejected(proof, exercise, exercise.wrong)
    accepted = [_expect(proof, exercise, one, "passed") for one in exercise.alternatives]
    proof.alternatives = (sum(accepted), len(accepted))
    proof.cheats = _rejected(proof, exercise, exercise.cheats)
    messages = [wrong.message for wrong in exercise.wrong]
    proof.faults += [f"two wrong answers share the words {one!r}" for one in set(messages) if messages.count(one) > 1]
    for kind, least in NEEDED.items():
        if len(getattr(exercise, kind)) < least:
            proof.faults.append(f"{len(getattr(exercise, kind))} {kind}: at least {least} are needed")
    return proof


def _rejected(proof: Proof, exercise: Exercise, answers: Sequence[Wrong]) -> tuple[int, int]:
    """Count the answers that are rejected with their own words, and with those of no other wrong answer."""
    good = 0
    for wrong in answers:
        verdict = judge(exercise, wrong.code)
        others = [one.message for one in exercise.wrong if one.message not in (wrong.message,)]
        if verdict.status != "failed" or wrong.message not in verdict.failures:
            proof.faults.append(f"{wrong.name}: expected {wrong.message!r}, got {_outcome(verdict)}")
        elif any(message in verdict.failures for message in others):
            proof.faults.append(f"{wrong.name}: has the words of another wrong answer too: {_outcome(verdict)}")
        else:
            good += 1
    return good, len(answers)


def _expect(proof: Proof, exercise: Exercise, answer: Answer, status: str) -> bool:
    verdict = judge(exercise, answer)
    if verdict.status != status:
        proof.faults.append(f"{answer.__name__}: expected {status!r}, got {_outcome(verdict)}")
    return verdict.status == status


def _outcome(verdict: Verdict) -> str:
    where = f" ({verdict.where})" if verdict.where else ""
    return f"{verdict.status!r}: {verdict.failures}{where}"


def table(proofs: Sequence[Proof]) -> list[str]:
    """Return the lines of the table, the totals last."""
    rows = [HEADER, *(proof.row() for proof in proofs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, _totals(proofs)]


def _totals(proofs: Sequence[Proof]) -> str:
    def total(kind: str) -> str:
        pairs = [getattr(proof, kind) for proof in proofs]
        return f"{sum(good for good, _ in pairs)}/{sum(total for _, total in pairs)}"

    plain = sum(proof.stub and proof.reference for proof in proofs)
    return (
        f"{len(proofs)} exercises: stub and reference {plain}/{len(proofs)}, wrong answers rejected {total('wrong')}, "
        f"alternatives accepted {total('alternatives')}, cheats rejected {total('cheats')}."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Prove all exercises, or those of one chapter, and print the table; exit status 1 where a proof fails."""
    parser = argparse.ArgumentParser(
        prog="course proofs", description="Prove that each check can tell right from wrong."
    )
    parser.add_argument("chapter", nargs="?", help="two digits, 06; all chapters if left out")
    args = parser.parse_args(argv)
    chosen = finding.exercises(args.chapter)
    if not chosen:
        print(f"There are no exercises of chapter {args.chapter!r}: give two digits, like 06.", file=sys.stderr)
        return 1
    proofs = []
    for exercise in chosen:
        proofs.append(prove(exercise))
        for fault in proofs[-1].faults:
            print(f"{exercise.id}: {fault}", file=sys.stderr, flush=True)
    print("\n".join(table(proofs)))
    return 1 if any(proof.faults for proof in proofs) else 0
