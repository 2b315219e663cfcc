"""A plain `pytest` reads and writes no progress or setting of the person at this machine; `pytest --nbval` compares."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tools.comparing import compare_text
from tools.selecting import chapters_of
from tools.spreading import Spread
from tools.storing import environment

OWN_FOLDERS = ("COURSE_DATA_DIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
XDG_FOLDERS = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--chapter 06` choose."""
    parser.addoption("--chapter", metavar="NN", help="only the tests of this chapter: two digits, 06")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note each test's chapters in the report, and keep those of the chosen one."""
    for item in items:
        item.user_properties += [("chapter", number) for number in sorted(chapters_of(item, config.rootpath))]
    chapter = config.getoption("--chapter")
    if chapter is None:
        return
    kept = [item for item in items if ("chapter", chapter) in item.user_properties]
    dropped = set(items) - set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item in dropped])
    items[:] = kept


def pytest_configure(config: pytest.Config) -> None:
    """Point the data folders to a temporary one; for notebooks set the whole profile on which outputs were stored."""
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(Spread())
    scratch = tempfile.TemporaryDirectory(prefix="course-pytest-", ignore_cleanup_errors=True)
    config.add_cleanup(scratch.cleanup)
    profile = environment(Path(scratch.name))
    if config.getoption("nbval", False):
        os.environ |= profile
        compare_text()
    os.environ |= {name: profile[name] for name in (*OWN_FOLDERS, *XDG_FOLDERS)}
