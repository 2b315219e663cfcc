"""A plain `pytest` reads and writes no progress or setting of the person at this machine; `pytest --nbval` compares."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tools.comparing import compare_text
from tools.storing import environment

OWN_FOLDERS = ("COURSE_DATA_DIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
XDG_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


def pytest_configure(config: pytest.Config) -> None:
    """Point the data folders to a temporary one; for notebooks set the whole profile on which outputs were stored."""
    scratch = tempfile.TemporaryDirectory(prefix="course-pytest-", ignore_cleanup_errors=True)
    config.add_cleanup(scratch.cleanup)
    profile = environment(Path(scratch.name))
    if config.getoption("nbval", False):
        os.environ |= profile
        compare_text()
    os.environ |= {name: profile[name] for name in (*OWN_FOLDERS, *XDG_FOLDERS)}
