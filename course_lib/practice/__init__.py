"""What the reader practises with: known answers, the workspace, and the commands that serve it.

Names are loaded on first use (PEP 562), so that importing this package stays cheap.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_HOME = {
    "calibration": "course_lib.practice.calibration",
    "check": "course_lib.practice.checking",
    "hint": "course_lib.practice.checking",
    "solution": "course_lib.practice.checking",
    "doctor": "course_lib.practice.house",
    "drill": "course_lib.practice.questions",
    "known": "course_lib.practice.known",
    "mock": "course_lib.practice.mock",
    "overview": "course_lib.practice.status",
    "predict": "course_lib.practice.prediction",
    "question": "course_lib.practice.questions",
    "questions": "course_lib.practice.questions",
    "quiz": "course_lib.practice.quiz",
    "reveal": "course_lib.practice.prediction",
}


class _LazyPackage(ModuleType):
    """Keeps `practice.known` the function, although importing known.py would bind that name to the module."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and _HOME.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` and hand back the object of the same name."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """List the lazy names beside the ordinary ones."""
    return sorted({*globals(), *_HOME})


sys.modules[__name__].__class__ = _LazyPackage
