"""Values and types that once let a wrong answer pass: each form tries them without the author thinking of it."""

import contextlib
import random

import pytest
import torch

from course_lib.exercises.ch06_data_parallel import bucketed_ddp, halving_doubling, tree_broadcast
from course_lib.practice.checks.exercise import variant
from course_lib.practice.checks.forms.arguments import calls, whole
from course_lib.practice.checks.forms.arithmetic import NotArithmetic, only_arithmetic
from course_lib.practice.checks.forms.by_cases import drive
from course_lib.practice.checks.verdict import close, same
from tests.practice.checks.reader_answers import rejected

LATER = "in the same process, on a"


def test_not_a_number_and_infinity_travel_too():
    def answer(tensor):
        tree_broadcast.reference(tensor)
        tensor.nan_to_num_()

    rejected("06.tree_broadcast", answer, "the one of the call before with new values")


def test_a_tensor_without_dimensions():
    def answer(tensor):
        if tensor.dim():
            tree_broadcast.reference(tensor)

    rejected("06.tree_broadcast", answer, f"{LATER} float32 tensor of no dimension (0-d)")


@pytest.mark.parametrize(
    ("module", "old", "new", "words"),
    [
        (halving_doubling, "keep += arrived", "keep += arrived.float()", f"{LATER} float64 tensor"),
        (halving_doubling, "keep += arrived", "keep.copy_(keep.double() + arrived)", "On 2 ranks, on integers"),
    ],
)
def test_wide_types_that_pass_through_a_narrower_one(module, old, new, words):
    rejected("06.halving_doubling", variant(module.reference, "narrows", (old, new)), words)


def test_gradients_in_float64_are_compared_as_such():
    narrow = variant(bucketed_ddp.Reference, "narrows", ("grad.flatten()", "grad.flatten().float().to(grad.dtype)"))
    rejected("06.bucketed_ddp", narrow, "float64 passes through float32")


def test_what_ranks_put_in_order_by_hash():
    key = "sorted(parameters, key=lambda p: hash(str(p.shape)))"
    by_hash = variant(bucketed_ddp.Reference, "orders by hash", ("reversed(parameters)", key))
    rejected("06.bucketed_ddp", by_hash, "hash() of text differs from process to process")


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: torch.ones(1, 1) @ torch.ones(1, 1), "a product of matrices (mm)"),
        (lambda: torch.ones(2, 1, 1) @ torch.ones(2, 1, 1), "a product of matrices (bmm)"),
        (
            lambda: torch.nn.Linear(1, 1, device="meta")(torch.empty(1, 1, device="meta")),
            "a product of matrices (addmm)",
        ),
        (lambda: torch.nn.functional.conv1d(torch.ones(1, 1, 3), torch.ones(1, 1, 2)), "a product of matrices"),
        (lambda: torch.empty(1_000, 1_000, device="meta"), "asked for a tensor of 1,000,000 elements"),
    ],
)
def test_a_product_of_any_size_is_no_arithmetic(run, words):
    def swallows():
        with contextlib.suppress(Exception):
            run()
        return 1

    seen = drive(swallows, 0, [[], []], 0, "f", arithmetic=True)
    assert seen["results"] == [] and seen["ran"][0] == 0 and words in seen["ran"][1]
    assert drive(swallows, 0, [[]], 0, "f")["results"] == [1]
    with only_arithmetic():
        assert torch.tensor([2.0, 3.0]).prod().item() == 6.0
    with pytest.raises(NotArithmetic), only_arithmetic():
        run()


def test_a_float_that_is_cut_to_an_int_is_not_called_a_float():
    def cuts(tokens, d_in, d_out, is_first):
        return int(float(2 if is_first else 3) * 2 * tokens * d_in * d_out)

    rejected("00.linear_training_flops", cuts, "A float holds whole numbers up to 2^53 only")


def test_comparisons_ask_nothing_that_a_cell_can_replace(monkeypatch):
    for name in ("equal", "all", "abs", "__sub__", "__eq__", "__le__", "double", "to", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, **__: True)
    one, other, nan = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([float("nan")])
    assert not same(one, other) and not close(one, other, 1e-3) and not close(nan, one, 1.0)
    assert same(nan, nan) and same(one, one) and close(one, one, 0.0)
    assert not same(one, torch.tensor([1])) and not same(one, torch.tensor([[1.0]]))


def test_arguments_meet_at_their_ends_all_of_them_too_and_each_is_there_alone():
    ends = ((0, 1), (1, 2), (2, 3))
    made = calls({name: whole(one[0], 9_000) for name, one in zip("abc", ends, strict=True)}, 0, random.Random(0))
    at = [{n for n, value in enumerate(call) if value in ends[n]} for call in made]
    assert all(some in at for some in ({0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}))
