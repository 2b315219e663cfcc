"""The museum of wrong answers: one small program per exhibit, the number that gives it away, and the repair.

    from course_lib import museum
    museum.show(7)                   # run it, spot it, repair it
    museum.run("E4")                 # both programs and their numbers, as text
    museum.check_repair(7, mine)     # your own repaired function

Names are loaded on first use (PEP 562); an exhibit imports torch only when it runs.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Exhibit": "course_lib.museum.exhibit",
    "Finding": "course_lib.museum.exhibit",
    "Range": "course_lib.museum.exhibit",
    "check_repair": "course_lib.museum.panel",
    "exhibits": "course_lib.museum.catalogue",
    "find": "course_lib.museum.catalogue",
    "run": "course_lib.museum.panel",
    "show": "course_lib.museum.shown",
    "spot": "course_lib.museum.panel",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` and hand back the object of the same name."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """List the lazy names beside the ordinary ones."""
    return sorted({*globals(), *_HOME})
