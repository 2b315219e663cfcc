"""Whatever an answer does while it is checked stays in its own process, and the next check works."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
import torch.distributed as dist

from course_lib.practice import check, hint, solution
from course_lib.practice.checks import checking, judging, limits
from tests.practice.checks.reader_answers import children, judged, named, right, right_scaled_lr


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(checking, "_seen_here", type(checking._seen_here)())


def test_an_endless_loop_ends_with_a_message():
    def answer(step, base_lr, world_size, warmup_steps):
        while True:
            pass

    judged(answer, "did not return within 5 s and was stopped")


def test_ranks_that_wait_for_each_other_end_with_a_message():
    def answer(tensor):
        if dist.get_world_size() > 1:
            dist.recv(tensor, (dist.get_rank() + 1) % dist.get_world_size())

    assert "in answer: dist.recv" in judged(answer, "ranks that wait for each other", "tree_broadcast")


def test_a_loop_that_makes_progress_ends_at_the_limit(monkeypatch):
    import dataclasses

    from course_lib.practice.checks import finding

    exercise = dataclasses.replace(finding.by_id("06.tree_broadcast"), limit=1.5)

    def tree_broadcast(tensor):
        while True:
            dist.barrier()

    before = time.monotonic()
    assert "did not return within 1.5 s" in judging.judge(exercise, tree_broadcast).failures
    assert time.monotonic() - before < 40  # far from a gang's own patience


def test_a_fork_counts_once_and_leaves_nothing_behind(monkeypatch):
    monkeypatch.setenv("COURSE_TEST_MARK", str(os.getpid()))

    @named("scaled_lr")
    def answer(step, base_lr, world_size, warmup_steps):
        if (step, world_size) == (0, 32):
            os.fork()  # both go on
        if (step, world_size) == (1_000, 32) and os.fork() == 0:
            time.sleep(600)
        return right(step, base_lr, world_size, warmup_steps)

    assert check(answer).status == "passed"
    deadline = time.monotonic() + 10
    while children() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not children()


@pytest.mark.parametrize("how", ["fork", "program", "bare", "endless"])
def test_a_process_in_a_session_of_its_own_ends_with_the_check(how, tmp_path):
    noted = tmp_path / "pid"

    @named("scaled_lr")
    def answer(step, base_lr, world_size, warmup_steps):
        if not noted.exists():
            if how in ("fork", "endless"):
                child = os.fork()
                if child == 0:
                    os.setsid()
                    time.sleep(600)
                noted.write_text(str(child))
            else:
                environment = {} if how == "bare" else None
                program = ["/bin/sleep", "600"]
                noted.write_text(str(subprocess.Popen(program, start_new_session=True, env=environment).pid))
        while how == "endless":
            pass
        return right(step, base_lr, world_size, warmup_steps)

    assert check(answer).status == ("failed" if how == "endless" else "passed")
    pid = int(noted.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_nothing_that_a_rank_brings_back_runs_in_the_kernel(tmp_path):
    evidence = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return open, (str(evidence), "w")

    def as_result(step, base_lr, world_size, warmup_steps):
        return Evil()

    def through_the_pickler(step, base_lr, world_size, warmup_steps):
        from course_lib.practice.checks import in_rank

        in_rank.encode = lambda *_: Evil()
        return 1.0

    def through_the_socket(step, base_lr, world_size, warmup_steps):
        import gc
        from multiprocessing.connection import Connection

        for one in gc.get_objects():
            if isinstance(one, Connection) and one.writable and not one.closed:
                one.send((Evil(),))
        return right(step, base_lr, world_size, warmup_steps)

    judged(as_result, "Evil; expected float")
    judged(through_the_pickler, "something else than what the check had asked for")
    judged(through_the_socket, "Unreadable")
    assert not evidence.exists()


def test_exits_and_signals_are_named():
    judged(lambda step, base_lr, world_size, warmup_steps: sys.exit(3), "called sys.exit(3)")
    judged(lambda step, base_lr, world_size, warmup_steps: os._exit(0), "exit code 0")
    judged(lambda step, base_lr, world_size, warmup_steps: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL")


def test_a_segmentation_fault_is_named():
    def answer(step, base_lr, world_size, warmup_steps):
        import ctypes

        ctypes.string_at(0)

    judged(answer, "killed by SIGSEGV")


def test_too_much_memory_is_an_error_and_not_the_end_of_the_machine():
    judged(lambda step, base_lr, world_size, warmup_steps: bytearray(6 << 30), "MemoryError")


def test_an_answer_that_edits_the_checker_edits_its_own_process_only():
    def answer(step, base_lr, world_size, warmup_steps):
        import math

        from course_lib.practice.checks import in_rank, judging, verdict
        from course_lib.practice.checks.forms import by_cases

        verdict.failed = lambda *_: verdict.passed("fine")
        judging.judge = lambda *_: judging.Verdict("passed")
        in_rank.plain = lambda value, depth=0: value
        by_cases._first_fault = lambda *_: None
        math.isclose = lambda *_, **__: True
        return -1.0

    judged(answer, "gives -1, not 0.1")


def test_an_answer_that_forges_the_log_is_found_out_by_the_bytes_it_cannot_have_saved():
    def answer(tensor):
        from course_lib.practice.checks.traffic_log import Traffic

        empty = {"events": [], "collectives": [], "counted_bytes": 0, "counted_messages": 0, "calls": 0}
        Traffic.plain = property(lambda _: empty)
        dist.broadcast(tensor, 0)

    judged(answer, "no algorithm can do with less", "tree_broadcast")


def test_an_answer_that_stops_the_count_is_found_out_by_the_groups_own_number():
    def answer(tensor):
        from torch._C._distributed_c10d import ProcessGroup

        original = ProcessGroup.broadcast  # wrapped by the log and by count_sends: dig for what they wrap
        while inner := [cell.cell_contents for cell in getattr(original, "__closure__", None) or ()]:
            original = next(one for one in reversed(inner) if callable(one))
        original(dist.group.WORLD, [tensor], dist.BroadcastOptions()).wait()

    judged(answer, "by a way that cannot be counted", "tree_broadcast")


def test_closing_the_process_group_is_named():
    judged(lambda tensor: dist.destroy_process_group(), "there was no process group any more", "tree_broadcast")


def test_an_exception_shows_the_readers_own_line():
    def answer(step, base_lr, world_size, warmup_steps):
        return base_lr / 0

    text = judged(answer, "Your code raised ZeroDivisionError")
    assert "return base_lr / 0" in text and "in_rank" not in text and "drive" not in text


# --- what the function closes over ------------------------------------------------------------------------------------


def test_a_closure_over_notebook_variables_travels():
    share = {"first": 1.0}

    @named("scaled_lr")
    def answer(step, base_lr, world_size, warmup_steps):
        return share["first"] * right(step, base_lr, world_size, warmup_steps)

    assert check(answer).status == "passed"


def test_a_closure_that_cannot_travel_is_named():
    lock = threading.Lock()

    def answer(step, base_lr, world_size, warmup_steps):
        with lock:
            return base_lr

    judged(answer, "lock")


# --- when the course's own code fails ---------------------------------------------------------------------------------


def test_a_fault_of_the_checker_is_a_panel_and_not_a_verdict(monkeypatch):
    monkeypatch.setattr(judging, "judge", lambda *_: 1 / 0)
    panel = check(right_scaled_lr)
    assert panel.status == "note" and "fault of the course" in repr(panel)


def test_a_progress_file_that_cannot_be_written_spoils_nothing(monkeypatch):
    import course_lib.practice.record.progress as progress

    monkeypatch.setattr(progress.Progress, "open", classmethod(lambda *_: 1 / 0))
    assert check(right_scaled_lr).status == "passed"
    assert "hint 1 of 3" in repr(hint(right_scaled_lr))
    assert solution(right_scaled_lr).rows[0].code


def test_an_interrupt_is_no_attempt(monkeypatch):
    monkeypatch.setattr(judging, "run_trial", lambda *_: limits.Stopped("interrupt", "You interrupted the check."))
    panel = check(right_scaled_lr)
    assert panel.status == "note" and "nothing was recorded" in repr(panel)
