"""The last words of a rank, the end of what it started, and exceptions that do not want to be shown."""

import ctypes
import os
import selectors
import subprocess
import sys
import time

import psutil
import pytest
import torch.distributed as dist

from course_lib import lab
from course_lib.lab import GangError
from tests.lab.gang.kernel import wait_until


@pytest.mark.parametrize(
    "end",
    [lambda: os._exit(3), lambda: ctypes.string_at(8), lambda: os.kill(os.getpid(), 9)],
    ids=["exit", "crash", "kill"],
)
def test_an_unfinished_line_is_kept_when_the_rank_dies(gangs, end):
    def work(rank):
        print("loaded 1 of 2", end="")
        end()

    with pytest.raises(GangError) as caught:
        gangs[1].run(work)
    assert caught.value.output == {0: "loaded 1 of 2\n"}
    assert "it printed last:\n        loaded 1 of 2" in str(caught.value)


def test_an_unfinished_line_is_written_before_the_error_is_sent(gangs):
    def work(rank):
        from course_lib.lab.gang import streams

        flush = streams.flush
        streams.flush = lambda: (time.sleep(0.3), flush())  # a slow rank: the supervisor must not be faster
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - a stream of the reader's own holds back
        print("half a line", end="")
        raise KeyError("missing")

    with pytest.raises(GangError) as caught:
        gangs[1].run(work)
    assert caught.value.output == {0: "half a line\n"}


def test_what_c_code_printed_is_shown(gangs):
    def work(rank):
        ctypes.CDLL(None).printf(b"from C\n")

    assert gangs[1].run(work).output == {0: "from C\n"}


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_children_that_ignore_signals_end_with_the_run(gangs, tmp_path, fails, apart):
    def work(rank):
        script = "trap '' TERM INT HUP; echo ready; while :; do sleep 1; done"
        child = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=apart)
        child.stdout.readline()
        (tmp_path / "pid").write_text(str(child.pid))
        if fails:
            raise ValueError("no data left")

    if fails:
        with pytest.raises(GangError, match="no data left"):
            gangs[1].run(work)
    else:
        gangs[1].run(work)
    assert wait_until(lambda: not alive(int((tmp_path / "pid").read_text())), 5) is not None


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no")


def _raise(error, cause=None):
    raise error from cause


@pytest.mark.parametrize(
    ("raises", "says"),
    [
        (lambda: _raise(Unprintable()), "raised Unprintable: (its text cannot be shown: __str__ raised RuntimeError)"),
        (lambda: _raise(ValueError("a"), Unprintable()), "caused by Unprintable: (its text cannot be shown"),
        (lambda: _raise(ValueError("x\udc80y")), "raised ValueError: x?y"),
        (lambda: sys.exit(lambda: 0), "called sys.exit('<function"),
        (lambda: _raise(ExceptionGroup("two", [ValueError("a"), KeyError("b")])), "ValueError: a\n    KeyError: 'b'"),
        (lambda: lab.report("first", 3), "TypeError: lab.report takes numbers: step is 'first'."),
    ],
)
def test_every_exception_is_named(gangs, raises, says):
    with pytest.raises(GangError) as caught:
        gangs[1].run(lambda rank: raises())
    assert says in str(caught.value) and caught.value.rank == 0
    str(caught.value).encode()  # a notebook's message is UTF-8


def test_an_outer_gang_cannot_be_run_inside_a_rank(gangs, clean):
    gang = gangs[2]
    with pytest.raises(GangError, match="RuntimeError: A rank cannot start a gang of its own"):
        gang.run(lambda rank: gang.run(print))


def test_a_supervisor_that_was_stopped_does_not_take_it_for_a_hang(monkeypatch):
    gang = lab.Gang(2, timeout=0.8, straggler=0.4)
    gang.run(lambda rank: rank)
    pauses = [1.5]  # longer than all of the run
    select = selectors.DefaultSelector.select

    def stopped(self, timeout=None):
        if timeout is not None and timeout < 0.8 and pauses:
            time.sleep(pauses.pop())
            return []  # as epoll does when a signal interrupts it and its time is over
        return select(self, timeout)

    def work(rank):
        for _ in range(8):
            dist.barrier()
            time.sleep(0.1)
        return rank

    monkeypatch.setattr(selectors.DefaultSelector, "select", stopped)
    assert gang.run(work) == [0, 1]
    assert pauses == []
