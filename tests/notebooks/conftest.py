"""One executed sample chapter and one run of the runner over faulty notebooks, shared by all tests here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.notebooks import samples
from tools.storing import ROOT, environment

Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """Run a module of the project as a command, in the environment of the storing profile."""
    env = environment(tmp_path_factory.mktemp("scratch"))
    # Where the package is not installed in this Python, kernels find it on the path.
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

    def call(*command: object, **more_env: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", *map(str, command)]
        return subprocess.run(line, cwd=ROOT, env=env | more_env, capture_output=True, text=True, timeout=400)

    return call


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, tool: Tool) -> Path:
    """The sample chapter, executed by the storing tool on whatever Python this is: it is compared on the same one."""
    path = samples.save(samples.chapter(), tmp_path_factory.mktemp("sample") / samples.NAME)
    done = tool("tools.execute", "--any-python", path)
    assert done.returncode == 0, done.stdout + done.stderr
    return path
