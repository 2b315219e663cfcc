"""Runs that go on: progress against timeout, early returns, other threads, errors that travel, a long soak."""

import multiprocessing
import os
import pickle
import signal
import threading
import time

import pytest
import torch
import torch.distributed as dist

from course_lib import lab
from course_lib.lab import Gang, GangError

PROGRESS = {
    "collectives": lambda: dist.all_reduce(torch.ones(1)),
    "prints": lambda: print("."),
    "spans": lambda: lab.start_span("s").stop(),
    "reports": lambda: lab.report(1, 100),
}


@pytest.mark.parametrize("kind", PROGRESS)
def test_a_run_longer_than_timeout_with_progress_is_never_stopped(kind):
    gang = Gang(2, timeout=0.8, straggler=5)

    def work(rank):
        for _ in range(6):
            time.sleep(0.2)
            PROGRESS[kind]()
        return "done"

    assert gang.run(work) == ["done", "done"]


def test_one_working_rank_keeps_a_waiting_rank_alive():
    def work(rank):
        for step in range(8 if rank == 1 else 0):
            lab.report(step, 8)
            time.sleep(0.2)
        dist.barrier()
        return rank

    assert Gang(2, timeout=0.8).run(work) == [0, 1]


def test_a_rank_that_returns_early_waits_for_ranks_that_still_compute(gangs):
    def work(rank):
        if rank == 1:
            time.sleep(1.2)  # straggler is 0.5 s
        return rank

    assert gangs[2].run(work) == [0, 1]


def test_a_subgroup_may_go_on_after_others_returned(gangs):
    def work(rank):
        group = dist.new_group([0, 1])
        for _ in range(8 if rank < 2 else 0):
            time.sleep(0.15)
            dist.all_reduce(torch.ones(1), group=group)
        return rank

    assert gangs[4].run(work) == [0, 1, 2, 3]


def test_every_rank_may_destroy_its_group_at_the_end(gangs):
    def work(rank):
        dist.barrier()
        dist.destroy_process_group()
        return rank

    assert gangs[2].run(work) == [0, 1]


def test_runs_work_from_another_thread_and_a_second_at_once_is_refused():
    gang = Gang(2, timeout=5)
    started = threading.Event()
    results = []

    def work(rank):
        time.sleep(0.6)
        return rank

    def first():
        started.set()
        results.append(gang.run(work))

    thread = threading.Thread(target=first)
    thread.start()
    started.wait()
    time.sleep(0.1)
    with pytest.raises(RuntimeError, match="already runs a function"):
        gang.run(work)
    assert Gang(1).run(lambda rank: "other gang") == ["other gang"]
    thread.join()
    assert results == [[0, 1]]
    assert gang.run(lambda rank: rank) == [0, 1]


def test_the_reader_s_interrupt_handler_is_put_back(gangs):
    before = signal.getsignal(signal.SIGINT)
    gangs[1].run(lambda rank: rank)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_error_travels_and_shows_as_one_message(gangs, clean):
    def work(rank):
        print("seen", end="")
        raise KeyError("missing")

    with pytest.raises(GangError) as caught:
        gangs[1].run(work)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.rank, error.cause, str(error)) == (0, "exception", str(caught.value))
    assert error.output == {0: "seen\n"}
    assert error._render_traceback_() == [f"GangError: {error}"]
    assert 'raise KeyError("missing")' in str(error)
    assert "site-packages" not in str(error) and "rank_process" not in str(error) and os.getcwd() not in str(error)


def test_a_long_soak_with_faults_leaks_nothing(gangs, clean):
    def good(rank):
        x = torch.ones(1) * rank
        dist.all_reduce(x)
        return x.item()

    def bad(rank):
        if rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        dist.barrier()

    for turn in range(50):
        if turn % 5 == 4:
            with pytest.raises(GangError, match="SIGKILL"):
                gangs[2].run(bad)
        else:
            assert gangs[2].run(good) == [1.0, 1.0]
    assert multiprocessing.active_children() == []
