"""What the reader practises with: known answers, the workspace, and the commands that serve it.

Names are loaded on first use (PEP 562), so that importing this package stays cheap.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "calibration": "course_lib.practice.predictions.calibration",
    "check": "course_lib.practice.checks.checking",
    "hint": "course_lib.practice.checks.checking",
    "solution": "course_lib.practice.checks.checking",
    "doctor": "course_lib.practice.desk.house",
    "drill": "course_lib.practice.knowledge.interview_drill",
    "known": "course_lib.practice.knowledge.known",
    "mock": "course_lib.practice.interview.mock",
    "overview": "course_lib.practice.record.status",
    "predict": "course_lib.practice.predictions.prediction",
    "question": "course_lib.practice.knowledge.questions",
    "questions": "course_lib.practice.knowledge.questions",
    "quiz": "course_lib.practice.cards.quiz",
    "reveal": "course_lib.practice.predictions.prediction",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` and hand back the object of the same name."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """List the lazy names beside the ordinary ones."""
    return sorted({*globals(), *_HOME})
