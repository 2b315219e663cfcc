"""Kinds of wrong answers that once passed, and of right ones that once did not: each exercise's form knows them."""

import functools
import math
import os
import random
import socket
import typing

import pytest
import torch
import torch.distributed as dist
from torch import nn

from course_lib.exercises.ch06_data_parallel.bucketed_ddp import Reference as Buckets
from course_lib.practice.checks import finding
from tests.practice.checks.reader_answers import accepted, rejected, right

# --- state between calls ----------------------------------------------------------------------------------------------

_kept = {}


def cached_by_the_first_argument(m, k, n, flops_per_s, bytes_per_s, bytes_per_element=4):
    if m not in _kept:
        _kept[m] = finding.by_id("00.least_seconds").reference(m, k, n, flops_per_s, bytes_per_s, bytes_per_element)
    return _kept[m]


def counts_its_calls(step, base_lr, world_size, warmup_steps):
    _kept["calls"] = _kept.get("calls", 0) + 1
    return right(step, base_lr, world_size, warmup_steps) * (1 if _kept["calls"] < 60 else 2)


def keeps_the_first_tensor(tensor):
    buffer = _kept.setdefault(tuple(tensor.shape), tensor.clone() if dist.get_rank() == 0 else tensor)
    finding.by_id("06.tree_broadcast").reference(buffer)
    tensor.copy_(buffer)


def keeps_the_number_of_tokens(model, microbatches):
    tokens = _kept.setdefault("tokens", torch.tensor(float(sum(y.numel() for _, y in microbatches))))
    if "summed" not in _kept:
        dist.all_reduce(tokens)
        _kept["summed"] = True
    model.zero_grad()
    for x, y in microbatches:
        (model.loss(x, y, reduction="sum") / tokens).backward()
    flat = torch.cat([p.grad.flatten() for p in model.parameters()])
    dist.all_reduce(flat)
    nn.utils.vector_to_parameters(flat, [p.grad for p in model.parameters()])


class KeepsItsBucketsInTheClass(Buckets):
    made: typing.ClassVar = []

    def restart(self):
        if not self.made:
            self.made.extend(self.buckets)
        self.buckets = self.made
        super().restart()


@pytest.mark.parametrize(
    ("exercise_id", "answer", "words"),
    [
        ("00.least_seconds", cached_by_the_first_argument, "not"),
        ("06.scaled_lr", counts_its_calls, "not"),
        ("06.tree_broadcast", keeps_the_first_tensor, "in the same process"),
        ("06.accumulate_by_tokens", keeps_the_number_of_tokens, "in the same process"),
        ("06.bucketed_ddp", KeepsItsBucketsInTheClass, ""),
    ],
)
def test_what_is_kept_between_calls_is_seen(exercise_id, answer, words):
    rejected(exercise_id, answer, words)


def test_an_answer_that_spoils_what_it_is_given_is_seen():
    def answer(step, base_lr, world_size, warmup_steps):
        return right(step, base_lr, world_size, warmup_steps)

    from course_lib.practice.checks.forms.by_cases import drive

    seen = drive(lambda numbers: numbers.append(1), 0, [[[1, 2]], [[3]]], 0, "f")
    assert seen["changed"] == [[0, 1], [1, 1]]


# --- traps that meet, and what else is changed ------------------------------------------------------------------------


def test_parameters_and_data_that_change_unasked():
    def also_steps(model, microbatches):
        finding.by_id("06.accumulate_by_tokens").reference(model, microbatches)
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad

    def eats_its_data(model, microbatches):
        finding.by_id("06.accumulate_by_tokens").reference(model, microbatches)
        microbatches.clear()

    class Thaws(Buckets):
        def finish(self):
            super().finish()
            for p in self.model.parameters():
                p.requires_grad_(True)

        def __init__(self, model, limit_bytes=1):
            super().__init__(model, limit_bytes)
            self.model = model

    rejected("06.accumulate_by_tokens", also_steps, "The parameters were changed")
    rejected("06.accumulate_by_tokens", eats_its_data, "The data that was handed over was changed")
    rejected("06.bucketed_ddp", Thaws, "requires_grad of a parameter was changed")


# --- every machine ----------------------------------------------------------------------------------------------------


def shuffled(key, n, rank, world_size):
    order = list(range(n))
    random.Random(key).shuffle(order)
    total = -(-n // world_size) * world_size
    return (order * (total // n + 1))[:total][rank::world_size]


def by_process(num_examples, rank, world_size, epoch, seed=0):
    return shuffled(f"{seed} {epoch} {os.getpid()}", num_examples, rank, world_size)


def by_host(num_examples, rank, world_size, epoch, seed=0):
    return shuffled(f"{seed} {epoch} {socket.gethostname()}", num_examples, rank, world_size)


def by_hash(num_examples, rank, world_size, epoch, seed=0):
    return shuffled(hash(("epoch", seed, epoch)), num_examples, rank, world_size)


def only_if_there_is_a_seed(num_examples, rank, world_size, epoch, seed=0):
    return shuffled(f"{seed} {epoch if seed else 0}", num_examples, rank, world_size)


@pytest.mark.parametrize("answer", [by_process, by_host, by_hash])
def test_an_order_that_depends_on_the_machine(answer):
    rejected("06.epoch_indices", answer, "another hash seed, process id and host name")


def test_seed_zero_is_a_seed():
    rejected("06.epoch_indices", only_if_there_is_a_seed, "Two epochs have the same order")


def repeats_after_four_epochs(num_examples, rank, world_size, epoch, seed=0):
    return shuffled(f"{seed} {epoch % 4}", num_examples, rank, world_size)


def test_orders_that_repeat_after_a_few_epochs():
    rejected("06.epoch_indices", repeats_after_four_epochs, "Two epochs have the same order")


@functools.lru_cache(maxsize=8)
def _order(num_examples, epoch, seed):
    return tuple(torch.randperm(num_examples, generator=torch.Generator().manual_seed(seed + epoch)).tolist())


def test_padding_with_one_index_and_a_cached_helper_are_right():
    def answer(num_examples, rank, world_size, epoch, seed=0):
        order = list(_order(num_examples, epoch, seed))
        return (order + order[-1:] * (-num_examples % world_size))[rank::world_size]

    accepted("06.epoch_indices", answer)


# --- edges, sizes, types ----------------------------------------------------------------------------------------------


def test_just_before_the_edge():
    def answer(step, base_lr, world_size, warmup_steps):
        return base_lr * world_size if step >= warmup_steps - 1 else right(step, base_lr, world_size, warmup_steps)

    rejected("06.scaled_lr", answer, "step=1999")


def test_element_size_where_arithmetic_decides():
    def answer(m, k, n, flops_per_s, bytes_per_s, bytes_per_element=4):
        return max(
            2 * m * k * n / flops_per_s * bytes_per_element / 4,
            bytes_per_element * (m * k + k * n + m * n) / bytes_per_s,
        )

    rejected("00.least_seconds", answer, "not")


def test_views_and_types_of_tensors():
    def through_float32(tensor):
        copy = tensor.float()
        finding.by_id("06.tree_broadcast").reference(copy)
        tensor.copy_(copy)

    def whole_storage(tensor):
        finding.by_id("06.tree_broadcast").reference(tensor)
        torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())[:1] = 1

    def mean(tensor):
        finding.by_id("06.halving_doubling").reference(tensor)
        tensor /= dist.get_world_size()

    def changes_the_type(model, microbatches):
        finding.by_id("06.accumulate_by_tokens").reference(model.float(), microbatches)

    rejected("06.halving_doubling", mean, "is the mean")
    rejected("06.accumulate_by_tokens", changes_the_type, "The parameters were changed")
    rejected("06.tree_broadcast", through_float32, "In call 2 in the same process, on a float64 tensor")
    rejected("06.tree_broadcast", whole_storage, "")


def test_a_barrier_is_not_free():
    def answer(tensor):
        finding.by_id("06.tree_broadcast").reference(tensor)
        dist.barrier()

    class Waits(Buckets):
        def finish(self):
            dist.barrier()
            super().finish()

    rejected("06.tree_broadcast", answer, "calls the library's barrier")
    rejected("06.bucketed_ddp", Waits, "calls barrier")


def test_overlap_needs_more_than_one_bucket():
    class FirstAlone(Buckets):
        def ready(self, i):
            if i == 0:
                super().ready(i)

    rejected("06.bucketed_ddp", FirstAlone, "")


def test_communication_and_what_a_cell_has_replaced(monkeypatch):
    def communicates(step, base_lr, world_size, warmup_steps):
        getattr(dist, "all_reduce")(torch.ones(1))  # noqa: B009
        return right(step, base_lr, world_size, warmup_steps)

    def looks_it_up(step, base_lr, world_size, warmup_steps):
        from course_lib.exercises.ch06_data_parallel.scaled_lr import reference

        return reference(step, base_lr, world_size, warmup_steps)

    rejected("06.scaled_lr", communicates, "Your code communicates")
    rejected("06.scaled_lr", looks_it_up, "uses course_lib.exercises")
    monkeypatch.setattr(math, "isclose", lambda *_, **__: True)
    rejected("06.scaled_lr", lambda step, base_lr, world_size, warmup_steps: 0.0, "gives 0, not")


def test_two_edges_that_meet():
    def forgets_one_row_of_the_first_layer(tokens, d_in, d_out, is_first):
        return (4 if is_first and tokens > 1 else 6) * tokens * d_in * d_out

    rejected("00.linear_training_flops", forgets_one_row_of_the_first_layer, "is_first=True")


def test_the_same_tensor_again_and_one_that_was_replaced():
    def skips_what_it_knows(tensor):
        if _kept.setdefault(tensor.data_ptr(), (tensor.shape, tensor.dtype)) is not True:
            finding.by_id("06.tree_broadcast").reference(tensor)
        _kept[tensor.data_ptr()] = True

    def puts_another_storage_below(tensor):
        copy = tensor.clone()
        finding.by_id("06.tree_broadcast").reference(copy)
        tensor.data = copy

    def keeps_a_buffer_by_length(tensor):
        if dist.get_world_size() == 1:
            return
        buffer = _kept.setdefault(tensor.numel(), torch.empty_like(tensor))
        buffer.copy_(tensor)
        finding.by_id("06.tree_broadcast").reference(tensor if dist.get_rank() == 0 else buffer)
        tensor.copy_(buffer)

    rejected("06.tree_broadcast", keeps_a_buffer_by_length, "differ in size")
    rejected("06.tree_broadcast", skips_what_it_knows, "the one of the call before with new values")
    rejected("06.tree_broadcast", puts_another_storage_below, "lies elsewhere in memory")


def test_the_mode_of_the_model_and_a_single_rank():
    def trains(model, microbatches):
        finding.by_id("06.accumulate_by_tokens").reference(model.train(), microbatches)

    class NeedsAnother(Buckets):
        def finish(self):
            assert dist.get_world_size() > 1
            super().finish()

    rejected("06.accumulate_by_tokens", trains, "between train() and eval()")
    rejected("06.bucketed_ddp", NeedsAnother, "One rank has nothing to average")
