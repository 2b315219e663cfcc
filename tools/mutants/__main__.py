"""Run a chapter's mutants and print which cell noticed each: `make mutants NB=06`, `python -m tools.mutants 06`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import nbformat

from tools.chapter import whole
from tools.mutants.listing import Mutant, check, read
from tools.mutants.running import Outcome, run
from tools.storing import PROFILE, ROOT, on_storing_python

HEADER = ("mutant", "result", "noticed by", "named", "what is wrong")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 where each mutant was caught, or is said to survive."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("chapter", help="two digits, 06")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this mutant (may be given again)")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2, help="how many run side by side (2)")
    args = parser.parse_args(argv)
    try:
        one = whole(args.chapter)
        mutants = read(ROOT / one.mutants)
        unknown = sorted(set(args.only or ()) - {mutant.name for mutant in mutants})
        if unknown:
            raise ValueError(f"{one.mutants.name} has no mutant {unknown[0]!r}.")
        mutants = [mutant for mutant in mutants if not args.only or mutant.name in args.only]
        notebook = nbformat.read(ROOT / one.notebook, as_version=4)
        for mutant in mutants:
            check(mutant, notebook, ROOT)
        if not on_storing_python():
            raise ValueError(f"Mutants are judged by stored outputs, and these are compared on {PROFILE} alone.")
        outcomes = run(one, mutants, jobs=args.jobs, say=lambda line: print(line, flush=True))
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    print("\n" + "\n".join(report(mutants, outcomes)))
    survived = [m for m, o in zip(mutants, outcomes, strict=True) if o.noticed is None and not m.survives]
    return 1 if survived else 0


def report(mutants: Sequence[Mutant], outcomes: Sequence[Outcome]) -> list[str]:
    """Return the table's lines and the score as the last one."""
    rows: list[Sequence[str]] = [HEADER]
    for mutant, outcome in zip(mutants, outcomes, strict=True):
        result = "caught" if outcome.noticed else "survived, explained" if mutant.survives else "SURVIVED"
        rows.append((mutant.name, result, outcome.noticed or "-", mutant.noticed, mutant.survives or mutant.wrong))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    lines = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
    caught = sum(outcome.noticed is not None for outcome in outcomes)
    elsewhere = sum(o.noticed not in (None, m.noticed) for m, o in zip(mutants, outcomes, strict=True))
    score = f"{caught} of {len(mutants)} mutants caught ({100 * caught / max(1, len(mutants)):.0f} %)"
    return [*lines, f"{score}, {elsewhere} of them by another cell than the one named."]


if __name__ == "__main__":
    sys.exit(main())
