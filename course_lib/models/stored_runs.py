"""Runs that take minutes, stored once with all that made them; a reader trains two or three again and compares.

A file is `course_lib/<part>/runs/NAME.json`, smaller than 60 kB: rows and what they scored, no curves.

    name, about          what it shows, in one sentence
    made_by              "module:function" that makes one row: function(**recipe, **what varies) -> {measure: value}
    recipe               the arguments that are the same in every row
    varies               the names in a row that are arguments
    measures             each name in a row that is a result, with how far a run elsewhere may lie from it (two-sided)
    versions, seconds    torch and Python that made it, and CPU-seconds of one thread altogether
    data_sha256          of the data, `Corpus.load().sha256` for the course's text
    rows                 the runs
"""

from __future__ import annotations

import json
import math
import platform
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from course_lib.data.text import Corpus

MOST_BYTES = 60_000
Row = dict[str, Any]


@dataclass(frozen=True, repr=False)
class StoredRuns:
    """The runs of one file; the fields are the module's. Rows are in the file's order."""

    name: str
    about: str
    made_by: str
    recipe: Row
    varies: list[str]
    measures: dict[str, float]
    versions: dict[str, str]
    seconds: float
    data_sha256: str
    rows: list[Row]

    def where(self, **conditions: Any) -> list[Row]:
        """The rows that have these values. ValueError if there is none, so that a mean of nothing is not printed."""
        found = [row for row in self.rows if all(row.get(key) == value for key, value in conditions.items())]
        if not found:
            raise ValueError(f"The runs {self.name!r} have no row with {_words(conditions)}.")
        return found

    def mean(self, measure: str, **conditions: Any) -> tuple[float, float, int]:
        """Mean, sample standard deviation (0 for one row) and number of a measure over the rows that match."""
        values = [row[measure] for row in self.where(**conditions)]
        return fmean(values), stdev(values) if len(values) > 1 else 0.0, len(values)

    def sample(self, count: int, seed: int | None = None, **conditions: Any) -> list[Row]:
        """Some of the rows that match, drawn anew each time unless a seed is given."""
        rows = self.where(**conditions)
        return random.Random(seed).sample(rows, min(count, len(rows)))

    def __repr__(self) -> str:
        return f"{self.name}: {len(self.rows)} runs, torch {self.versions['torch']}, {self.seconds:.0f} CPU-seconds"


@dataclass(frozen=True)
class Compared:
    """One row trained again: what the file says of a measure, what this machine found, and how far they may differ."""

    row: Row
    measure: str
    stored: float
    live: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the two lie within the tolerance of one another."""
        return abs(self.live - self.stored) <= self.tolerance


def load_runs(path: Path | str, data_sha256: str | None = None) -> StoredRuns:
    """Read a file of stored runs. data_sha256: of the data they must have been made on; by itself the course's text.

    Raises:
        ValueError: the file is missing, larger than 60 kB, not JSON, not of this form, or made on other data; one
            sentence says which file and what.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There are no stored runs at {path}: name a file of course_lib/…/runs/.")
    if path.stat().st_size >= MOST_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes: stored runs stay below {MOST_BYTES:,}, rows only.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except ValueError as problem:
        raise ValueError(f"{path} is not JSON ({problem}).") from None
    fault = _fault(content)
    if fault:
        raise ValueError(f"{path} does not hold stored runs: {fault}.")
    runs = StoredRuns(**content)
    if runs.data_sha256 != (data_sha256 or Corpus.load().sha256):
        raise ValueError(f"{path} was made on other data than this ({runs.data_sha256[:12]}…): make its runs again.")
    return runs


def save_runs(runs: StoredRuns, path: Path) -> None:
    """Write a file of stored runs, a row a line, after it was checked as `load_runs` checks it."""
    content = asdict(runs)
    rows = ",\n".join(f"  {json.dumps(row)}" for row in content.pop("rows"))
    text = json.dumps(content, indent=1, ensure_ascii=False)[:-2] + f',\n "rows": [\n{rows}\n ]\n}}\n'
    fault = _fault(json.loads(text)) or ("it is too large" if len(text.encode()) >= MOST_BYTES else "")
    if fault:
        raise ValueError(f"The runs {runs.name!r} cannot be stored: {fault}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def retrain(runs: StoredRuns, rows: Sequence[Row], train: Callable[..., dict[str, float]]) -> list[Compared]:
    """Make some rows again with `train(**recipe, **what varies)` and compare every measure within its tolerance.

    Returns one entry a row and measure.

    Raises:
        ValueError: no row was given, a row is not of these runs, or `train` does not return the measures.
        AssertionError: a live value lies further from the stored one than the file allows; it names the row.
    """
    if not rows:
        raise ValueError(f"Name the rows of {runs.name!r} to train again, for instance runs.sample(2).")
    compared = []
    for row in rows:
        if row not in runs.rows:
            raise ValueError(
                f"{row} is not one of the rows of {runs.name!r}: take rows from runs.sample or runs.where."
            )
        live = train(**runs.recipe, **{key: row[key] for key in runs.varies})
        lacking = set(runs.measures) - set(live)
        if lacking:
            raise ValueError(f"The training function did not return {', '.join(sorted(lacking))}.")
        compared += [Compared(row, key, row[key], live[key], most) for key, most in runs.measures.items()]
    for each in compared:
        varied = {key: each.row[key] for key in runs.varies}
        assert each.agrees, (
            f"{runs.name}, {_words(varied)}: {each.measure} is {each.live:.4g} here and {each.stored:.4g} in the file, "
            f"further apart than {each.tolerance:g}."
        )
    return compared


def versions() -> dict[str, str]:
    """What belongs into a file's `versions`."""
    return {"torch": torch.__version__.split("+")[0], "python": platform.python_version()}


def _no_constant(name: str) -> float:
    raise ValueError(f"it holds {name}")


def _words(values: Row) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in values.items())


def _fault(content: object) -> str:
    """What keeps a parsed file from being stored runs, in a clause; empty if nothing does."""
    if not isinstance(content, dict):
        return "it is no JSON object"
    kinds = {"name": str, "about": str, "made_by": str, "recipe": dict, "varies": list, "measures": dict}
    kinds |= {"versions": dict, "seconds": (int, float), "data_sha256": str, "rows": list}
    if set(content) != set(kinds):
        wrong = sorted(set(content) ^ set(kinds))
        return f"its entries differ from the form in {', '.join(map(repr, wrong))}"
    for key, kind in kinds.items():
        if not isinstance(content[key], kind):
            return f"its {key!r} is {content[key]!r:.40}"
    if not content["rows"] or not content["measures"] or "torch" not in content["versions"]:
        return "it lacks rows, measures or the version of torch"
    if "seed" not in {*content["recipe"], *content["varies"]}:
        return "neither its recipe nor what varies names a seed"
    if not all(_number(most) and most > 0 for most in content["measures"].values()):
        return "a measure's tolerance is not a number above 0"
    wanted = {*content["varies"], *content["measures"]}
    for i, row in enumerate(content["rows"]):
        if not isinstance(row, dict) or set(row) - {"seconds"} != wanted:
            return f"row {i} does not have exactly {', '.join(sorted(wanted))}"
        if not all(_number(row[key]) for key in content["measures"]):
            return f"row {i} has a measure that is not a number"
    return ""


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
