"""Exercise 00.least_seconds: no machine can do a matrix product faster than its arithmetic and its memory allow.

The roofline model: Williams, Waterman and Patterson, "Roofline" (CACM 2009).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

from course_lib.practice.checks.exercise import Exercise, Trial, Wrong
from course_lib.practice.checks.verdict import Finding, failed, kind, passed


def least_seconds(m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4) -> float:
    """Lower bound of the seconds that a product of (m, k) and (k, n) takes, each matrix moved once."""
    raise NotImplementedError


def reference(m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4) -> float:
    """Lower bound of the seconds that a product of (m, k) and (k, n) takes, each matrix moved once."""
    moved = bytes_per_element * (m * k + k * n + m * n)
    return max(2 * m * k * n / flops_per_s, moved / bytes_per_s)


def trials(rng: random.Random) -> list[Trial]:
    """A square product, a thin one and a vector, on machines drawn at random."""
    asked: list[list[Any]] = [[512, 512, 512, 1e11, 1e10]]
    for size in (8, 64, 2_048):
        flops_per_s, bytes_per_s = rng.uniform(1e10, 1e15), rng.uniform(1e9, 3e12)
        asked.append([rng.randint(1, 8), size, rng.randint(64, 8_192), flops_per_s, bytes_per_s, rng.choice([1, 2, 8])])
    asked.append([4_096, 4_096, 4_096, rng.uniform(1e10, 1e11), 1e12])
    asked.append([1, 4_096, 4_096, 1e15, rng.uniform(1e11, 1e12), 2])
    return [Trial("", 1, {"asked": asked})]


def drive(answer: Callable[..., Any], rank: int, asked: list[list[Any]]) -> list[Any]:
    """Ask for each product and machine."""
    return [answer(*one) for one in asked]


def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
    """Compare with the larger of both times."""
    for number, (asked, got) in enumerate(zip(trial.given["asked"], seen[0], strict=True)):
        if type(got) not in (float, int):
            yield failed(f"least_seconds returned {kind(got)}; expected float.")
            return
        m, k, n, flops_per_s, bytes_per_s, size = asked if len(asked) == 6 else [*asked, 4]
        moved, flops = size * (m * k + k * n + m * n), 2 * m * k * n
        times = flops / flops_per_s, moved / bytes_per_s
        if not math.isclose(got, max(times), rel_tol=1e-9):
            text = (
                f"({m}, {k}) times ({k}, {n}) at {flops_per_s:.3g} FLOP/s and {bytes_per_s:.3g} B/s, {size} bytes per "
                f"element: {got:.4g} s, not {max(times):.4g} s."
            )
            yield failed(text, _why(got, times, (m, k, n), asked, number))
            return
    yield passed("The larger of both times, for square, thin and one-row products and three sizes of elements.")


def _why(got: float, times: tuple[float, float], shape: tuple[int, int, int], asked: list[Any], number: int) -> str:
    m, k, n = shape
    arithmetic, memory = times
    size = asked[5] if len(asked) == 6 else 4

    def is_(*candidates: float) -> bool:
        return any(math.isclose(got, candidate, rel_tol=1e-9) for candidate in candidates)

    if is_(arithmetic + memory):
        return "Both go on at the same time: the longer one decides. Their sum is what a machine without overlap takes."
    if is_(min(times)):
        return "That is the shorter of both. The product is done when arithmetic and memory are both done."
    if is_(arithmetic / 2):
        return "A multiplication and an addition are two FLOPs."
    if is_(memory * (m * k + k * n) / (m * k + k * n + m * n)):
        return "The result is moved too: it has m·n elements to write."
    if is_(memory * 4 / size) and size != 4:
        return "bytes_per_element is not always 4."
    if number and is_(2 * 512**3 / 1e11):
        return (
            "It is right for 512 on the task's machine and the same for all others: a number typed in is not a bound."
        )
    return "Two times, one for 2·m·k·n FLOPs and one for the bytes of three matrices; the product cannot beat either."


def _adds_both(m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4) -> float:
    return 2 * m * k * n / flops_per_s + bytes_per_element * (m * k + k * n + m * n) / bytes_per_s


def _takes_the_shorter(
    m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4
) -> float:
    return min(2 * m * k * n / flops_per_s, bytes_per_element * (m * k + k * n + m * n) / bytes_per_s)


def _counts_one_flop(
    m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4
) -> float:
    return max(m * k * n / flops_per_s, bytes_per_element * (m * k + k * n + m * n) / bytes_per_s)


def _forgets_the_result(
    m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4
) -> float:
    return max(2 * m * k * n / flops_per_s, bytes_per_element * (m * k + k * n) / bytes_per_s)


def _knows_only_float32(
    m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4
) -> float:
    return max(2 * m * k * n / flops_per_s, 4 * (m * k + k * n + m * n) / bytes_per_s)


def _by_intensity(m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4) -> float:
    """Write it as the roofline: FLOPs over the rate that this many FLOPs per byte allow."""
    flops = 2.0 * m * n * k
    intensity = flops / (bytes_per_element * (k * (m + n) + m * n))
    return flops / min(flops_per_s, intensity * bytes_per_s)


def _by_cases(m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4) -> float:
    """Write it as a question: which of both is the bottleneck?"""
    elements = sum((m * k, k * n, n * m))
    compute, memory = (2 * m * k * n) / flops_per_s, elements * bytes_per_element / bytes_per_s
    return compute if compute > memory else memory


def _typed_in(m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4) -> float:
    return 0.00268435456


EXERCISE = Exercise(
    id="00.least_seconds",
    title="The least time of a matrix product",
    difficulty=1,
    minutes=5,
    place=2,
    budget="one expression; no product is run",
    task="""
A machine does at most `flops_per_s` and moves at most `bytes_per_s` between memory and processor, both at once.
What is the least time in seconds of a product of an (m, k) and a (k, n) matrix, each of the three matrices moved once?
An example: 512 by 512 by 512 in float32 on a machine of 100 GFLOP/s and 10 GB/s takes at least 2.68 ms.
""",
    stub=least_seconds,
    reference=reference,
    trials=trials,
    drive=drive,
    judge=judge,
    limit=5.0,
    hints=(
        "Imagine a machine whose memory is infinitely fast: how long does the product take? Then one whose "
        "arithmetic is.",
        "Count the bytes of all three matrices, the result among them, with bytes_per_element. You have two times "
        "now: can the product be done before the later of them?",
        "FLOPs are 2·m·k·n, bytes are bytes_per_element·(m·k + k·n + m·n). Divide each by its rate and take the "
        "maximum.",
    ),
    explanation="The maximum of both times is the roofline. With m = 1, a matrix times a vector as in generating one "
    "token, the bytes of the weights decide on every machine; with thousands of rows arithmetic does. Where they "
    "meet is the machine's FLOPs per byte.",
    wrong=(
        Wrong(_adds_both, "the longer one decides"),
        Wrong(_takes_the_shorter, "the shorter of both"),
        Wrong(_counts_one_flop, "are two FLOPs"),
        Wrong(_forgets_the_result, "The result is moved too"),
        Wrong(_knows_only_float32, "not always 4"),
    ),
    alternatives=(_by_intensity, _by_cases),
    cheats=(Wrong(_typed_in, "a number typed in is not a bound"),),
)
