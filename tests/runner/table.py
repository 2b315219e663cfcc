"""The table that ends a test run."""

from __future__ import annotations

from typing import Any

HEADER = ("chapter", "compared / run", "seconds", "peak MB", "largest MB", "result")


def table(rows: list[dict[str, Any]]) -> str:
    """Return one aligned line per notebook; memory in MB (10^6 bytes)."""
    lines = [HEADER, *(_line(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    text = []
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(value.rjust(w) for value, w in zip(line[1:-1], widths[1:-1], strict=True))]
        text.append("   ".join([*cells, line[-1]]))
    measure = {row.get("measure") for row in rows} - {None}
    if measure:
        name = " and ".join(sorted(measure))
        text.append(f"Memory: peak {name} of the kernel with all its processes, and of the largest one of them.")
    return "\n".join(text)


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    if "run" not in row:
        return row["name"], "-", "-", "-", "-", row["result"]
    sizes = (f"{row['peak'] / 1e6:.0f}", f"{row['largest'] / 1e6:.0f}")
    return row["name"], f"{row['compared']} / {row['run']}", f"{row['seconds']:.1f}", *sizes, row["result"]
