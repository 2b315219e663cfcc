"""Whatever a reader hands to `check`: one panel that names what was expected, and the next check works."""

import os
import signal
import sys
import threading
import time

import pytest
import torch
import torch.distributed as dist

from course_lib.practice import check, checking, hint, judging, limits, solution


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(checking, "_seen_here", type(checking._seen_here)())


def named(name):
    """Give a function the name of an exercise, as `def NAME` in a cell does."""

    def rename(function):
        function.__name__ = function.__qualname__ = name
        return function

    return rename


def right(step, base_lr, world_size, warmup_steps):
    done = min(1.0, step / max(warmup_steps, 1)) if warmup_steps else 1.0
    return base_lr + done * (world_size - 1) * base_lr


@named("scaled_lr")
def right_scaled_lr(step, base_lr, world_size, warmup_steps):
    return right(step, base_lr, world_size, warmup_steps)


def children():
    """Process ids below this one that are alive, the fork server's own helpers among them."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    environment = file.read()
            except OSError:
                continue
            if b"COURSE_TEST_MARK=" + str(os.getpid()).encode() in environment:
                found.add(int(entry))
    return found


# --- what never runs -------------------------------------------------------------------------------------------------


def test_a_function_of_another_name_is_told_the_nearest_one():
    def tree_brodcast(tensor):
        pass

    text = repr(check(tree_brodcast))
    assert "No exercise asks for 'tree_brodcast'" in text and "Did you mean tree_broadcast?" in text


def test_a_name_far_from_all_is_told_what_there_is():
    def my_helper(tensor):
        pass

    assert "06.tree_broadcast" in repr(check(my_helper))


def test_a_lambda_is_asked_to_become_a_def():
    assert "A lambda has no name" in repr(check(lambda tensor: tensor))


@pytest.mark.parametrize(("given", "words"), [(None, "leave out the parentheses"), (3.2, "type float")])
def test_something_that_is_no_function_is_named(given, words):
    text = repr(check(given))
    assert "Expected a function or class" in text and words in text


def test_an_id_instead_of_a_function():
    assert "write check(tree_broadcast)" in repr(check("06.tree_broadcast"))
    for call in (check, hint, solution):
        assert "There is no exercise '06.tree_brodcast'" in repr(call("06.tree_brodcast"))


def test_an_object_instead_of_its_class():
    class RobustBuckets:
        pass

    assert "give the class itself: check(RobustBuckets)" in repr(check(RobustBuckets()))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda tensor, root: None, "got (tensor, root)"),
        (lambda *, tensor: None, "got (*, tensor)"),
        (lambda: None, "got ()"),
    ],
)
def test_a_wrong_signature_names_both(function, words):
    text = " ".join(repr(check(named("tree_broadcast")(function))).split())
    assert f"expected tree_broadcast(tensor: torch.Tensor) -> None, {words}" in text


def test_an_optional_argument_must_stay_optional():
    @named("epoch_indices")
    def answer(num_examples, rank, world_size, epoch, seed):
        return []

    assert "another signature" in repr(check(answer))


def test_a_class_without_its_method_and_a_function_for_a_class():
    class RobustBuckets:
        def __init__(self, model, limit_bytes=1):
            self.model = model

    assert "has no method finish" in repr(check(RobustBuckets))
    assert "asks for a class" in repr(check(named("RobustBuckets")(lambda model, limit_bytes=1: None)))


def test_the_stub_is_not_attempted_and_nothing_is_run_for_it(monkeypatch):
    monkeypatch.setattr(judging, "run_trial", lambda *_: pytest.fail("a stub was run"))

    def tree_broadcast(tensor: torch.Tensor) -> None:
        """Give every rank the values that rank 0 holds, in place."""
        raise NotImplementedError

    panel = check(tree_broadcast)
    assert panel.status == "not attempted" and repr(panel).startswith("Exercise 06.tree_broadcast")


def test_a_stub_whose_source_cannot_be_read_is_not_attempted_either():
    cell = {}
    exec("def scaled_lr(step, base_lr, world_size, warmup_steps):\n    raise NotImplementedError", cell)
    assert check(cell["scaled_lr"]).status == "not attempted"


def test_a_library_that_does_not_implement_something_is_no_stub():
    @named("scaled_lr")
    def answer(step, base_lr, world_size, warmup_steps):
        return torch.nn.Module()(step)  # raises NotImplementedError in torch's own code

    assert check(answer).status == "failed"


# --- what runs, and does harm ----------------------------------------------------------------------------------------


def judged(function, words, name="scaled_lr"):
    """Check a function, expect the words in a failure, and expect that the next check passes."""
    panel = check(named(name)(function))
    text = " ".join(repr(panel).split())
    said = " ".join(f"{row.text} {row.detail}" for row in panel.rows if row.status == "failed")  # not the source shown
    assert words in said, text
    assert check(right_scaled_lr).status == "passed"
    return text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda step, base_lr, world_size, warmup_steps: None, "returned None; expected float"),
        (lambda step, base_lr, world_size, warmup_steps: "0.1", "returned str; expected float"),
        (lambda step, base_lr, world_size, warmup_steps: torch.tensor([base_lr]), "a Tensor of shape (1,)"),
    ],
)
def test_a_wrong_return_type_is_named(answer, words):
    judged(answer, words)


def test_an_object_that_claims_to_equal_everything_is_named_by_its_type():
    class Agreeable(float):
        def __eq__(self, other):
            return True

        __hash__ = float.__hash__

    def answer(step, base_lr, world_size, warmup_steps):
        return Agreeable(1.0)

    judged(answer, "Agreeable; expected float")


def test_a_changed_shape_is_named():
    def answer(tensor):
        tensor.resize_(3)

    judged(answer, "went in with shape (250,) and came out as a Tensor of shape (3,)", "tree_broadcast")


def test_a_megabyte_of_print_is_cut_and_judged_all_the_same():
    @named("scaled_lr")
    def answer(step, base_lr, world_size, warmup_steps):
        print("x" * 1_000_000)
        os.write(2, b"y" * 1_000)
        return right(step, base_lr, world_size, warmup_steps)

    panel = check(answer)
    assert panel.status == "passed" and len(repr(panel)) < 1_000
    assert "Your code printed 32," in repr(panel) and "xxxx" in repr(panel)


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

    from course_lib.practice import finding

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

        from course_lib.exercises.ch06_data_parallel import scaled_lr
        from course_lib.practice import in_rank, judging, verdict

        verdict.failed = lambda *_: verdict.passed("fine")
        judging.judge = lambda *_: judging.Verdict("passed")
        in_rank.plain = lambda value, depth=0: value
        scaled_lr.judge = lambda *_: []
        math.isclose = lambda *_, **__: True
        return -1.0

    judged(answer, "-1, not 0.1")


def test_an_answer_that_forges_the_log_is_found_out_by_the_bytes_it_cannot_have_saved():
    def answer(tensor):
        from course_lib.practice.traffic_log import Traffic

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
    import course_lib.practice.progress as progress

    monkeypatch.setattr(progress.Progress, "open", classmethod(lambda *_: 1 / 0))
    assert check(right_scaled_lr).status == "passed"
    assert "hint 1 of 3" in repr(hint(right_scaled_lr))
    assert solution(right_scaled_lr).rows[0].code


def test_an_interrupt_is_no_attempt(monkeypatch):
    monkeypatch.setattr(judging, "run_trial", lambda *_: limits.Stopped("interrupt", "You interrupted the check."))
    panel = check(right_scaled_lr)
    assert panel.status == "note" and "nothing was recorded" in repr(panel)
