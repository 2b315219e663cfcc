"""Bad input ends in one sentence that says what was wrong and what to do."""

import os
import tempfile
import threading

import pytest
import torch

from course_lib.lab import Gang, GangError
from course_lib.lab.gang import payload, settings


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((0,), ValueError, "A gang has at least 1 rank, not 0: write Gang(1) to try a function alone."),
        ((-2,), ValueError, "A gang has at least 1 rank, not -2: write Gang(1) to try a function alone."),
        ((9,), ValueError, "A gang has at most 8 ranks, not 9: use fewer, or `course run` on several machines."),
        (("4",), TypeError, "world_size is a whole number, not '4'."),
        ((2.0,), TypeError, "world_size is a whole number, not 2.0."),
        ((True,), TypeError, "world_size is a whole number, not True."),
        ((2, {"timeout": 0}), ValueError, "timeout is a number of seconds greater than 0, not 0."),
        ((2, {"timeout": -1.5}), ValueError, "timeout is a number of seconds greater than 0, not -1.5."),
        ((2, {"timeout": float("nan")}), ValueError, "timeout is a number of seconds greater than 0, not nan."),
        ((2, {"timeout": "10"}), TypeError, "timeout is a number of seconds, not '10'."),
        ((2, {"straggler": 0}), ValueError, "straggler is a number of seconds greater than 0, not 0."),
        ((2, {"backend": "mpi"}), ValueError, "backend is 'auto', 'gloo' or 'nccl', not 'mpi'."),
        ((2, {"threads": 0}), ValueError, "threads is from 1 to"),
    ],
)
def test_a_gang_that_cannot_be(arguments, error, sentence):
    world_size, options = arguments[0], arguments[1] if len(arguments) > 1 else {}
    with pytest.raises(error) as caught:
        Gang(world_size, **options)
    assert str(caught.value).startswith(sentence)


def test_nccl_without_enough_gpus_says_how_many_there_are(monkeypatch):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)  # the storing profile sets it to cpu
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    with pytest.raises(ValueError, match="this machine has 1 GPU for 2 ranks: use backend='gloo'"):
        settings.choose_backend(2, "nccl")
    assert settings.choose_backend(1, "auto") == ("nccl", ["cuda:0"], "nccl on 1 GPU")
    backend, devices, words = settings.choose_backend(2, "auto")
    assert (backend, devices) == ("gloo", ["cpu", "cpu"])
    assert (
        settings.say(2, words, 1)
        == "Gang of 2 ranks: gloo on CPU (1 GPU for 2 ranks is too few for nccl), 1 thread each."
    )
    assert settings.choose_backend(1, "gloo")[1] == ["cpu"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert settings.choose_backend(4, "auto")[1] == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert settings.choose_backend(4, "auto")[0] == "gloo"


def test_a_new_gang_says_what_it_is(capsys):
    Gang(1)
    Gang(2)
    assert (
        capsys.readouterr().out
        == "Gang of 1 rank: gloo on CPU, 1 thread.\nGang of 2 ranks: gloo on CPU, 1 thread each.\n"
    )


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)])
def test_a_limit_is_a_positive_number_of_seconds(gangs, limit, error):
    with pytest.raises(error, match="limit is a number of seconds"):
        gangs[1].run(print, limit=limit)


def test_the_result_of_a_call_is_no_function(gangs):
    with pytest.raises(
        TypeError, match=r"Hand over the function itself, as in gang\.run\(train, steps=3\), not list: \[1\]"
    ):
        gangs[1].run([1])


def test_a_wrong_argument_is_the_rank_s_own_error(gangs):
    with pytest.raises(GangError, match=r"rank 0 raised TypeError: .* unexpected keyword argument 'stepz'"):
        gangs[1].run(lambda rank, steps=1: rank, stepz=2)


def test_what_holds_a_payload_back_is_named(gangs, clean):
    lock = threading.Lock()
    nested = {"deep": [lock]}

    def helper():
        return nested

    def work(rank):
        return helper()

    with pytest.raises(
        GangError, match=r"work cannot travel to the ranks: .*cannot pickle '_thread.lock' object"
    ) as caught:
        gangs[1].run(work)
    assert (caught.value.cause, caught.value.rank) == ("payload", None)
    with pytest.raises(GangError, match=r"argument 1 \(lock\) cannot be pickled"):
        gangs[1].run(lambda rank, what: 0, lock)


def test_a_payload_past_the_limit_is_refused_before_it_is_copied(gangs, clean, monkeypatch):
    monkeypatch.setattr(payload, "LIMIT", 1 << 20)
    small, large = torch.zeros(1000), torch.zeros(600_000)

    def work(rank):
        return small.sum() + large.sum()

    with pytest.raises(GangError) as caught:
        gangs[2].run(work)
    message = str(caught.value)
    assert "variable 'large' alone is more than" in message and "small" not in message
    assert caught.value.cause == "payload"


def test_many_that_are_too_big_together_name_the_largest(gangs, monkeypatch):
    monkeypatch.setattr(payload, "LIMIT", 3 << 20)
    with pytest.raises(GangError, match="argument 2 alone is 2 MiB"):
        gangs[1].run(lambda rank, *parts: 0, bytes(1 << 20), bytes(2 << 20), bytes(1 << 20))


def test_a_result_past_the_limit_names_the_rank(gangs):
    def work(rank):
        payload.LIMIT = 1 << 20
        return torch.zeros(600_000 if rank == 1 else 1)

    with pytest.raises(
        GangError, match=r"rank 1 returned something that cannot travel back \(Tensor\): more than"
    ) as caught:
        gangs[2].run(work)
    assert (caught.value.cause, caught.value.rank) == ("payload", 1)


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.isdir("/proc"), reason="needs a folder that cannot be written")
def test_a_temporary_folder_that_cannot_be_written_is_named(gangs, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(GangError, match=r"cannot write its temporary folder .* set TMPDIR"):
        gangs[1].run(print)
    monkeypatch.undo()
    assert gangs[1].run(lambda rank: rank) == [0]
