"""The build runs what a person runs: `.ci/run` and the workflow call `make test`, on the Pythons the course names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.bootstrap.torch_build import CPU_INDEX
from tools.storing import ROOT

SCRIPT = ROOT / ".ci" / "run"
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return yaml.safe_load(WORKFLOW.read_text())


@pytest.fixture(scope="module")
def job(workflow: dict) -> dict[str, Any]:
    return workflow["jobs"]["test"]


def step(job: dict, word: str) -> dict[str, Any]:
    (found,) = (s for s in job["steps"] if word in s.get("uses", "") + s.get("run", ""))
    return found


def test_a_pull_request_runs_once_and_main_and_every_night_besides(workflow: dict) -> None:
    when = workflow[True]  # YAML 1.1 reads the key `on` as true
    assert set(when) == {"push", "pull_request", "schedule", "workflow_dispatch"}
    assert when["push"] == {"branches": ["main"]}  # a branch with a pull request would run twice
    (night,) = when["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", night["cron"])


def test_a_new_push_replaces_the_run_of_its_pull_request_and_no_other_run(workflow: dict) -> None:
    rule = workflow["concurrency"]
    assert rule["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}"
    # Runs of one group wait for each other and drop those that wait: main has a group per run.
    assert rule["group"] == "test-${{ github.event.pull_request.number || github.run_id }}"


def test_the_three_pythons_run_except_on_a_push_which_runs_the_strict_one(job: dict) -> None:
    told = job["strategy"]["matrix"]["python"]
    choice = re.fullmatch(r"\$\{\{ fromJSON\(github.event_name == 'push' && '(.*)' \|\| '(.*)'\) \}\}", told)
    assert json.loads(choice.group(1)) == ["3.11"]
    assert json.loads(choice.group(2)) == ["3.11", "3.12", "3.13"]
    assert "if" not in job and job["strategy"]["fail-fast"] is False
    assert "ubuntu" in job["runs-on"]
    assert step(job, "setup-python")["with"]["python-version"] == "${{ matrix.python }}"
    assert step(job, ".ci/run")["env"] == {"PYTHON": "python${{ matrix.python }}"}


def test_the_cache_is_uvs_and_follows_the_lock(job: dict) -> None:
    options = step(job, "actions/cache")["with"]
    assert options["path"] == "~/.cache/uv"
    assert "hashFiles('requirements.lock')" in options["key"] and "matrix.python" in options["key"]


def test_torch_alone_comes_from_the_index_of_cpu_builds(workflow: dict) -> None:
    for name, job in workflow["jobs"].items():
        assert "EXTRA_INDEX" not in str(job)
        for told in (s["run"] for s in job["steps"] if "download.pytorch.org" in s.get("run", "")):
            assert name == "editable"  # elsewhere the set-up takes it
            assert f"--no-deps --index-url {CPU_INDEX} " in told and "grep '^torch=='" in told


def test_the_third_door_is_tried_by_the_doctor_and_one_notebook(workflow: dict) -> None:
    job = workflow["jobs"]["editable"]
    commands = [s["run"] for s in job["steps"] if "run" in s]
    assert commands[1:] == ["pip install -e .", "course doctor", "python -m tests.run --chapter 00 --lax"]
    assert job["if"] == "github.event_name != 'push'"


def test_macos_is_for_the_night_and_says_that_it_has_not_run(workflow: dict) -> None:
    job = workflow["jobs"]["macos"]
    assert "macos" in job["runs-on"]
    assert job["if"] == "github.event_name == 'schedule' || github.event_name == 'workflow_dispatch'"
    assert step(job, ".ci/run")["env"] == {"PYTHON": "python3.12", "ARGS": "--lax"}
    text = WORKFLOW.read_text()
    assert "not run so far" in text[: text.index("  macos:")].rpartition("\n\n")[2]


def test_reports_are_kept_even_when_the_run_failed(job: dict) -> None:
    kept = step(job, "upload-artifact")
    assert kept["if"] == "always()"
    assert kept["with"]["path"] == "build/test/"
    assert "matrix.python" in kept["with"]["name"]
    assert job["steps"].index(kept) == len(job["steps"]) - 1


def test_a_job_outlasts_the_limit_of_the_script_and_cannot_write(workflow: dict, job: dict) -> None:
    limit = int(re.search(r"timeout --kill-after=30 (\d+)", SCRIPT.read_text()).group(1)) / 60
    assert limit + 5 <= job["timeout-minutes"] <= limit + 15
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
    assert workflow["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("status", [0, 3])
def test_ci_run_calls_make_test_from_anywhere_without_a_terminal(tmp_path: Path, status: int) -> None:
    fake = tmp_path / "bin" / "make"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" in "$PWD" CI=$CI; cat; exit {status}\n')
    fake.chmod(0o755)
    env = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": ""}
    done = subprocess.run([SCRIPT], cwd=tmp_path, env=env, input="typed", capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (status, f"test in {ROOT} CI=true\n"), done.stderr


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "much\\n\\n== Summary\\nchapter  seconds\\n3 passed, 0 failed",
            "== Summary\nchapter  seconds\n3 passed, 0 failed",
        ),
        ("The set-up stopped", "The set-up stopped"),
    ],
)
@pytest.mark.parametrize("status", [0, 3])
def test_the_table_goes_to_the_summary_of_the_job(tmp_path: Path, status: int, said: str, kept: str) -> None:
    copy = tmp_path / "clone" / ".ci" / "run"
    copy.parent.mkdir(parents=True)
    shutil.copy(SCRIPT, copy)
    fake = tmp_path / "bin" / "make"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\nprintf '{said}\\n'\nexit {status}\n")
    fake.chmod(0o755)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    env = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(summary)}
    done = subprocess.run([copy], env=env, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (status, said.replace("\\n", "\n") + "\n"), done.stderr
    assert summary.read_text() == f"before\n```\n{kept}\n```\n"


def test_ci_run_stops_at_the_first_error_and_before_the_limit_of_90_minutes() -> None:
    text = SCRIPT.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "--kill-after=30 4500" in text
    assert os.access(SCRIPT, os.X_OK)
