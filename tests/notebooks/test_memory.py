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


def hold(size_mb: int, seconds: float, start: str = "") -> str:
    return f"{start}import time; data = bytes(1) * {size_mb * MB}; time.sleep({seconds})"


def child(code: str) -> str:
    return f"import subprocess, sys; other = subprocess.Popen([sys.executable, '-c', {code!r}])\n"


def sampled(code: str, tag: str = "", env: dict[str, str] | None = None) -> MemorySampler:
    process = subprocess.Popen([sys.executable, "-c", code], env=env)
    with MemorySampler(process.pid, tag, period=0.05) as sampler:
        process.wait(timeout=30)
        time.sleep(0.2)
    return sampler


@pytest.mark.parametrize("measure", ["PSS", "RSS"])
def test_parent_and_child_are_summed_and_the_larger_is_named(monkeypatch, measure: str) -> None:
    if measure == "RSS":
        monkeypatch.setattr(memory, "_PROC", memory.Path("/nowhere"))
    elif not sys.platform.startswith("linux"):
        pytest.skip("PSS is read from Linux's /proc")
    sampler = sampled(hold(40, 1.0, child(hold(80, 1.0))))
    assert sampler.measure == measure
    assert sampler.peak > 120 * MB
    assert 80 * MB < sampler.largest < 120 * MB


@on_linux
def test_shared_pages_of_a_fork_count_once() -> None:
    fork = "import os, time; data = bytearray(b'x') * 80_000_000; os.fork(); time.sleep(1)"
    assert 80 * MB < sampled(fork).peak < 140 * MB


@on_linux
def test_a_process_that_turned_away_unseen_is_found_by_its_tag_and_named_as_survivor() -> None:
    stray = f"import os; os.fork() and os._exit(0); os.setsid(); {hold(40, 2.0)}"
    env = {"COURSE_TEST_TAG": "stray-7", "PATH": "/bin"}
    sampler = sampled(
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stray!r}])", "COURSE_TEST_TAG=stray-7", env
    )
    assert sampler.peak > 40 * MB
    (left,) = sampler.survivors(patience=0)
    assert left.split()[1].startswith("python")
    assert sampler.survivors(patience=20) == []


@on_linux
def test_processes_of_others_are_not_counted() -> None:
    other = subprocess.Popen([sys.executable, "-c", hold(200, 1.5)])
    assert sampled("import time; time.sleep(0.8)").peak < 100 * MB
    other.wait(timeout=30)
