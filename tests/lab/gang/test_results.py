"""A result that cannot travel or be read in the notebook is one GangError; one that takes time is waited for."""

import time

import pytest
import torch
import torch.distributed as dist

from course_lib import lab
from course_lib.lab import Gang, GangError
from course_lib.lab.gang import words


class NeedsTwo(Exception):
    def __init__(self, first, second):
        super().__init__(first)


def test_a_model_in_its_wrapper_is_named_with_the_way_out(gangs, clean):
    with pytest.raises(GangError) as caught:
        gangs[1].run(lambda rank: torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2)))
    assert (caught.value.rank, caught.value.cause) == (0, "payload")
    assert "rank 0 returned something that cannot be read in the notebook: ValueError: Default process" in str(
        caught.value
    )
    assert "Return `model.module`, or its `state_dict()`" in str(caught.value)


def test_a_result_that_cannot_be_put_together_names_its_rank(gangs, clean):
    def work(rank):
        print("seen", end="")
        return NeedsTwo(1, 2) if rank == 1 else 0

    with pytest.raises(
        GangError, match=r"rank 1 returned something that cannot be read.*TypeError.*'second'"
    ) as caught:
        gangs[2].run(work)
    assert (caught.value.rank, caught.value.cause) == (1, "payload")
    assert caught.value.output == {0: "seen\n", 1: "seen\n"}


def test_ranks_beside_one_whose_result_cannot_travel_had_returned(gangs):
    def work(rank):
        dist.barrier()
        return (i for i in range(3))

    with pytest.raises(GangError) as caught:
        gangs[4].run(work)
    assert str(caught.value).count("had returned after 1 call to torch.distributed") == 3


def test_a_result_that_takes_longer_than_timeout_is_waited_for():
    class Slow:
        def __reduce__(self):
            time.sleep(1.0)
            return int, (1,)

    assert Gang(2, timeout=0.4, straggler=5).run(lambda rank: Slow()) == [1, 1]


def test_a_result_that_waits_for_a_rank_is_no_progress():
    class Waits:
        def __reduce__(self):
            dist.barrier()
            return int, (1,)

    with pytest.raises(GangError, match="rank 1 returned, while rank 0 still waits in barrier"):
        Gang(2, timeout=5, straggler=0.4).run(lambda rank: Waits() if rank == 0 else 1)


def test_a_full_disk_is_not_blamed_on_the_kind_of_result(gangs):
    def work(rank):
        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        from course_lib.lab.gang import payload

        payload.dump = full

    with pytest.raises(GangError, match=r"rank 0 could not write its result \(NoneType\): No space left on device"):
        gangs[1].run(work)


def test_labels_of_spans_travel_whatever_they_are(gangs):
    def work(rank):
        lab.start_span("step", shape=(2, 3), loss=torch.tensor(0.5), data=(i for i in range(2))).stop()
        return "kept"

    out = gangs[1].run(work)
    (span,) = out.timeline.spans
    assert out == ["kept"] and (span.labels["shape"], span.labels["loss"]) == ((2, 3), 0.5)
    assert "generator" in span.labels["data"]


def test_a_rank_that_writes_is_said_to_write():
    from course_lib.lab.gang.where import Stand

    stands = {0: Stand("sending", calls=2), 1: None}
    assert words.stood(0, stands[0]) == "rank 0 was writing its result after 2 calls to torch.distributed"
    assert "writing its result" in words.no_progress(3, stands)[1]


def test_an_argument_that_cannot_be_rebuilt_is_of_the_payload(gangs):
    with pytest.raises(GangError, match="missing 1 required positional argument: 'second'") as caught:
        gangs[1].run(lambda rank, error: rank, NeedsTwo(1, 2))
    assert (caught.value.rank, caught.value.cause) == (0, "payload")
    assert "make it inside, on each rank" in str(caught.value)
