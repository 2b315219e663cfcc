"""Known answers: what a measured quantity must be, read from one place by notebooks, tests and cards.

known("ring_all_reduce_factor", n=4).value        # 1.5
known("ring_all_reduce_bytes", n=4, K=1000).check(sent.bytes)
"""

from __future__ import annotations

import ast
import difflib
import math
import numbers
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from course_lib.practice.knowledge.curriculum import Chapter, bank, rooms
from course_lib.practice.knowledge.yaml_file import BankError, read

# What an expression of the bank may use; anything else is refused, so that data can never run code.
_OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
_FUNCTIONS: dict[str, Callable] = {
    "min": min,
    "max": max,
    "sqrt": math.sqrt,
    "log2": math.log2,
    "log": math.log,
    "exp": math.exp,
    "ceil": math.ceil,
    "floor": math.floor,
}
_FIELDS = ("k", "quantity", "unit", "formula", "tolerance", "source", "flag")


@dataclass(frozen=True)
class Known:
    """A known answer at given arguments. value is in `unit`; tolerance is the row's: kind and bounds."""

    key: str
    k: int
    quantity: str
    value: float
    unit: str
    formula: str
    arguments: dict[str, float]
    tolerance: dict[str, Any]
    source: str
    flag: str
    chapter: Chapter
    beside: tuple[str, ...] = ()  # keys of other definitions that go by the same name, or by a similar one

    def __str__(self) -> str:
        given = "".join(f", {name} = {value:,.10g}" for name, value in self.arguments.items())
        text = f"{self.quantity}: {self.formula}{given}: {self.value:,.6g} {self.unit} ({self.source})"
        rows = load()
        others = (f"{rows[key]['quantity']}: {rows[key]['formula']} [{key}]" for key in self.beside)
        return "\n".join([text, *(f"  not the same as {other}" for other in others)])

    def check(self, measured: Any, unit: str | None = None) -> Any:
        """Return `measured` if it is within the tolerance; otherwise raise AssertionError with both numbers and why.

        measured: a number, or a tensor or array of one element. unit: what it is measured in; another unit than this
        answer's is a ValueError, and so is measuring a quoted value.
        """
        kind = self.tolerance["kind"]
        if unit is not None and unit != self.unit:
            raise ValueError(f"{self.key} is in {self.unit!r}, the measurement in {unit!r}: convert it first.")
        if kind == "quote":
            raise ValueError(
                f"{self.key} is quoted from {self.source}: it has no tolerance to check a measurement with."
            )
        try:
            number = float(measured.item() if hasattr(measured, "item") else measured)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise ValueError(
                f"{self.key}: a measurement is one number, or a tensor or array of one element, and not of type "
                f"{type(measured).__name__}."
            ) from None
        low, high = self.bounds
        if not low <= number <= high:
            given = ", ".join(f"{name} = {value:,.10g}" for name, value in self.arguments.items())
            wanted = f"{self.value:,.10g} {self.unit}"
            if kind == "range":
                wanted = f"between {low:,.6g} and {high:,.6g} {self.unit} ({wanted} in the source)"
            elif kind != "exact":
                wanted += f" ± {(high - low) / 2:,.3g}"
            raise AssertionError(
                f"{self.key}: measured {number:,.10g}, known {wanted}, by {self.formula}"
                f"{' with ' + given if given else ''}. Source: {self.source}."
            )
        return measured

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value that `check` accepts."""
        kind, bound = self.tolerance["kind"], float(self.tolerance.get("bound", 0))
        if kind == "range":
            return float(self.tolerance.get("low", -math.inf)), float(self.tolerance.get("high", math.inf))
        # "exact" leaves room for the rounding of one division in floating point, and for nothing else.
        room = {"exact": 1e-12 * abs(self.value), "abs": bound, "rel": bound * abs(self.value)}[kind]
        return self.value - room, self.value + room


def known(key: str, **arguments: float) -> Known:
    """The known answer `key`, evaluated at its arguments; numpy's numbers and tensors of one element count as theirs.

    ValueError in one sentence for an unknown key (with the nearest ones) and for a missing, unexpected or impossible
    argument.
    """
    rows = load()
    if not isinstance(key, str):
        raise ValueError(f"A known answer is asked for by its key, such as {next(iter(rows))!r}, and not by {key!r}.")
    if key not in rows:
        sharing = [other for other in rows if set(key.split("_")) & set(other.split("_"))]
        near = (difflib.get_close_matches(key, rows, n=3, cutoff=0.6) or sharing)[:3]
        hint = f"is it {' or '.join(near)}?" if near else "course_lib/bank/known lists them, chapter by chapter."
        raise ValueError(f"There is no known answer {key!r}: {hint}")
    row = rows[key]
    wanted: dict[str, dict] = row.get("arguments", {})
    if set(arguments) != set(wanted):
        needs = ", ".join(f"{name} ({about['about']})" for name, about in wanted.items()) or "no argument"
        raise ValueError(f"{key} needs {needs}; it got {', '.join(arguments) or 'none'}.")
    arguments = {name: _argument(key, name, value, wanted[name]) for name, value in arguments.items()}
    value = _evaluated(key, row["expression"], arguments) if "expression" in row else row["value"]
    fields = {name: row[name] for name in (*_FIELDS, "chapter")}
    return Known(key=key, value=value, arguments=arguments, beside=tuple(row.get("beside", ())), **fields)


def keys() -> list[str]:
    """The keys of all known answers, in the order of the chapters."""
    return list(load())


def load() -> dict[str, dict[str, Any]]:
    """The rows of bank/known by key, each with its `chapter`. BankError for a file that is damaged, as `parse` says."""
    return _bank()[0]


def left_out() -> list[dict[str, Any]]:
    """What the list of known answers names and the bank does not hold: `k`, `what`, the `reason`, its `chapter`."""
    return _bank()[1]


@lru_cache(maxsize=1)
def _bank() -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    texts = {path.name: path.read_text(encoding="utf-8") for path in rooms(bank() / "known").values()}
    return parse(texts)


def parse(texts: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Rows by key, and what was left out, from the texts of files of the bank by their names (06_data_parallel.yaml).

    BankError, naming file and row, where one is no YAML, a row lacks a field (its source above all) or its number, two
    rows share a key, or a row stands beside a key that is not there.
    """
    rows: dict[str, dict[str, Any]] = {}
    home: dict[str, str] = {}
    out: list[dict[str, Any]] = []
    for name, text in texts.items():
        file, chapter = f"bank/known/{name}", Chapter(name[:2])
        room = read(text, file)
        if not isinstance(room, dict) or not isinstance(room.get("rows"), list):
            raise BankError(f"{file} needs `rows:` with a list of known answers.")
        for place, row in enumerate(room["rows"], start=1):
            key = row.get("key") if isinstance(row, dict) else None
            if not key:
                raise BankError(f"{file}: row {place} has no key; give it one.")
            if key in rows:
                raise BankError(f"{file}: {key!r} is in {home[key]} already; rename one of the rows.")
            _check_row(row, f"{file}: {key!r}")
            rows[key], home[key] = row | {"chapter": chapter}, file
        out += [entry | {"chapter": chapter} for entry in room.get("left_out") or []]
    for key, row in rows.items():
        for other in row.get("beside", ()):
            if other not in rows:
                raise BankError(f"{home[key]}: {key!r} stands beside {other!r}, which is not there.")
    return rows, out


def _check_row(row: Mapping[str, Any], name: str) -> None:
    missing = [field for field in _FIELDS if row.get(field) in (None, "")]
    if ("value" in row) == ("expression" in row):
        missing.append("number (give it a value or an expression, not both)")
    if missing:
        raise BankError(f"{name} has no {', no '.join(missing)}.")
    if "chapter" in row:
        raise BankError(f"{name} has a chapter; remove the field, since the file's name says it.")


def _argument(key: str, name: str, value: Any, about: Mapping[str, Any]) -> float:
    """Return an argument as a plain number; ValueError where it is none that the row allows."""
    what = f"{key}: {name}={_shown(value)}, the {about['about']},"
    with suppress(TypeError, ValueError, RuntimeError):  # a numpy number, or a tensor of one element
        value = value.item() if hasattr(value, "item") else value
    finite = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if finite:
        try:
            finite = math.isfinite(value)
        except OverflowError:
            raise ValueError(f"{what} is too large to compute with.") from None
    if not finite:
        raise ValueError(f"{what} must be a finite number.")
    if about.get("whole") and value != int(value):
        raise ValueError(f"{what} must be a whole number.")
    if "least" in about and value < about["least"]:
        raise ValueError(f"{what} must be at least {about['least']}.")
    return value


def _evaluated(key: str, expression: str, arguments: Mapping[str, float]) -> float:
    """Return the value of a row's expression; ValueError where it has none that is one finite number."""
    given = ", ".join(f"{name} = {_shown(value)}" for name, value in arguments.items())
    try:
        value = evaluate(expression, arguments)
        finite = not isinstance(value, complex) and math.isfinite(value)
    except ZeroDivisionError:
        raise ValueError(f"{key} has no value at {given}: it would divide by zero.") from None
    except OverflowError:
        raise ValueError(f"{key} is too large to compute at {given}.") from None
    except TypeError:
        finite = False
    except ValueError as error:
        if str(error).startswith("The expression"):
            raise
        finite = False  # a root or logarithm of a number that has none
    if not finite:
        raise ValueError(f"{key} has no value at {given}: its formula gives no finite number there.")
    return value


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = f"a number of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}…"


def evaluate(expression: str, arguments: Mapping[str, float]) -> float:
    """The value of an arithmetic expression over named numbers. ValueError for anything that is not arithmetic."""

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return number
            case ast.Name(id=name) if name in arguments:
                return arguments[name]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.UnaryOp(op=ast.USub() as op, operand=operand):
                return _OPERATORS[type(op)](value(operand))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*map(value, args))
        raise ValueError(f"The expression {expression!r} holds {ast.unparse(node)!r}, which is not plain arithmetic.")

    return value(ast.parse(expression, mode="eval").body)
