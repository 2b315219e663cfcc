"""A course of two pins whose Python, pip and uv are fakes that write down how they were called."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tools.bootstrap import __main__ as bootstrap
from tools.bootstrap import torch_build
from tools.bootstrap.install import UV

# Stands for python and uv. `-m venv DIR` makes a venv with itself inside; `-m pip install uv==…` lays itself out as uv.
# FAKE_PIP and FAKE_UV are what the two say when they fail to install anything; FAKE_CPU says where "+cpu" can be had:
# "own" from the reader's indexes, "index" from one that is named besides.
FAKE = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "CALLS"
env | grep -E '^(UV|PIP|SSL)_' | sort > "CALLS.$name.env"
refuse() { echo "$1"; exit 1; }
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "version = 3.11.7" > "$3/pyvenv.cfg" ;;
"-m pip config list") printf '%b' "$FAKE_CONFIG" ;;
"-m pip install uv"*) [ -z "$FAKE_NO_UV" ] || refuse "no uv"; cp "$0" "$(dirname "$0")/uv" ;;
--version) ;;
*+cpu)
  case "$FAKE_CPU $UV_INDEX $*" in
  own*) ;;
  index*download.pytorch.org*) ;;
  *) refuse "ERROR: No matching distribution found for torch==2.13.0+cpu" ;;
  esac ;;
"pip "*) [ -z "$FAKE_UV" ] || refuse "$FAKE_UV" ;;
"-m pip "*) [ -z "$FAKE_PIP" ] || refuse "$FAKE_PIP" ;;
esac
"""


class Course:
    """The fake course; call it to set it up: the calls made, one line each, and what the reader was told."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "course"
        self.root.mkdir()
        self.lock = self.root / "requirements.lock"
        self.lock.write_text("# two\ntorch==2.13.0\nbeta==2.0 ; sys_platform == 'darwin'\n")
        (self.root / "pyproject.toml").write_text("")
        self.python, self.calls = folder / "python", folder / "calls"
        self.python.write_text(FAKE.replace("CALLS", str(self.calls)))
        self.python.chmod(0o755)

    def __call__(self, asked: bool = False, **more: object) -> tuple[list[str], str]:
        self.calls.write_text("")
        out = io.StringIO()
        bootstrap.set_up(self.root, asked, out, str(self.python), **more)
        self.said = out.getvalue()
        return self.installs(), self.said

    def installs(self) -> list[str]:
        """The calls made, without the questions that change nothing."""
        lines = self.calls.read_text().replace(str(self.root), "ROOT").splitlines()
        return [line for line in lines if not line.endswith(("config list", "--version"))]

    def variables(self, name: str) -> dict[str, str]:
        """The UV_, PIP_ and SSL_ variables that the last call of `name` saw."""
        lines = Path(f"{self.calls}.{name}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)


def machine(monkeypatch: pytest.MonkeyPatch, *, gpu: bool) -> None:
    """Set up as on Linux, with or without a GPU, wherever the test runs."""
    monkeypatch.setattr(torch_build, "choose", lambda asked, stamped: CHOOSE(asked, stamped, "linux", gpu))


CHOOSE = torch_build.choose
INSTALL_UV = f"python -m pip install {UV}"
EDITABLE = "--no-deps --no-build-isolation -e ROOT"
WITH_UV = "uv pip install --compile-bytecode --python ROOT/.venv/bin/python"
