"""Exhibit E8: a speed-up quoted for the wrong system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


@dataclass(frozen=True)
class Report:
    """A published speed-up: whose, against what, how large, and where it stands."""

    technique: str
    system: str
    baseline: str
    times: float
    source: str


REPORTS = (
    Report(
        "continuous batching", "Orca", "FasterTransformer at equal latency, GPT-3 175B", 36.9, "OSDI 2022, abstract"
    ),
    Report("continuous batching", "vLLM", "static batching", 23.0, "Anyscale blog on continuous batching, 2023, title"),
)


def wrong(reports: Sequence[Report], system: str) -> float:
    """The highest speed-up that was published for `system`."""
    technique = next(report.technique for report in reports if report.system == system)
    found = [report.times for report in reports if report.technique == technique]
    return found[-1]


def repaired(reports: Sequence[Report], system: str) -> float:
    """The highest speed-up that was published for `system`."""
    return max(report.times for report in reports if report.system == system)


def measure(program: Callable[[Sequence[Report], str], float]) -> Finding:
    """Ask for Orca's and vLLM's figure; simulate what the batching alone gives."""
    claimed, other = program(REPORTS, "Orca"), program(REPORTS, "vLLM")
    alone = continuous_over_static()
    return Finding(
        claimed,
        "times",
        f"Orca is credited with {rounded(claimed)} times. The reports: "
        + "; ".join(f"{r.system} {rounded(r.times)} against {r.baseline}" for r in REPORTS)
        + f". Scheduling alone, simulated in batches of 16 with geometric lengths, gives {rounded(alone, 2)}.",
        "" if other == 23.0 else f"vLLM is credited with {rounded(other)} times.",
        {"scheduling_alone": alone},
    )


def continuous_over_static(batch_size: int = 16, requests: int = 1600, mean_length: float = 100.0) -> float:
    """Steps of static over continuous batching for the same requests, every step costing the same."""
    import heapq
    import math
    import random

    generator = random.Random(0)
    lengths = [1 + int(math.log(1 - generator.random()) / math.log(1 - 1 / mean_length)) for _ in range(requests)]
    static = sum(max(lengths[i : i + batch_size]) for i in range(0, requests, batch_size))
    slots = [0] * batch_size
    for length in lengths:
        heapq.heapreplace(slots, slots[0] + length)
    return static / max(slots)


EXHIBIT = Exhibit(
    number="E8",
    title="The gain of continuous batching",
    fault_name="Whose speed-up",
    chapters=("16",),
    questions=(),
    claim="Orca's continuous batching reaches 1.4 to 23 times the throughput of FasterTransformer.",
    quantity="the speed-up that Orca is credited with",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(23, 23),
    healed=Range(36.9, 36.9),
    faulty={
        "if report.technique == technique": (
            "It looks the figure up by technique, so another system's number, against another baseline, is quoted "
            "under this system's name."
        ),
    },
    fine={
        "technique = next(": "Orca's technique is continuous batching, as its report says.",
        "return found[-1]": (
            "Two figures are left to choose from; the choice is wrong because one does not belong here."
        ),
    },
    why_it_passes_review=(
        "Same technique, same order of magnitude, and a range from a blog post sounds more careful than one large "
        "figure."
    ),
    repair=(
        "Quote system, baseline and condition with every speed-up: 36.9 times is Orca's own, 23 times is vLLM's "
        "against static batching. Neither is what scheduling alone gives."
    ),
    source=(
        "36.9 read in the abstract (OSDI 2022), 23 in the blog's title and introduction, the claim on a research "
        "summary page. The two figures are quoted, not recomputed."
    ),
)
