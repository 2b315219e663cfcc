"""Exhibit E9: a printed percentage that its own counts contradict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

# Causes of 419 unexpected interruptions in 54 days of training: counts and percentages as printed.
COUNTS = {
    "faulty GPU": 148,
    "GPU HBM3 memory": 72,
    "network switch or cable": 35,
    "GPU SRAM": 19,
    "GPU system processor": 17,
}
PRINTED = dict(zip(COUNTS, (30.1, 17.2, 8.4, 4.5, 4.1), strict=True))


def wrong(counts: Mapping[str, int], total: int) -> dict[str, float]:
    """Share of each cause in per cent."""
    shares = dict(PRINTED)
    return {cause: shares[cause] for cause in counts}


def repaired(counts: Mapping[str, int], total: int) -> dict[str, float]:
    """Share of each cause in per cent."""
    return {cause: 100 * count / total for cause, count in counts.items()}


def measure(program: Callable[[Mapping[str, int], int], dict[str, float]]) -> Finding:
    """Compare every share with its count over the total."""
    shares = program(COUNTS, 419)
    gaps = {cause: abs(shares[cause] - 100 * count / 419) for cause, count in COUNTS.items()}
    worst = max(gaps, key=lambda cause: gaps[cause])
    fitting = round(shares[worst] * 419 / 100)
    off = [cause for cause, gap in gaps.items() if gap > 0.051]
    return Finding(
        gaps[worst],
        "percentage points",
        f"{len(off)} of {len(gaps)} rows do not fit their count. {worst}: {rounded(shares[worst])} % is {fitting} of "
        f"419; {COUNTS[worst]} of 419 is {rounded(100 * COUNTS[worst] / 419)} %."
        if off
        else f"All {len(gaps)} rows fit their counts; {worst} is {rounded(shares[worst])} %.",
        others={"rows_off": len(off), "faulty_gpu": shares["faulty GPU"]},
    )


EXHIBIT = Exhibit(
    number="E9",
    title="Faulty GPUs among the interruptions",
    fault_name="A share that its own count contradicts",
    chapters=("10", "35"),
    questions=(),
    claim="Faulty GPUs caused 148 of 419 interruptions, 30.1 %.",
    quantity="the largest gap between a share and its count, in percentage points",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(5, 5.5),
    healed=Range(0, 0.051),
    faulty={
        "shares = dict(PRINTED)": (
            "It copies the percentages. Four rows fit; the first does not: 148 of 419 is 35.3 %."
        ),
    },
    fine={
        "return {cause:": "One share per cause, in the counts' order, is what is asked.",
        "def wrong(": "Counts and total are given: everything needed to compute, and neither is used.",
    },
    why_it_passes_review=(
        "It stands so in a well-known report and in every article about it; the rows around it are right."
    ),
    repair=(
        "Compute shares from counts, and audit a table before you quote it: 30.1 % fits 126, not 148. Which of the "
        "two is the slip cannot be told from the table."
    ),
    source=(
        "Counts and percentages read in press articles on the Llama 3 report, which quote its table; recomputed here."
    ),
)
