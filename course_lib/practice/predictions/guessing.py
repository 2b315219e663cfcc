"""Reading a guess, and saying how far it is from what was measured."""

from __future__ import annotations

import math
import re
from typing import Any

from course_lib.lab.measure import rounded

_NUMBER = re.compile(r"([+-]?(?:\d{1,3}(?:[, _]\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(.*)", re.DOTALL)


class Misread(ValueError):
    """A guess that is no number in the unit asked for; the text is one sentence for the reader."""


def read_guess(given: Any, unit: str | None = None) -> float:
    """Return a guess as a number: 20, 2.5e4, "20", "20,000" or "20 MB" where the unit asked for is MB.

    Raises Misread for anything else; a unit is never converted.
    """
    expected = f"a number of {unit}" if unit else "a number"
    example = f"such as 20 or 2.5e4{f' or 20 {unit}' if unit else ''}"
    if isinstance(given, str):
        text = given.strip().replace("\N{MINUS SIGN}", "-")
        if not text:
            raise Misread(f"There is no number yet: type {expected}, {example}.")
        match = _NUMBER.match(text)
        number, own_unit = match.groups() if match else ("", "")
        if not re.search(r"\d", number.lower().partition("e")[0]):
            raise Misread(f"{_shown(given)} does not begin with a number: type {expected}, {example}.")
        if own_unit and _spelling(own_unit) != _spelling(unit or ""):
            wanted = f"in {unit}" if unit else "without a unit"
            raise Misread(f"{_shown(own_unit)} was not expected after the number: give it {wanted}, {example}.")
        given = re.sub(r"[, _]", "", number)
    try:
        given = given.item() if hasattr(given, "item") else given
        value = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        value = math.nan
    if not math.isfinite(value):
        raise Misread(f"{_shown(given)} is not a finite number: give {expected}, {example}.")
    return value


def _shown(given: Any) -> str:
    try:
        text = repr(given)
    except ValueError:  # an integer of thousands of digits
        text = f"This {type(given).__name__}"
    return text if len(text) <= 60 else f"{text[:60]}…"


def _spelling(unit: str) -> str:
    """Return a unit so that equal ones are equal: spaces and the case of words do not count, MB and Mb differ."""
    return " ".join(word if len(word) <= 3 else word.casefold() for word in unit.split())


def with_unit(value: float, unit: str | None, digits: int = 4) -> str:
    """Return a number as the course prints it, with its unit."""
    return f"{rounded(value, digits)} {unit}" if unit else rounded(value, digits)


def is_number(value: Any) -> bool:
    """Say whether something read back from the progress file is one finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def score(guess: float, measured: float) -> float | None:
    """Return |log10(guess / measured)|: 0 is exact, 0.3 a factor 2, 1 a factor 10. None unless both are positive."""
    if guess <= 0 or measured <= 0:
        return None
    return abs(math.log10(guess) - math.log10(measured))


def verdict(guess: float, measured: float, computed: bool = False) -> str:
    """Say in words how close a guess came; where no score is possible, why, and plainly how they differ."""
    points = score(guess, measured)
    if points is None:
        value = "the computed value" if computed else "the measured value"
        if guess <= 0 and measured <= 0:
            fault = f"neither the guess nor {value} is above zero"
        else:
            fault = f"{'the guess' if guess <= 0 else value} is not above zero"
        difference = "they are equal" if guess == measured else f"they differ by {rounded(abs(guess - measured), 4)}"
        return f"No score, because it is taken on a logarithmic scale and {fault}; {difference}."
    return f"{_closeness(points)}{_direction(guess, measured)}. Score {points:.2f}, where 0 is exact."


def _closeness(points: float) -> str:
    factor = 10.0 ** min(points, 300.0)
    if math.isclose(factor, 1, rel_tol=1e-9):
        return "Exact"
    if factor < 1.5:
        return f"Within {max(1, math.ceil(round((factor - 1) * 100, 6)))} %"
    return f"Factor {rounded(factor, 2)}" if factor < 3 else f"Off by a factor {rounded(factor, 2)}"


def _direction(guess: float, measured: float) -> str:
    if math.isclose(guess, measured, rel_tol=1e-9):
        return ""
    return ", too high" if guess > measured else ", too low"
