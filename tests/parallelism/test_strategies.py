"""The strategies of chapter 06 average alike and differ in messages and overlap; hidden seconds are no blocked ones."""

import contextlib

import nbformat
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from course_lib import lab
from course_lib.lab import Span, Timeline
from course_lib.parallelism.data_parallel import no_communication, small_gpt
from course_lib.parallelism.overlap import overlapped_seconds
from course_lib.parallelism.rounds import Round, compare, least
from course_lib.parallelism.strategies import library_ddp_spans, make_buckets
from tools.chapter import whole
from tools.storing import ROOT


def of_the_chapter() -> dict:
    """What the chapter's cells define that hold the strategies by hand: there is no second copy of them."""
    cells = nbformat.read(ROOT / whole("06").notebook, as_version=4).cells
    names = {"__name__": "__main__", "torch": torch, "dist": dist, "lab": lab, "make_buckets": make_buckets}
    names |= {"nullcontext": contextlib.nullcontext, "parameters_to_vector": parameters_to_vector}
    names |= {"vector_to_parameters": vector_to_parameters}
    for cell in cells:
        if cell.source.startswith(("class Message", "class Buckets")):
            exec(cell.source, names)
    return names


averaged = of_the_chapter()["averaged"]
LIMIT = 100_000
AFTER = {
    "per parameter": averaged(0, "finish", "start"),
    "one by one": averaged(LIMIT, "finish", "start"),
    "at once": averaged(LIMIT, "finish", "finish"),
    "one message": averaged(float("inf"), "finish", "start"),
}
OVERLAPPED, WAITED = averaged(LIMIT, "gradient", "finish"), averaged(LIMIT, "gradient", "start")
ALL = {**AFTER, "overlapped": OVERLAPPED, "waited for": WAITED, "DDP": library_ddp_spans}


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
    buckets = len(make_buckets(model.parameters(), 100_000))
    expected = dict.fromkeys(ALL, buckets) | {"per parameter": tensors, "one message": 1}
    for rounds in runs:
        assert {round_.bytes for name in ALL for round_ in rounds[name]} == {size}
        for name in set(ALL) - {"DDP"}:  # DDP cuts its buckets by a rule of its own
            assert {round_.messages for round_ in rounds[name]} == {expected[name]}, name
        assert all(1 < round_.messages < tensors for round_ in rounds["DDP"])
    assert (tensors, buckets) == (29, 6)


def test_who_starts_all_messages_before_waiting(runs):
    expected = {"at once": 6, "overlapped": 6, "waited for": None, "DDP": None}
    for rounds in runs:
        for name in ALL:
            assert {round_.ahead for round_ in rounds[name]} == {expected.get(name, 1)}, name


def test_only_a_rank_that_does_not_communicate_keeps_its_own_gradient(pair):
    alone = pair.run(compare, {"alone": no_communication, "mean": AFTER["one message"]}, rounds=1)
    own, mean = ([rounds[name][0].gradient_norm for rounds in alone] for name in ("alone", "mean"))
    assert own[0] != own[1] and mean[0] == mean[1] < min(own)


def test_only_overlapped_messages_hide(runs):
    for rounds in runs:
        for name in (*AFTER, "waited for"):
            assert {round_.hidden_s for round_ in rounds[name]} == {0.0}, name
        assert all(round_.hidden_s > 0 for round_ in rounds["overlapped"])
        assert {round_.hidden_s for round_ in rounds["DDP"]} == {None}


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

    assert pair.run(starts, "waited for") == [6, 6]  # so a count of starts cannot tell it from the real one
    assert pair.run(starts, "overlapped") == [6, 6]
    assert pair.run(starts, "at once") == [0, 0]


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


def test_the_sum_has_a_clock_of_its_own(runs):
    for round_ in (one for rounds in runs for row in rounds.values() for one in row):
        assert round_.backward_s + round_.wait_s < round_.sum_s


def test_the_least_round_keeps_its_columns_together():
    rounds = [Round(6, 8, 1, *times, 0.0, 1.0) for times in ((3.0, 1.0, 4.0), (2.0, 1.5, 3.5), (1.0, 9.0, 10.0))]
    assert least(rounds) is rounds[1] and least(rounds).sum_s == 3.5


def test_buckets_come_last_parameter_first_and_keep_the_limit():
    parameters = [nn.Parameter(torch.zeros(n)) for n in (10, 100, 5, 5)]
    buckets = make_buckets(parameters, 48)
    assert [[p.numel() for p in bucket] for bucket in buckets] == [[5, 5], [100], [10]]


def test_larger_buckets_of_a_larger_model(pair):
    large = {"overlapped": averaged(3_300_000, "gradient", "finish")}
    (rounds, _) = pair.run(compare, large, rounds=1, sequences=1, num_layers=4, d_model=256)
    assert rounds["overlapped"][0].bytes == 4 * small_gpt(num_layers=4, d_model=256).num_parameters() > 12e6
    assert rounds["overlapped"][0].messages == 5
