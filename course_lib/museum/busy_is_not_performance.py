"""Exhibit 23: the share of time in which a kernel runs is reported as performance."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import matmul_flops_per_s, rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(smi_output: str, flops: float, seconds: float, peak_flops_per_s: float) -> float:
    """How much of the device's compute performance is used, from 0 to 1."""
    rows = smi_output.strip().splitlines()[1:]
    percent = [float(row.removesuffix("%")) for row in rows]
    return sum(percent) / len(percent) / 100


def repaired(smi_output: str, flops: float, seconds: float, peak_flops_per_s: float) -> float:
    """How much of the device's compute performance is used, from 0 to 1 (model FLOPs utilisation)."""
    return flops / seconds / peak_flops_per_s


def measure(program: Callable[[str, float, float, float], float]) -> Finding:
    """Keep the processor busy with sums of 4 million numbers, and compare with its own matrix products."""
    import time

    import torch

    a, b = torch.ones(2, 4_000_000)
    target = torch.empty_like(a)
    torch.add(a, b, out=target)
    busy = 0.0
    start = time.perf_counter()
    for _ in range(20):
        begin = time.perf_counter()
        torch.add(a, b, out=target)  # 4 million additions, and 48 MB to move for them
        busy += time.perf_counter() - begin
    seconds = time.perf_counter() - start
    smi_output = f"utilization.gpu [%]\n{100 * busy / seconds:.0f} %\n"
    peak = matmul_flops_per_s().value
    reported = program(smi_output, 20 * 4e6, seconds, peak)
    try:
        float(smi_output)
        readable = True
    except ValueError:
        readable = False
    size = "above 90 %" if reported > 0.9 else "below 30 %" if reported < 0.3 else f"{rounded(100 * reported, 2)} %"
    return Finding(
        reported,
        "of the performance",
        f"A loop of additions, busy all the time and bound by memory, is reported to use {size} of the performance.",
        others={"float_reads_the_raw_output": float(readable), "achieved_over_peak": 20 * 4e6 / seconds / peak},
    )


EXHIBIT = Exhibit(
    number="23",
    title="98 % utilisation",
    fault_name="Busy is not performance",
    chapters=("01",),
    questions=("s000-q03", "s001-q06"),
    claim="nvidia-smi says 98 % utilisation, so 98 % of the GPU's performance is used.",
    quantity="the share of performance that a memory-bound loop is said to use",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.9, 1.01),
    healed=Range(0, 0.3),
    faulty={
        "return sum(percent)": (
            "utilization.gpu is the share of samples in which at least one kernel was running. How much the kernel "
            "computed is not in it."
        ),
    },
    fine={
        "splitlines()[1:]": "The first line is a header: float() of the raw output raises (or ask for noheader).",
        'float(row.removesuffix("%"))': "Each row ends in a per cent sign, and there is one row per GPU.",
    },
    why_it_passes_review=(
        "The counter is called utilisation, every dashboard shows it and it is near 100 % on a working machine. A "
        "team at 98 % can be at a tenth of peak, and buys more machines."
    ),
    repair="Count the FLOPs of the model, divide by time and by the device's peak: model FLOPs utilisation.",
)
