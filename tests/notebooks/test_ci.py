"""The build runs what a person runs: `.ci/run` and the workflow call `make test`, on the Pythons the course names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.storing import ROOT

SCRIPT = ROOT / ".ci" / "run"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())


@pytest.fixture(scope="module")
def job(workflow: dict) -> dict[str, Any]:
    (only,) = workflow["jobs"].values()
    return only


def step(job: dict, word: str) -> dict[str, Any]:
    (found,) = (s for s in job["steps"] if word in s.get("uses", "") + s.get("run", ""))
    return found


def test_runs_on_push_and_pull_request(workflow: dict) -> None:
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML 1.1 reads the key `on` as true


def test_python_311_is_strict_and_newer_ones_lax(job: dict) -> None:
    versions = {entry["python"]: entry["outputs"] for entry in job["strategy"]["matrix"]["include"]}
    assert versions == {"3.11": "strict", "3.12": "lax", "3.13": "lax"}
    assert job["strategy"]["fail-fast"] is False
    assert "ubuntu" in job["runs-on"]
    assert step(job, "setup-python")["with"]["python-version"] == "${{ matrix.python }}"
    assert step(job, ".ci/run")["env"]["PYTHON"] == "python${{ matrix.python }}"


def test_pip_cache_follows_the_lock(job: dict) -> None:
    options = step(job, "setup-python")["with"]
    assert (options["cache"], options["cache-dependency-path"]) == ("pip", "requirements.lock")


def test_torch_comes_from_the_public_index_of_cpu_wheels(job: dict) -> None:
    assert job["env"] == {"PIP_EXTRA_INDEX_URL": "https://download.pytorch.org/whl/cpu"}


def test_reports_are_kept_even_when_the_run_failed(job: dict) -> None:
    kept = step(job, "upload-artifact")
    assert kept["if"] == "always()"
    assert kept["with"]["path"] == "build/test/"
    assert "matrix.python" in kept["with"]["name"]
    assert job["steps"].index(kept) == len(job["steps"]) - 1


def test_the_job_ends_by_itself_and_cannot_write(workflow: dict, job: dict) -> None:
    assert job["timeout-minutes"] <= 60
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("status", [0, 3])
def test_ci_run_calls_make_test_from_anywhere_without_a_terminal(tmp_path: Path, status: int) -> None:
    fake = tmp_path / "bin" / "make"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" in "$PWD" CI=$CI; cat; exit {status}\n')
    fake.chmod(0o755)
    env = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}
    done = subprocess.run([SCRIPT], cwd=tmp_path, env=env, input="typed", capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (status, f"test in {ROOT} CI=true\n"), done.stderr


def test_ci_run_stops_at_the_first_error_and_before_the_limit_of_90_minutes() -> None:
    text = SCRIPT.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "--kill-after=30 4500" in text
    assert os.access(SCRIPT, os.X_OK)
