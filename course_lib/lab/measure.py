"""Time with spread, rates of this machine, and figures printed with one rounding rule."""

from __future__ import annotations

import html
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from course_lib.lab.flops import count_flops as count_flops  # museum, bank and tests import it from here


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


def thread_time_repeated(
    fns: Mapping[str, Callable[[], Any]], *, repeats: int = 10, warmup: int = 1
) -> dict[str, float]:
    """Least CPU-seconds that this thread spends in each of `fns`, by name, over `repeats` interleaved rounds.

    `time.thread_time` stands still while another process has the core, so that a busy machine changes it little; it
    also stands still while other threads of torch compute: set `torch.set_num_threads(1)`, or their work is not seen.
    Each round runs every function once, in the order given and then in the reverse order, so that no function always
    runs after the same neighbour. Waiting (sleep, communication, an accelerator) costs no CPU-seconds.
    """
    if not fns:
        raise ValueError("There is nothing to time: hand over at least one function, as {'name': function}.")
    if repeats < 1:
        raise ValueError(f"repeats={repeats}: at least one round must be measured.")
    for fn in fns.values():
        for _ in range(warmup):
            fn()
    least = dict.fromkeys(fns, math.inf)
    for turn in range(repeats):
        for name in fns if turn % 2 == 0 else reversed(fns):
            start = time.thread_time()
            fns[name]()
            least[name] = min(least[name], time.thread_time() - start)
    return least


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
    """Rows under a header; aligned text in a terminal, an HTML table in a notebook.

    varies, fixed: what a comparison changes from row to row, and what it holds; shown below the rows.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[Any]],
        header: Sequence[str],
        digits: int = 3,
        varies: str | None = None,
        fixed: str | None = None,
    ) -> None:
        if (varies is None) != (fixed is None):
            raise ValueError("A comparison names both what it varies and what it holds fixed: give varies= and fixed=.")
        self.factors = f"Varies: {varies}. Held fixed: {fixed}." if varies is not None else ""
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

        lines = [line(self.header), line(["-" * width for width in widths]), *map(line, self.cells)]
        return "\n".join([*lines, *([self.factors] if self.factors else [])])

    def _repr_html_(self) -> str:
        def line(tag: str, cells: list[str]) -> str:
            align = [f"text-align:{'right' if right else 'left'}" for right in self._right]
            inner = (f'<{tag} style="{a}">{html.escape(c)}</{tag}>' for c, a in zip(cells, align, strict=True))
            return "<tr>" + "".join(inner) + "</tr>"

        body = "".join(line("td", cells) for cells in self.cells)
        below = f"<p>{html.escape(self.factors)}</p>" if self.factors else ""
        return f"<table><thead>{line('th', self.header)}</thead><tbody>{body}</tbody></table>{below}"


def table(
    rows: Sequence[Sequence[Any]],
    header: Sequence[str],
    digits: int = 3,
    *,
    varies: str | None = None,
    fixed: str | None = None,
) -> Table:
    """A table for a cell's last line; numbers are printed with `rounded`, columns of numbers are set to the right.

    varies, fixed: of a comparison, what differs between the rows and what does not, so that a reader can object; both
    or neither, else ValueError.
    """
    return Table(rows, header, digits, varies, fixed)
