"""Exhibit 22: a scheduler that grants part of a request and never takes anything back."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(capacity: int, cycles: list[list[int]]) -> list[list[int]]:
    """GPUs granted to each job of each cycle; a job runs for one cycle and needs all the GPUs it asks for."""
    free = capacity
    granted = []
    for jobs in cycles:
        grants = []
        for wanted in jobs:
            grant = min(free, wanted)
            free -= grant
            grants.append(grant)
        granted.append(grants)
    return granted


def repaired(capacity: int, cycles: list[list[int]]) -> list[list[int]]:
    """GPUs granted to each job of each cycle; a job runs for one cycle and needs all the GPUs it asks for."""
    granted = []
    for jobs in cycles:
        free = capacity  # the jobs of the cycle before have ended and gave theirs back
        grants = []
        for wanted in jobs:
            grant = wanted if wanted <= free else 0  # all or nothing
            free -= grant
            grants.append(grant)
        granted.append(grants)
    return granted


def measure(program: Callable[[int, list[list[int]]], list[list[int]]]) -> Finding:
    """Two 8-GPU jobs on 12 GPUs; then one 3-GPU job per cycle on 20 GPUs, for ten cycles."""
    jobs = [8, 8]
    grants = program(12, [jobs])[0]
    stranded = sum(grant for grant, wanted in zip(grants, jobs, strict=True) if 0 < grant < wanted)
    running = sum(grant == wanted for grant, wanted in zip(grants, jobs, strict=True))
    served = program(20, [[3]] * 10)
    short = next((cycle for cycle, (grant,) in enumerate(served, start=1) if grant < 3), None)
    still = f"With one 3-GPU job per cycle on 20 GPUs, cycle {short} is the first that cannot run." if short else ""
    if not running:
        still = "No job of the two runs, although 12 GPUs are free."
    return Finding(
        stranded,
        "GPUs",
        f"Two 8-GPU jobs on 12 GPUs get {grants[0]} and {grants[1]}: {stranded} are held by a job that cannot run. "
        f"{f'Capacity is used up in cycle {short} of 10.' if short else 'Ten more cycles all run.'}",
        still,
        {"first_cycle_short": short or 0},
    )


EXHIBIT = Exhibit(
    number="22",
    title="When demand exceeds what is free",
    fault_name="A scheduler that grants parts",
    chapters=("32",),
    questions=("s000-q11", "s000-q14", "s000-q25", "s000-q15", "s000-q30", "s000-q12"),
    claim="When demand exceeds what is free, grant what is left and subtract it from the pool.",
    quantity="GPUs held by jobs that cannot run",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(4, 4),
    healed=Range(0, 0),
    faulty={
        "free = capacity": "It is set once: what ended jobs held is never given back, and the pool runs dry.",
        "grant = min(free, wanted)": (
            "Half of a gang cannot start: it holds its part and waits, for ever if two such jobs wait for each other."
        ),
    },
    fine={
        "free -= grant": "What is granted in a cycle is not free in it.",
        "for wanted in jobs:": "First come, first served is a policy, if not the fairest.",
        "granted.append(grants)": "The record of what was granted is right.",
    },
    why_it_passes_review=(
        "Utilisation looks perfect: every GPU is allocated. In a demonstration with small jobs and few cycles "
        "nothing waits."
    ),
    repair=(
        "Grant all or nothing (gang scheduling), release when a job ends, and queue or reserve for the one that waits."
    ),
)
