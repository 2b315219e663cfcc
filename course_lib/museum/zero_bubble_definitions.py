"""Exhibit E11: one letter with two meanings makes a pipeline's bubble vanish."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(p: int, f: float, b: float, w: float) -> float:
    """Bubble of ZB1P with p stages; f, b, w: time of forward, of backward for inputs, of backward for weights."""
    stages = p - 1
    bubble = f + b - 2 * w
    return stages * bubble


def repaired(p: int, f: float, b: float, w: float) -> float:
    """Bubble of ZB1P with p stages; f, b, w: time of forward, of backward for inputs, of backward for weights."""
    stages = p - 1
    bubble = f + b - w
    return stages * bubble


def measure(program: Callable[[int, float, float, float], float]) -> Finding:
    """Compare with an event simulation of the schedule for 4 and 8 stages, all three times equal."""
    ratio = max((program(p, 1, 1, 1) / simulated(p) for p in (4, 8)), key=lambda r: abs(r - 1))
    return Finding(
        ratio,
        "of the simulated bubble",
        f"With 4 stages and f = b = w = 1 the formula gives a bubble of {rounded(program(4, 1, 1, 1))}, with 8 of "
        f"{rounded(program(8, 1, 1, 1))}; simulated: {rounded(simulated(4))} and {rounded(simulated(8))}.",
        others={"simulated_4": simulated(4), "simulated_8": simulated(8)},
    )


def simulated(p: int, f: float = 1, b: float = 1, w: float = 1) -> float:
    """Time beyond the work itself, 2p micro-batches: a stage prefers b, then f (at most p - stage open), then w."""
    never, m = float("inf"), 2 * p
    clock = [0.0] * p
    forward, backward = [[never] * m for _ in range(p)], [[never] * m for _ in range(p)]
    done = [[0, 0, 0] for _ in range(p)]  # how many f, b and w each stage has finished
    while min(weights for _, _, weights in done) < m:
        options = []
        for stage, (nf, nb, nw) in enumerate(done):
            if nb < nf:
                ready = forward[stage][nb] if stage == p - 1 else backward[stage + 1][nb]
                options.append((max(clock[stage], ready), 0, stage))
            if nf < m and nf - nb < p - stage:
                ready = 0.0 if stage == 0 else forward[stage - 1][nf]
                options.append((max(clock[stage], ready), 1, stage))
            if nw < nb:
                options.append((clock[stage], 2, stage))
        start, kind, stage = min(options)
        clock[stage] = start + (b, f, w)[kind]
        column = (1, 0, 2)[kind]
        if kind < 2:
            (backward if kind == 0 else forward)[stage][done[stage][column]] = clock[stage]
        done[stage][column] += 1
    return max(clock) - m * (f + b + w)


EXHIBIT = Exhibit(
    number="E11",
    title="The bubble of ZB1P",
    fault_name="One letter, two backward passes",
    chapters=("09",),
    questions=(),
    claim="ZB1P's bubble is (p - 1)(F + B - 2W), so with F = B = W = 1, the zero-bubble paper's case, it is 0.",
    quantity="the formula's bubble over the simulated one",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0, 0.01),
    healed=Range(0.999, 1.001),
    faulty={
        "bubble = f + b - 2 * w": (
            "Where this formula stands, B is the full backward pass. Here b is the backward for inputs only, so w "
            "is subtracted once too often."
        ),
    },
    fine={
        "stages = p - 1": "The pipeline fills over p - 1 stages, in both papers.",
        "return stages * bubble": "Each of them waits that long.",
    },
    why_it_passes_review=(
        "Both formulas are printed, each is right in its own letters, and a bubble of zero is what the name promises."
    ),
    repair=(
        "(p - 1)(F + B_in - W), the same as (p - 1)(F + B_full - 2W) with B_full = B_in + W. Write which backward "
        "you mean."
    ),
    source=(
        "F + B - 2W with B the full backward: read in the DualPipe repository's table (DeepSeek-V3, arXiv "
        "2412.19437); the other: zero bubble, arXiv 2401.10241. Simulated here."
    ),
)
