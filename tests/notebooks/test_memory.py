"""Peak memory counts a process with all it started, once each, also when a process turned away from its parent."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tools import memory
from tools.memory import MemorySampler

MB = 1_000_000
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PSS is read from Linux's /proc")
# Every process below says that it holds its data and stays until the test closes the pipe that all of them read.
STAY = "__import__('os').write(1, b'ready\\n'); sys.stdin.read()"


def hold(size_mb: int) -> str:
    return f"import sys; data = bytes(1) * {size_mb * MB}; {STAY}"


def child(code: str) -> str:
    return f"import subprocess, sys; other = subprocess.Popen([sys.executable, '-c', {code!r}])\n"


def sampled(code: str, processes: int, tag: str = "", env: dict[str, str] | None = None) -> MemorySampler:
    """Start the code, wait until so many processes are ready, sample them three times more, let them go."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env=env, **pipes) as process:
        with MemorySampler(process.pid, tag, period=0.05) as sampler:
            assert [process.stdout.readline() for _ in range(processes)] == ["ready\n"] * processes
            enough, deadline = sampler.samples + 3, time.monotonic() + 30
            while sampler.samples < enough and time.monotonic() < deadline:
                time.sleep(0.05)
            left = sampler.survivors(patience=0)
        process.stdin.close()
    assert len(left) == processes or sampler.measure == "RSS"
    return sampler


@pytest.mark.parametrize("measure", ["PSS", "RSS"])
def test_parent_and_child_are_summed_and_the_larger_is_named(monkeypatch, measure: str) -> None:
    if measure == "RSS":
        monkeypatch.setattr(memory, "_PROC", memory.Path("/nowhere"))
    elif not sys.platform.startswith("linux"):
        pytest.skip("PSS is read from Linux's /proc")
    sampler = sampled(child(hold(80)) + hold(40), 2)
    assert sampler.measure == measure
    assert sampler.peak > 120 * MB
    assert 80 * MB < sampler.largest < 120 * MB


@on_linux
def test_shared_pages_of_a_fork_count_once() -> None:
    fork = f"import os, sys; data = bytes(1) * {80 * MB}; os.fork(); {STAY}"
    assert 80 * MB < sampled(fork, 2).peak < 140 * MB


@on_linux
def test_a_process_that_turned_away_unseen_is_found_by_its_tag_and_named_as_survivor() -> None:
    # The parent of the stray one is gone before anybody looked, and its own parent with it.
    stray = f"import os, sys; os.fork() and os._exit(0); os.setsid(); {hold(40)}"
    env = {"COURSE_TEST_TAG": "stray-7", "PATH": "/bin"}
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stray!r}])"
    sampler = sampled(code, 1, "COURSE_TEST_TAG=stray-7", env)
    assert sampler.peak > 40 * MB
    assert sampler.survivors(patience=20) == []


@on_linux
def test_processes_of_others_are_not_counted() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", hold(200)], **pipes) as other:
        assert other.stdout.readline() == "ready\n"
        assert sampled(hold(1), 1).peak < 100 * MB
        other.stdin.close()
