"""Strategies average alike and differ in messages and in what overlaps; hidden seconds are told from blocked ones."""

from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import nn

from course_lib import lab
from course_lib.lab import Span, Timeline
from course_lib.parallelism import strategies
from course_lib.parallelism.data_parallel import small_gpt
from course_lib.parallelism.overlap import overlapped_seconds
from course_lib.parallelism.rounds import Round, compare, least

AFTER = ("per_parameter", "buckets_one_by_one", "buckets_at_once", "one_message")
DURING = ("buckets_overlapped", "buckets_waited_for", "library_ddp_spans")
ALL = {name: getattr(strategies, name) for name in (*AFTER, *DURING)}


@pytest.fixture(scope="module")
def pair():
    return lab.Gang(2, timeout=60)


@pytest.fixture(scope="module")
def runs(pair):
    return pair.run(compare, ALL, rounds=3)


def gradients(rank, names):
    found = {}
    for name in names:
        model = small_gpt()
        module, finish = ALL[name](model)
        tokens = torch.randint(model.config.vocab_size, (2, 65), generator=torch.Generator().manual_seed(rank))
        for _ in range(2):  # a second step, since hooks and DDP's buckets must be ready again
            model.zero_grad()
            nn.functional.cross_entropy(module(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
            finish()
        found[name] = torch.cat([p.grad.flatten() for p in model.parameters()])
    plain = small_gpt()
    nn.functional.cross_entropy(plain(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
    expected = torch.cat([p.grad.flatten() for p in plain.parameters()])
    dist.all_reduce(expected)
    return {name: (flat - expected / 2).abs().max().item() for name, flat in found.items()}


def test_every_strategy_leaves_the_mean(pair):
    for errors in pair.run(gradients, list(ALL)):
        assert all(error < 1e-7 for error in errors.values()), errors


def test_messages_differ_and_bytes_do_not(runs):
    model = small_gpt()
    tensors, size = len(list(model.parameters())), 4 * model.num_parameters()
    buckets = len(strategies.make_buckets(model.parameters(), 100_000))
    expected = dict.fromkeys(ALL, buckets) | {"per_parameter": tensors, "one_message": 1}
    for rounds in runs:
        assert {round_.bytes for name in ALL for round_ in rounds[name]} == {size}
        for name in set(ALL) - {"library_ddp_spans"}:  # DDP cuts its buckets by a rule of its own
            assert {round_.messages for round_ in rounds[name]} == {expected[name]}, name
        assert all(1 < round_.messages < tensors for round_ in rounds["library_ddp_spans"])
    assert (tensors, buckets) == (29, 6)


def test_only_overlapped_messages_hide(runs):
    for rounds in runs:
        for name in (*AFTER, "buckets_waited_for"):
            assert {round_.hidden_s for round_ in rounds[name]} == {0.0}, name
        assert all(round_.hidden_s > 0 for round_ in rounds["buckets_overlapped"])
        assert {round_.hidden_s for round_ in rounds["library_ddp_spans"]} == {None}


def test_the_control_starts_its_messages_inside_the_backward_pass(pair):
    def starts(rank, name):
        model = small_gpt()
        module, finish = ALL[name](model)
        tokens = torch.zeros(2, 65, dtype=torch.long)
        loss = nn.functional.cross_entropy(module(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        with lab.collect_spans() as timeline:
            with lab.span("backward"):
                loss.backward()
            finish()
        (backward,) = timeline.select("backward").spans
        return sum(backward.start_s < span.start_s < backward.end_s for span in timeline.select("all_reduce").spans)

    assert pair.run(starts, "buckets_waited_for") == [6, 6]  # so a count of starts cannot tell it from the real one
    assert pair.run(starts, "buckets_overlapped") == [6, 6]
    assert pair.run(starts, "buckets_at_once") == [0, 0]


def spans(*named):
    return Timeline([Span(0, name, start, end) for name, start, end in named])


@pytest.mark.parametrize(
    ("timeline", "seconds"),
    [
        (spans(("backward", 0, 10), ("all_reduce", 4, 12)), 6),
        (spans(("backward", 0, 10), ("all_reduce", 10, 12)), 0),
        (spans(("backward", 0, 10), ("wait", 4, 7), ("all_reduce", 4, 7)), 0),
        (spans(("backward", 0, 10), ("wait", 6, 7), ("all_reduce", 4, 8)), 3),
        (spans(("backward", 0, 10), ("all_reduce", 2, 6), ("all_reduce", 4, 8)), 6),  # two at once hide one backward
        (spans(("all_reduce", 0, 1)), 0),
    ],
)
def test_hidden_seconds_by_hand(timeline, seconds):
    assert overlapped_seconds(timeline, rank=0) == seconds
    assert overlapped_seconds(timeline, rank=1) == 0


def test_the_least_round_keeps_its_columns_together():
    rounds = [Round(6, 8, 3.0, 1.0, 0.0), Round(6, 8, 2.0, 1.5, 0.0), Round(6, 8, 1.0, 9.0, 0.0)]
    assert least(rounds) is rounds[1] and least(rounds).sum_s == 3.5


def test_buckets_come_last_parameter_first_and_keep_the_limit():
    parameters = [nn.Parameter(torch.zeros(n)) for n in (10, 100, 5, 5)]
    buckets = strategies.make_buckets(parameters, 48)
    assert [[p.numel() for p in bucket] for bucket in buckets] == [[5, 5], [100], [10]]


def test_a_frozen_parameter_gets_one_sentence():
    def job(rank):
        model = nn.Linear(2, 2)
        model.bias.requires_grad_(False)
        _, finish = strategies.one_message(model)
        model(torch.ones(1, 2)).sum().backward()
        with pytest.raises(ValueError, match=r"shape \(2,\) has no gradient"):
            finish()
        return True

    assert lab.Gang(1, timeout=30).run(job) == [True]


def test_larger_buckets_of_a_larger_model(pair):
    large = {"overlapped": partial(strategies.buckets_overlapped, limit_bytes=3_300_000)}
    (rounds, _) = pair.run(compare, large, rounds=1, sequences=1, num_layers=4, d_model=256)
    assert rounds["overlapped"][0].bytes == 4 * small_gpt(num_layers=4, d_model=256).num_parameters() > 12e6
    assert rounds["overlapped"][0].messages == 5
