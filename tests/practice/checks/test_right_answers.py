"""Right answers in other clothes are accepted, and what a failure says is the fault."""

import functools

from course_lib.exercises.ch06_data_parallel.bucketed_ddp import Reference
from course_lib.practice.checks import finding
from course_lib.practice.checks.exercise import variant
from tests.practice.checks.reader_answers import accepted, named, rejected, right, verdict


def test_caches_decorators_partials_and_numbers_of_numpy_are_accepted():
    import numpy as np

    def traced(function):
        @functools.wraps(function)
        def call(*args):
            return function(*args)

        return call

    def answer(step, base_lr, world_size, warmup_steps):
        return right(step, base_lr, world_size, warmup_steps)

    def interpolated(step, base_lr, world_size, warmup_steps):
        ends = [base_lr, base_lr * world_size]
        return np.interp(step, [0, warmup_steps], ends) if warmup_steps else np.float64(ends[1])

    for one in (functools.lru_cache(answer), functools.cache(answer), traced(answer), interpolated):
        accepted("06.scaled_lr", one)


def test_a_bucket_that_is_closed_by_the_parameter_that_fills_it_is_right():
    rule = "size and size + parameter.nbytes > limit_bytes"
    accepted("06.bucketed_ddp", variant(Reference, "closes when full", (rule, "size >= limit_bytes")))


def test_what_hides_its_name_counts_by_the_variable_that_holds_it():
    from course_lib.practice import check

    class Schedule:
        def __call__(self, step, base_lr, world_size, warmup_steps):
            return right(step, base_lr, world_size, warmup_steps)

    for scaled_lr in (functools.partial(right), Schedule(), lambda a, b, c, d: right(a, b, c, d)):
        panel = check(scaled_lr)
        assert panel.status == "passed", repr(panel)


def test_messages_name_the_fault():
    def pieces(tensor):
        for half in tensor.view(-1).chunk(2):
            finding.by_id("06.tree_broadcast").reference(half)

    @named("tree_broadcast")
    def raises(tensor):
        return tensor.no_such_method()

    rejected("06.tree_broadcast", pieces, "messages to rank 1; one is enough")
    found = verdict("06.tree_broadcast", raises)
    assert "no_such_method" in found.failures and "no power of two" not in found.failures
    assert "waits for a message" not in found.failures
