"""Exhibit E7: a burn rate of 14.4 is said to spend the month's error budget in two hours."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(burn_rate: float, days: float = 30) -> float:
    """Hours until the error budget of `days` is spent."""
    hours = days / burn_rate
    return hours


def repaired(burn_rate: float, days: float = 30) -> float:
    """Hours until the error budget of `days` is spent."""
    hours = days * 24 / burn_rate
    return hours


def measure(program: Callable[..., float]) -> Finding:
    """Spend the budget minute by minute, with an objective of 99.9 % and errors at 14.4 times its rate."""
    requests_per_minute, allowed = 1000, 0.001
    budget = 30 * 24 * 60 * requests_per_minute * allowed
    minutes, spent = 0, 0.0
    while spent < budget - 1e-6:
        spent += requests_per_minute * allowed * 14.4
        minutes += 1
    claimed = program(14.4)
    others = {"simulated": minutes / 60}
    for share, window_hours in ((0.02, 1), (0.05, 6), (0.10, 72)):
        others[f"{share:.0%} in {window_hours} h"] = share * 720 / window_hours
    return Finding(
        claimed,
        "hours",
        f"The formula gives {rounded(claimed)} hours at a burn rate of 14.4; spent minute by minute, the budget lasts "
        f"{rounded(minutes / 60)} hours.",
        others=others,
    )


EXHIBIT = Exhibit(
    number="E7",
    title="Alerts on the error budget",
    fault_name="A month's error budget gone in two hours",
    chapters=("34",),
    questions=(),
    claim="A burn rate of 14.4 spends the monthly budget in 2 hours; alert at 5 % in 1 hour and 2 % in 6 hours.",
    quantity="hours until a 30-day budget is spent at a burn rate of 14.4",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(2, 2.2),
    healed=Range(50, 50),
    faulty={
        "hours = days / burn_rate": "30 / 14.4 is 2.08 days, called hours.",
    },
    fine={
        "def wrong(": "Thirty days is the window in which 14.4 is usually quoted.",
        "return hours": "The name says hours, and that is what the caller expects.",
    },
    why_it_passes_review="Two hours sounds as urgent as a page at that rate feels, and the division is right.",
    repair=(
        "30 x 24 / 14.4 = 50 hours. The pairs that go with 30 days: 2 % in 1 hour (14.4), 5 % in 6 hours (6), 10 % "
        "in 3 days (1): share x 720 h / window."
    ),
    source=(
        "Both claims were read on a public exercise page; the pairs are those of the Site Reliability Workbook, "
        "read in tutorials that cite it, and follow from the formula."
    ),
)
