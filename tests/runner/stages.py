"""The three stages of the test run, each a function that prints as it goes and returns what to say about it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.storing import PROFILE, ROOT, on_storing_python

LINT = (("ruff", "check"), ("ruff", "format", "--check"))
HERE = tuple(sys.version_info[:2])
# A file's tests stay on one process, since they share what it prepares; two processes wait side by side.
SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile")


@dataclass
class Stage:
    """What a stage came to: its line in the summary, the counts of tests, the notebooks' rows and whether all held."""

    line: str
    ok: bool
    passed: int = 0
    failed: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def lint(root: Path, env: dict[str, str], files: Sequence[Path] = ()) -> Stage:
    """Check style and layout of these Python files and notebooks, or of all where none is named."""
    print("== Lint: ruff check, ruff format --check", flush=True)
    if importlib.util.find_spec("ruff") is None:
        return Stage("Lint: failed, ruff is not installed here. Run `make test`, which installs it.", False)
    named = list(map(str, files)) or ["."]
    codes = [subprocess.run([sys.executable, "-m", *command, *named], cwd=root, env=env).returncode for command in LINT]
    remedy = "`ruff check --fix .` and `ruff format .` repair most of it"
    return Stage("Lint: passed" if not any(codes) else f"Lint: failed ({remedy})", not any(codes))


def unit(root: Path, env: dict[str, str], out: Path, chapter: str | None = None) -> Stage:
    """Run the unit tests under tests/, or those of one chapter ("06"), on two processes side by side."""
    print(f"\n== Unit tests{f' of chapter {chapter}' if chapter else ''}", flush=True)
    report = out / "unit.xml"
    report.unlink(missing_ok=True)
    # Live output and a progress bar are things that unit tests look at.
    env = {k: v for k, v in env.items() if k != "COURSE_ORDERED"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests",
        f"--junitxml={report}",
        "-p",
        "no:cacheprovider",
        "--durations=10",
        *SIDE_BY_SIDE,
        *(["--chapter", chapter] if chapter else []),
    ]
    code = subprocess.run(command, cwd=root, env=env).returncode
    counts = read_junit(report)
    ok = code == 0 and counts["failed"] == 0
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    failed = max(counts["failed"], 0 if code == 0 else 1)
    line = f"Unit tests: {counts['passed']} passed, {failed} failed{skipped} in {counts['seconds']:.0f} s"
    return Stage(line, ok, counts["passed"], failed)


def how_strict(gpu: bool, lax: bool = False, here: tuple[int, ...] = HERE) -> tuple[bool, str]:
    """Whether outputs are compared strictly in this run on the Python `here`, and a sentence that says so."""
    every = "every cell must run and every assertion hold, and stored outputs are not compared"
    if gpu:
        return False, f"lax, because this run uses the accelerator: {every}"
    if not on_storing_python(here):
        named = ".".join(map(str, here))
        return False, f"lax, because this is Python {named} and outputs are stored on {PROFILE}: {every}"
    if lax:
        return False, f"lax, as asked for: {every}"
    return True, f"strict: every stored output that is not marked as measured is compared ({PROFILE})"


def notebooks(root: Path, env: dict[str, str], out: Path, files: list[Path], *, strict: bool, said: str) -> Stage:
    """Run notebooks by nbval, one after another, in a cut network."""
    print(f"\n== Notebooks, {said}", flush=True)
    for old in ("notebooks.xml", "notebooks.json", "network.txt"):
        (out / old).unlink(missing_ok=True)
    shutil.rmtree(out / "executed", ignore_errors=True)
    if not files:
        return Stage(
            "Notebooks: failed, there is none under notebooks/: a run that compares nothing proves nothing", False
        )
    command = [sys.executable, "-m", "tests.runner.nbval", "--out", str(out), *([] if strict else ["--lax"])]
    # From the project's root, so that the runner is found without a path that the kernels would see as well.
    code = subprocess.run([*command, *map(str, files)], cwd=ROOT, env=env).returncode
    counts = read_junit(out / "notebooks.xml")
    rows = json.loads(_read(out / "notebooks.json") or "[]")
    missing = [path.stem for path in files if path.stem not in {row["name"] for row in rows}]
    rows += [{"name": name, "cells": 0, "result": "did not run"} for name in missing]
    compared, ran = (sum(row.get(key, 0) for row in rows) for key in ("compared", "run"))
    if strict and not compared:
        code = code or 1
    failed = max(counts["failed"], 1 if code or missing else 0)
    notes = [f"Network: {_read(out / 'network.txt') or 'not known, the run ended early'}."]
    if (out / "executed").is_dir():
        notes.append(f"What failed notebooks printed: {_shown(out / 'executed', root)}")
    line = f"Notebooks: {compared} cells compared of {ran} run, {said}"
    return Stage(line, failed == 0, counts["passed"], failed, rows, notes)


def read_junit(path: Path) -> dict[str, Any]:
    """Sum a JUnit file: passed, failed (errors included), skipped, seconds; nothing passed where it is missing."""
    total = {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0}
    try:
        suites = list(ET.parse(path).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return total | {"failed": 1}
    for suite in suites:
        # An error while a test is torn down is counted beside the test itself: count cases, not attributes.
        for case in suite.iter("testcase"):
            kinds = {child.tag for child in case}
            kind = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
            total[kind] += 1
        total["seconds"] += float(suite.get("time", 0))
    return total


def has_accelerator(env: dict[str, str]) -> bool:
    """Whether torch sees an accelerator (asked of another process: importing torch here would cost its memory)."""
    question = "import sys, torch; sys.exit(0 if torch.accelerator.is_available() else 3)"
    return subprocess.run([sys.executable, "-c", question], env=env).returncode == 0


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _shown(path: Path, root: Path) -> str:
    return os.path.relpath(path, root) if path.is_relative_to(root) else str(path)
