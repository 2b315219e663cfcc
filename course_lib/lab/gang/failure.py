"""An exception of a rank described so that it can travel, whatever its type is and whatever its own methods do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from course_lib.lab.gang import where

MESSAGE_LIMIT = 4000  # characters of an exception's text, or of one reported value
UNPICKLING = "could not unpickle the function"
_SHOWN_PARTS = 4  # exceptions of a group that are named


def describe(error: BaseException, during: str | None = None) -> dict[str, Any]:
    """Return what a GangError says of an exception: plain text, numbers and frames, nothing that runs its code again.

    `during` names the step of the gang's own in which it was raised, None for the reader's function.
    """
    cause = error.__cause__
    code = error.code if isinstance(error, SystemExit) else None
    return {
        "type": type(error).__name__,
        "message": text_of(error) + _parts(error) + _notes(error),
        "frames": where.frames_of_exception(error),
        "exit": code if code is None or type(code) in (int, str) else text_of(code, repr),
        "is_exit": isinstance(error, SystemExit),
        "during": during,
        "from": f"{type(cause).__name__}: {text_of(cause)}" if cause is not None else None,
        "group_destroyed": during is None and not where.group_alive(),
    }


def text_of(value: Any, show: Callable[[Any], str] = str) -> str:
    """Return `str(value)`, cut at MESSAGE_LIMIT characters; for what cannot be printed, words that say so.

    Half characters (surrogates) become question marks: a notebook's message is UTF-8.
    """
    try:
        text = show(value)[:MESSAGE_LIMIT]
    except Exception as reason:
        return f"(its text cannot be shown: {_method(show)} raised {type(reason).__name__})"
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _method(show: Callable[[Any], str]) -> str:
    return f"__{show.__name__}__"


def _notes(error: BaseException) -> str:
    notes = getattr(error, "__notes__", None)
    return "".join(f"\n{text_of(note)}" for note in notes) if isinstance(notes, (list, tuple)) else ""


def _parts(error: BaseException) -> str:
    """Name what an exception group holds: its own text says only how many."""
    if not isinstance(error, BaseExceptionGroup):
        return ""
    shown = [f"\n    {type(part).__name__}: {text_of(part)}" for part in error.exceptions[:_SHOWN_PARTS]]
    more = len(error.exceptions) - len(shown)
    return "".join(shown) + (f"\n    and {more} more" if more else "")


def plain(value: Any) -> Any:
    """Turn a reported value into a number or text, so that no tensor and no class travels with it."""
    if value is None or type(value) in (int, float, bool, str):
        return value if type(value) is not str else text_of(value)
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "size", None) is not None:
        try:
            return item()
        except Exception:
            return text_of(value)
    return text_of(value)


def label(value: Any) -> Any:
    """Return a span's label as it travels: lists, tuples and dicts of plain values as they are, else `plain`."""
    if type(value) in (list, tuple):
        return type(value)(label(part) for part in value)
    if type(value) is dict:
        return {plain(name): label(part) for name, part in value.items()}
    return plain(value)
