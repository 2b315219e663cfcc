"""Exhibit E1: the speed-up of speculative decoding without the token that every pass adds."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(alpha: float, k: int, c: float) -> float:
    """Speed-up of speculative decoding: acceptance rate alpha, k drafted tokens, a draft step costing c passes."""
    tokens = alpha * (1 - alpha**k) / (1 - alpha)
    cost = 1 + k * c
    return tokens / cost


def repaired(alpha: float, k: int, c: float) -> float:
    """Speed-up of speculative decoding: acceptance rate alpha, k drafted tokens, a draft step costing c passes."""
    tokens = (1 - alpha ** (k + 1)) / (1 - alpha)
    cost = 1 + k * c
    return tokens / cost


def measure(program: Callable[[float, int, float], float]) -> Finding:
    """Compare the formula with 50,000 simulated passes at three settings."""
    gaps = {
        setting: program(*setting) / simulated(*setting) - 1
        for setting in ((0.8, 4, 0.1), (0.6, 2, 0.05), (0.3, 6, 0.2))
    }
    worst = max(gaps.values(), key=abs)
    claimed, counted = program(0.8, 4, 0.1), simulated(0.8, 4, 0.1)
    return Finding(
        abs(worst),
        "relative error",
        f"At alpha 0.8, k 4, c 0.1 the formula says {claimed:.3f} times faster; 50,000 simulated passes give "
        f"{rounded(counted)}. At its worst of three settings it is {rounded(100 * abs(worst), 2)} % off.",
        others={"claimed": claimed, "simulated": counted},
    )


def simulated(alpha: float, k: int, c: float, passes: int = 50_000) -> float:
    """Tokens per unit of cost when each drafted token is accepted with probability alpha until one is refused."""
    import random

    generator = random.Random(0)
    tokens = 0
    for _ in range(passes):
        accepted = 0
        while accepted < k and generator.random() < alpha:
            accepted += 1
        tokens += accepted + 1  # the pass itself yields the correction, or after k accepted tokens one more
    return tokens / (passes * (1 + k * c))


EXHIBIT = Exhibit(
    number="E1",
    title="The speed-up of speculative decoding",
    fault_name="The token that every speculative pass adds",
    chapters=("17",),
    questions=(),
    claim="Speculative speed-up is alpha (1 - alpha^k) / (1 - alpha) / (1 + k c): 1.687 at 0.8, 4 and 0.1.",
    quantity="the formula's relative error against a simulation, at its worst of three settings",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.15, 1),
    healed=Range(0, 0.02),
    faulty={
        "tokens = alpha * (1 - alpha**k)": (
            "It counts accepted drafts only. The target's own pass always yields one more token: the corrected one, "
            "or a bonus after k accepted."
        ),
    },
    fine={
        "cost = 1 + k * c": "One pass of the target and k draft steps of cost c each.",
        "return tokens / cost": "Plain decoding makes one token per pass of cost 1, so this is the speed-up.",
    },
    why_it_passes_review=(
        "It is the expected number of accepted drafts, correctly derived. It is even the specification of a problem "
        "that is graded automatically, so a right answer fails there."
    ),
    repair="(1 - alpha^(k+1)) / (1 - alpha) tokens per pass: 2.401 times at these numbers.",
    source=(
        "Formula: Leviathan and others, arXiv 2211.17192; recomputed here by simulation. The claim was read on a "
        "public practice site for interview problems."
    ),
)
