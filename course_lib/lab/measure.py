"""Count floating-point operations, time with spread, take peak memory, and print figures with one rounding rule."""

from __future__ import annotations

import html
import math
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def count_flops(fn: Callable, *args: Any, **kwargs: Any) -> int:
    """Floating-point operations of `fn(*args, **kwargs)`, backward passes inside it included.

    A multiply and an add are two operations; matrix products, convolutions and attention are counted, element-wise
    work is not (torch.utils.flop_counter). Attention counts all pairs, causal or not, and its backward pass recomputes
    the scores: 2.5 times the forward pass. torch 2.13 counts no attention on a CPU; the two kernels are added here.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    def forward(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return sdpa_flop_count(query, key, value)

    def backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return sdpa_backward_flop_count(grad, query, key, value)

    aten = torch.ops.aten
    on_cpu = {
        aten._scaled_dot_product_flash_attention_for_cpu: forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
    counter = FlopCounterMode(display=False, custom_mapping=on_cpu)
    with counter:
        fn(*args, **kwargs)
    return int(counter.get_total_flops())


class peak_memory:
    """Context manager; `.bytes` is the peak memory of the block.

    On CUDA and other accelerators with an allocator of their own: the highest number of bytes that torch had allocated
    on the device, all tensors counted (`torch.accelerator.max_memory_allocated`). On a CPU: how far the process' memory
    in RAM rose above its size at the start. Linux keeps that high-water mark exactly; elsewhere it is sampled each
    millisecond. Memory that the process had freed before and reuses does not raise it, so measure large things.
    """

    _open: list[peak_memory] = []  # noqa: RUF012 - shared on purpose: a nested block must not hide the outer one's peak

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> peak_memory:
        """Start counting."""
        import torch

        from course_lib.lab.device import device

        self._on_device = device().type not in ("cpu", "mps")
        if self._on_device:
            torch.accelerator.reset_peak_memory_stats()
            return self
        self._start = self._high = _rss()
        self._exact = _reset_high_water(peak_memory._open)
        peak_memory._open.append(self)
        if not self._exact:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop counting and set `.bytes`."""
        import torch

        if self._on_device:
            self.bytes = int(torch.accelerator.max_memory_allocated())
            return
        if self._exact:
            high = _high_water()
            for block in peak_memory._open:
                block._high = max(block._high, high)
        else:
            self._stop.set()
            self._thread.join()
        peak_memory._open.remove(self)
        self.bytes = max(0, max(self._high, _rss()) - self._start)

    def _sample(self) -> None:
        while not self._stop.wait(0.001):
            self._high = max(self._high, _rss())


def _rss() -> int:
    import psutil

    return psutil.Process().memory_info().rss


def _high_water() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_high_water(open_blocks: list[peak_memory]) -> bool:
    """Set the kernel's high-water mark of this process back to now, after noting it for the blocks already open."""
    if sys.platform != "linux":
        return False
    try:
        high = _high_water()
        for block in open_blocks:
            block._high = max(block._high, high)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated runs. median, low and high are of `runs`; printed with the unit that fits."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle run, in seconds."""
        return statistics.median(self.runs)

    @property
    def low(self) -> float:
        """The fastest run, in seconds."""
        return min(self.runs)

    @property
    def high(self) -> float:
        """The slowest run, in seconds."""
        return max(self.runs)

    def __str__(self) -> str:
        unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e3)) if self.median * s >= 1), ("µs", 1e6))
        middle, low, high = (rounded(x * scale) for x in (self.median, self.low, self.high))
        return f"{middle} {unit} ({low} to {high}, {len(self.runs)} run{'s' * (len(self.runs) > 1)})"

    __repr__ = __str__


def time_repeated(fn: Callable[[], Any], *, repeats: int = 5, warmup: int = 1) -> Timing:
    """Run `fn()` `warmup` times unmeasured, then `repeats` times measured; accelerators are waited for each time."""
    from course_lib.lab.device import synchronize

    if repeats < 1:
        raise ValueError(f"repeats={repeats}: at least one run must be measured.")
    for _ in range(warmup):
        fn()
    runs = []
    for _ in range(repeats):
        synchronize()
        start = time.perf_counter()
        fn()
        synchronize()
        runs.append(time.perf_counter() - start)
    return Timing(tuple(runs))


@dataclass(frozen=True)
class Rate:
    """An amount per second: value (amount / median seconds), the amount, its unit and the timing behind it."""

    amount: float
    unit: str
    timing: Timing

    @property
    def value(self) -> float:
        """Amount per second at the median run."""
        return self.amount / self.timing.median

    def __str__(self) -> str:
        slow, fast = self.amount / self.timing.high, self.amount / self.timing.low
        middle, low, high = (rounded(x / 1e9) for x in (self.value, slow, fast))
        return f"{middle} G{self.unit}/s ({low} to {high}, {len(self.timing.runs)} runs)"

    __repr__ = __str__


def matmul_flops_per_s(n: int = 512, repeats: int = 7) -> Rate:
    """FLOP per second of an (n, n) @ (n, n) product in fp32, 2·n³ FLOP each, on this process' device and threads."""
    import torch

    from course_lib.lab.device import device

    a, b = torch.ones(2, n, n, device=device())
    return Rate(2.0 * n**3, "FLOP", time_repeated(lambda: a @ b, repeats=repeats, warmup=2))


def copy_bytes_per_s(size: int = 64 * 2**20, repeats: int = 7) -> Rate:
    """Memory traffic of copying `size` bytes, in bytes per second: size read plus size written, as STREAM counts.

    Halve it for the bytes copied per second. `size` should be several times the last cache.
    """
    import torch

    from course_lib.lab.device import device

    source = torch.ones(size, dtype=torch.uint8, device=device())
    target = torch.empty_like(source)
    return Rate(2.0 * size, "B", time_repeated(lambda: target.copy_(source), repeats=repeats, warmup=2))


def rounded(x: Any, digits: int = 3) -> str:
    """A number as the course prints it: `digits` significant digits, trailing zeros dropped, never "-0".

    Whole numbers of type int are printed in full with thousands separators; 1-element tensors and arrays count as
    their number. Above 1e15 and below 1e-4 the exponent is written.
    """
    if hasattr(x, "item"):
        x = x.item()
    if isinstance(x, bool) or not isinstance(x, (int, float)):
        return str(x)
    if isinstance(x, int):
        return f"{x:,}"
    if not math.isfinite(x):
        return str(x)
    mantissa, _, exponent = f"{x:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if float(mantissa) == 0:
        return "0"
    if not -4 <= power < 15:
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{power}"
    text = f"{float(f'{mantissa}e{power}'):,.{max(0, digits - 1 - power)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Table:
    """Rows under a header; aligned text in a terminal, an HTML table in a notebook."""

    def __init__(self, rows: Sequence[Sequence[Any]], header: Sequence[str], digits: int = 3) -> None:
        for row in rows:
            if len(row) != len(header):
                raise ValueError(f"A row has {len(row)} cells and the header {len(header)}: {list(row)!r}.")
        self.header = [str(name) for name in header]
        self.cells = [[rounded(cell, digits) for cell in row] for row in rows]
        # A column is set to the right when all its cells are numbers.
        self._right = [
            bool(rows) and all(isinstance(row[i], (int, float)) or hasattr(row[i], "item") for row in rows)
            for i in range(len(header))
        ]

    def __repr__(self) -> str:
        widths = [max(len(line[i]) for line in [self.header, *self.cells]) for i in range(len(self.header))]

        def line(cells: list[str]) -> str:
            fitted = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, self._right, strict=True)]
            return "  ".join(fitted).rstrip()

        return "\n".join([line(self.header), line(["-" * width for width in widths]), *map(line, self.cells)])

    def _repr_html_(self) -> str:
        def line(tag: str, cells: list[str]) -> str:
            align = [f"text-align:{'right' if right else 'left'}" for right in self._right]
            inner = (f'<{tag} style="{a}">{html.escape(c)}</{tag}>' for c, a in zip(cells, align, strict=True))
            return "<tr>" + "".join(inner) + "</tr>"

        body = "".join(line("td", cells) for cells in self.cells)
        return f"<table><thead>{line('th', self.header)}</thead><tbody>{body}</tbody></table>"


def table(rows: Sequence[Sequence[Any]], header: Sequence[str], digits: int = 3) -> Table:
    """A table for a cell's last line; numbers are printed with `rounded`, columns of numbers are set to the right."""
    return Table(rows, header, digits)
