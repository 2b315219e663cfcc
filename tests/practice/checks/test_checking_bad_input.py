"""Whatever a reader hands to `check`: one panel that names what was expected, and the next check works."""

import os
import re

import pytest
import torch

from course_lib.practice import check, hint, solution
from course_lib.practice.checks import checking, judging
from tests.practice.checks.reader_answers import judged, named, right


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(checking, "_seen_here", type(checking._seen_here)())


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


def test_an_answer_that_is_written_in_part_was_attempted():
    @named("scaled_lr")
    def half(step, base_lr, world_size, warmup_steps):
        if warmup_steps:
            return right(step, base_lr, world_size, warmup_steps)
        raise NotImplementedError

    class RobustBuckets:
        def __init__(self, model, limit_bytes=100_000):
            self.model = model

        def finish(self):
            raise NotImplementedError

    for answer, where in ((half, "half"), (RobustBuckets, "finish")):
        panel = check(answer)
        assert panel.status == "failed" and f"{where} still raises NotImplementedError" in repr(panel)


def test_a_library_that_does_not_implement_something_is_no_stub():
    @named("scaled_lr")
    def answer(step, base_lr, world_size, warmup_steps):
        return torch.nn.Module()(step)  # raises NotImplementedError in torch's own code

    assert check(answer).status == "failed"


# --- what runs, and does harm ----------------------------------------------------------------------------------------


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
    assert re.search(r"Your code printed \d{2,3},\d{3},\d{3} bytes, from the beginning", repr(panel))
    assert "xxxx" in repr(panel)
