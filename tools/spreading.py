"""How unit tests are shared out between processes: a file stays together, but a long one is split by what it tries.

A file's tests share what the first of them prepares. Proofs of exercises and measurements of exhibits share nothing but
within one exercise or exhibit, and they are the longest: each of these goes to the process that is free.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

SPLIT = ("practice/checks/test_proofs.py", "museum/test_exhibits.py")
# What starts kernels, ranks and whole runs takes longest. It comes first, so that no process ends on it alone.
FIRST = ("lab/gang/", "notebooks/", "mutants/", "practice/checks/", "museum/test_repairs.py", "models/")


def scope_of(nodeid: str) -> str:
    """Return what stays together with a test: its file, or in a long file the tests of the same parameter."""
    file, _, name = nodeid.partition("::")
    parameter = re.search(r"\[([^\]]*)\]", name)
    return f"{file}[{parameter[1]}]" if parameter and file.endswith(SPLIT) else file


def turn_of(nodeid: str) -> int:
    """Return a test's place among the others: 0 for what takes longest, and later the rest."""
    _, _, below = nodeid.partition("tests/")
    return next((turn for turn, start in enumerate(FIRST) if below.startswith(start)), len(FIRST))


class Spread:
    """A pytest plugin for pytest-xdist: register it only where that is there."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Put the longest first in each process; the scheduler keeps this order."""
        if hasattr(config, "workerinput"):
            items.sort(key=lambda item: turn_of(item.nodeid))

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Share out by `scope_of` where files are asked for (`--dist loadfile`), else as pytest-xdist does."""
        from xdist.scheduler import LoadFileScheduling

        class ByScope(LoadFileScheduling):
            def _split_scope(self, nodeid: str) -> str:
                return scope_of(nodeid)

        if config.getvalue("dist") != "loadfile":
            return None
        config.option.loadscopereorder = False  # it would put the files with the most tests first
        return ByScope(config, log)
