"""Whether a result agrees with the one expected, and the sentence that says how it does not."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from course_lib.practice.checks.exercise import Answer
from course_lib.practice.checks.verdict import apart, close, same

_ABSENT = object()


def agree(got: Any, want: Any, tolerance: float) -> bool:
    """Say whether two values agree: floats to a relative tolerance (an int may stand for one), all else exactly."""
    if type(want) is float:
        if type(got) not in (int, float):
            return False
        # Not math.isclose: what a cell of the notebook has put in its place would be asked.
        return abs(got - want) <= tolerance * max(abs(got), abs(want)) or got == want or (got != got and want != want)
    if type(got) is not type(want):
        return False
    if type(want) in (list, tuple):
        return len(got) == len(want) and all(agree(a, b, tolerance) for a, b in zip(got, want, strict=True))
    if type(want) is dict:
        return got.keys() == want.keys() and all(agree(got[key], want[key], tolerance) for key in want)
    if type(want).__name__ == "Tensor":
        return got.dtype == want.dtype and (
            close(got, want, tolerance) if want.dtype.is_floating_point else same(got, want)
        )
    return bool(got == want)


def written(stub: Answer, call: Sequence[Any], got: Any = _ABSENT, want: Any = None) -> str:
    """Write a call as a reader can type it, and the two results as far as they differ."""
    named = ", ".join(
        f"{name}={value!r}" for name, value in zip(inspect.signature(stub).parameters, call, strict=False)
    )
    text = f"{stub.__name__}({named})"
    if got is _ABSENT:
        return text
    if type(want) in (int, float) and type(got) in (int, float):
        said, right = apart(got, want)
    else:
        said, right = _short(got), _short(want)
    return f"{text} gives {said}, not {right}."


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else f"{text[:120]} …"
