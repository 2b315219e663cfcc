"""Exhibit E10: twenty tokens per parameter, said to follow from a printed formula that gives ninety-three."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


@dataclass(frozen=True)
class Fit:
    """Loss E + A / N^alpha + B / D^beta of N parameters and D tokens."""

    e: float
    a: float
    b: float
    alpha: float
    beta: float


PRINTED = Fit(1.69, 406.4, 410.7, 0.34, 0.28)
REFIT = Fit(1.8172, 482.01, 2085.43, 0.3478, 0.3658)


def wrong(fit: Fit, compute: float) -> float:
    """Tokens per parameter of the lowest loss at `compute` = 6 N D FLOPs."""
    rule_of_thumb = 20.0
    return rule_of_thumb


def repaired(fit: Fit, compute: float) -> float:
    """Tokens per parameter of the lowest loss at `compute` = 6 N D FLOPs."""
    g = (fit.alpha * fit.a / (fit.beta * fit.b)) ** (1 / (fit.alpha + fit.beta))
    num_parameters = g * (compute / 6) ** (fit.beta / (fit.alpha + fit.beta))
    return compute / 6 / num_parameters**2


def measure(program: Callable[[Fit, float], float]) -> Finding:
    """Search the lowest loss along 6 N D = 5.76e23 FLOPs, for the printed constants and for a refit."""
    compute = 5.76e23
    claimed, lowest = program(PRINTED, compute), searched(PRINTED, compute)
    claimed_refit, lowest_refit = program(REFIT, compute), searched(REFIT, compute)
    error = max(abs(claimed / lowest - 1), abs(claimed_refit / lowest_refit - 1))
    return Finding(
        error,
        "relative error",
        f"For the printed constants the answer is {rounded(claimed)} tokens per parameter; the lowest loss is at "
        f"{rounded(lowest)}. For a refit: {rounded(claimed_refit)}, lowest at {rounded(lowest_refit)}.",
        others={"printed": lowest, "refit": lowest_refit},
    )


def searched(fit: Fit, compute: float) -> float:
    """Tokens per parameter of the lowest loss, by trying 200,001 sizes from 1e8 to 1e13 parameters."""
    import numpy as np

    n = np.logspace(8, 13, 200_001)
    d = compute / 6 / n
    best = np.argmin(fit.e + fit.a / n**fit.alpha + fit.b / d**fit.beta)
    return float(d[best] / n[best])


EXHIBIT = Exhibit(
    number="E10",
    title="Twenty tokens per parameter",
    fault_name="Twenty tokens per parameter, from the wrong formula",
    chapters=("01",),
    questions=(),
    claim="20 tokens per parameter follows from L = 1.69 + 406.4 / N^0.34 + 410.7 / D^0.28.",
    quantity="relative error of the answer against the lowest loss of the formula",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.5, 1),
    healed=Range(0, 0.005),
    faulty={
        "rule_of_thumb = 20.0": (
            "The rule comes from the paper's other two methods. These rounded constants, taken at their word, give "
            "92.6 at this budget."
        ),
    },
    fine={
        "return rule_of_thumb": (
            "One number can be right only where the two exponents are equal; then it does not depend on the budget."
        ),
        "def wrong(": "The formula's constants and the budget decide the answer, and both are given.",
    },
    why_it_passes_review=(
        "Rule and formula come from one paper and are quoted side by side everywhere. Nobody minimises."
    ),
    repair=(
        "Minimise: D / N at N = G (C/6)^(beta/(alpha+beta)). With the constants refitted to the paper's own points "
        "it is 18.4 at 5.76e23 FLOPs, near the rule."
    ),
    source=(
        "Printed constants: arXiv 2203.15556; refit: arXiv 2404.10102 (E 1.8172, A 482.01, B 2085.43, alpha 0.3478, "
        "beta 0.3658), read in notes that quote its table; both minimised here."
    ),
)
