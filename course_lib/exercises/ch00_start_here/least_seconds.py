"""Exercise 00.least_seconds: no machine can do a matrix product faster than its arithmetic and its memory allow.

The roofline model: Williams, Waterman and Patterson, "Roofline" (CACM 2009).
"""

from __future__ import annotations

from course_lib.practice.checks.exercise import traps
from course_lib.practice.checks.forms.arguments import one_of, real, whole
from course_lib.practice.checks.forms.by_cases import by_cases


def least_seconds(
    m: int,
    k: int,
    n: int,
    flops_per_s: float,
    bytes_per_s: float,
    bytes_per_element: int = 4,
) -> float:
    """Least seconds of a product of (m, k) and (k, n), each matrix moved once."""
    raise NotImplementedError


def reference(m: int, k: int, n: int, flops_per_s: float, bytes_per_s: float, bytes_per_element: int = 4) -> float:
    """Lower bound of the seconds that a product of (m, k) and (k, n) takes, each matrix moved once."""
    compute = 2 * m * k * n / flops_per_s
    memory = bytes_per_element * (m * k + k * n + m * n) / bytes_per_s
    return max(compute, memory)


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


EXERCISE = by_cases(
    id="00.least_seconds",
    title="The least time of a matrix product",
    difficulty=1,
    minutes=5,
    place=2,
    task="""
A machine does at most `flops_per_s` and moves at most `bytes_per_s` between memory and processor, both at once.
What is the least time in seconds of a product of an (m, k) and a (k, n) matrix, each of the three matrices moved once?
An example: 512 by 512 by 512 in float32 on a machine of 100 GFLOP/s and 10 GB/s takes at least 2.68 ms.
""",
    stub=least_seconds,
    reference=reference,
    arguments={
        **{name: whole(1, 8_192) for name in "mkn"},
        "flops_per_s": real(1e10, 1e15),
        "bytes_per_s": real(1e9, 3e12),
        "bytes_per_element": one_of(1, 2, 4, 8),
    },
    examples=(
        (512, 512, 512, 1e11, 1e10),
        (4_096, 4_096, 4_096, 3e10, 1e12, 2),
        (1_024, 4_096, 512, 2e11, 3e12, 8),
        (1, 4_096, 4_096, 1e15, 3e11, 2),
    ),
    passes="The larger of both times, for square, thin and one-row products and all sizes of elements.",
    otherwise="Two times, one for 2·m·k·n FLOPs, one for the bytes of three matrices; the product cannot beat either.",
    wrong=traps("""
        adds both: max(compute, memory) => compute + memory
            Both go on at the same time: the longer one decides. Their sum is what a machine without
            overlap takes.
        takes the shorter: max( => min(
            That is the shorter of both. The product is done when arithmetic and memory are both done.
        counts one flop: 2 * m => m
            A multiplication and an addition are two FLOPs.
        forgets the result: + m * n =>
            The result is moved too: it has m·n elements to write.
        knows only float32: bytes_per_element * ( => 4 * (
            bytes_per_element is not always 4.
    """),
    cheats=traps("""
        types the example in: max(compute, memory) => 0.00268435456
            It is right for 512 on the task's machine and the same for all others: a number typed in is
            not a bound.
    """),
    alternatives=(_by_intensity, _by_cases),
    budget="one expression; no product is run",
    arithmetic=True,
    hints=(
        "Imagine a machine whose memory is infinitely fast: how long does the product take? Then one whose "
        "arithmetic is.",
        "Count the bytes of all three matrices, the result among them, with bytes_per_element. You have two times "
        "now: can the product be done before the later of them?",
        "FLOPs are 2·m·k·n, bytes are bytes_per_element·(m·k + k·n + m·n). Divide each by its rate and take the "
        "maximum.",
    ),
    explanation="The maximum of both times is the roofline. With m = 1, a matrix times a vector as in generating one "
    "token, there are about 2 / bytes_per_element FLOPs for each byte, 0.5 in float32: the bytes of the weights decide "
    "wherever a machine can do more than that per byte moved, as processors and GPUs of today can. With more rows each "
    "weight is used more often, until arithmetic decides; both meet where FLOPs per byte are the machine's.",
)
