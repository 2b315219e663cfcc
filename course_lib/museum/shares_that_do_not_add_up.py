"""Exhibit E9: a printed percentage that its own counts contradict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

# Causes of 419 unexpected interruptions in 54 days of training: counts and percentages as printed, the whole table.
CAUSES = {
    "faulty GPU": (148, 30.1),
    "GPU HBM3 memory": (72, 17.2),
    "software bug": (54, 12.9),
    "network switch or cable": (35, 8.4),
    "host maintenance": (32, 7.6),
    "GPU SRAM": (19, 4.5),
    "GPU system processor": (17, 4.1),
    "NIC": (7, 1.7),
    "NCCL watchdog timeouts": (7, 1.7),
    "silent data corruption": (6, 1.4),
    "GPU thermal interface and sensor": (6, 1.4),
    "SSD": (3, 0.7),
    "power supply": (3, 0.7),
    "server chassis": (2, 0.5),
    "IO expansion board": (2, 0.5),
    "dependency": (2, 0.5),
    "CPU": (2, 0.5),
    "system memory": (2, 0.5),
}
COUNTS = {cause: count for cause, (count, _) in CAUSES.items()}
PRINTED = {cause: percent for cause, (_, percent) in CAUSES.items()}


def wrong(counts: Mapping[str, int], total: int) -> dict[str, float]:
    """Share of each cause in per cent."""
    shares = dict(PRINTED)
    return {cause: shares[cause] for cause in counts}


def repaired(counts: Mapping[str, int], total: int) -> dict[str, float]:
    """Share of each cause in per cent."""
    return {cause: 100 * count / total for cause, count in counts.items()}


def measure(program: Callable[[Mapping[str, int], int], dict[str, float]]) -> Finding:
    """Compare every share with its count over the total."""
    total = sum(COUNTS.values())
    shares = program(COUNTS, total)
    gaps = {cause: abs(shares[cause] - 100 * count / total) for cause, count in COUNTS.items()}
    worst = max(gaps, key=lambda cause: gaps[cause])
    fitting = round(shares[worst] * total / 100)
    off = [cause for cause, gap in gaps.items() if gap > 0.051]
    return Finding(
        gaps[worst],
        "percentage points",
        f"{len(off)} of {len(gaps)} rows do not fit their count. {worst}: {rounded(shares[worst])} % is {fitting} of "
        f"{total}; {COUNTS[worst]} of {total} is {rounded(100 * COUNTS[worst] / total)} %. The counts add up to "
        f"{total}, the shares to {rounded(sum(shares.values()))} %."
        if off
        else f"All {len(gaps)} rows fit their counts; {worst} is {rounded(shares[worst])} %.",
        others={"rows_off": len(off), "faulty_gpu": shares["faulty GPU"], "total": total},
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
            "It copies the percentages. Seventeen rows fit; the first does not: 148 of 419 is 35.3 %."
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
        "Compute shares from counts, and audit a table before you quote it. The 18 counts add up to 419 with 148 in "
        "the first row, and the 18 shares to 94.9 %: the percentage is the slip, and 35.3 % is right."
    ),
    source=(
        "Table of interruptions in the Llama 3 report (arXiv 2407.21783, 2024): counts and percentages quoted, shares "
        "and sums recomputed here."
    ),
)
