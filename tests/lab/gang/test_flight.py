"""Collectives in which the ranks disagree are named, though gloo lets them pass, waits or aborts."""

import pytest
import torch
import torch.distributed as dist

from course_lib.lab import GangError
from course_lib.lab.gang import flight
from course_lib.lab.gang.flight import Call


def test_sizes_that_differ_are_named(gangs):
    def work(rank):
        dist.all_reduce(torch.ones(2))
        x = torch.ones(8 if rank % 2 else 6)
        dist.all_reduce(x)
        return x.tolist()

    with pytest.raises(GangError) as caught:
        gangs[4].run(work)
    assert caught.value.cause == "mismatch"
    assert "in collective 2 the ranks made all_reduce with unequal tensors" in str(caught.value)
    assert "ranks 0 and 2: all_reduce of 6 float32" in str(caught.value)
    assert "ranks 1 and 3: all_reduce of 8 float32" in str(caught.value)


def test_a_sum_that_gloo_returned_without_a_word_is_named_and_the_one_rank_blamed(gangs):
    def work(rank):
        x = torch.ones(4, dtype=torch.int32 if rank == 2 else torch.float32)
        dist.all_reduce(x)
        return x.tolist()

    with pytest.raises(GangError, match="rank 2: all_reduce of 4 int32") as caught:
        gangs[4].run(work)
    assert (caught.value.rank, caught.value.cause) == (2, "mismatch")


def test_a_hang_and_an_abort_by_unequal_sizes_are_explained(gangs):
    def work(rank, size):
        dist.all_reduce(torch.ones(size if rank == 3 else 4))

    for size in (6, 4000):
        with pytest.raises(GangError, match=f"rank 3: all_reduce of {size:,} float32"):
            gangs[4].run(work, size)


def test_calls_that_may_differ_pass(gangs):
    def work(rank):
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
        model(torch.ones(1, 2)).sum().backward()
        pair = [dist.new_group([0, 1]), dist.new_group([2, 3])][rank // 2]
        dist.all_reduce(torch.ones(1 + rank // 2), group=pair)  # two groups, two sizes
        counts = [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1], [0, 0, 3, 0]]
        received = [counts[other][rank] for other in range(4)]
        dist.all_to_all_single(torch.empty(sum(received)), torch.ones(sum(counts[rank])), received, counts[rank])
        dist.gather(torch.ones(1), [torch.empty(1) for _ in range(4)] if rank == 0 else None)
        gathered = [None] * 4
        dist.all_gather_object(gathered, "x" * rank)
        return gathered

    assert gangs[4].run(work) == [["", "x", "xx", "xxx"]] * 4


def call(number, size, group=(0, 1, 2)):
    return Call(group, "0", number, "all_reduce", ((size, "float32"),))


def test_only_calls_that_both_ranks_still_know_are_compared():
    assert flight.disagreement({0: (call(1, 4), call(2, 4)), 1: (call(2, 4),)}, 2) is None
    assert flight.disagreement({0: (), 1: (call(2, 4),)}, 2) is None
    blamed, lines = flight.disagreement({0: (call(1, 4),), 1: (call(1, 4),), 2: (call(1, 5),)}, 4)
    assert blamed == 2 and lines[0].startswith("collective mismatch: in collective 1 of the group [0, 1, 2] the ranks")
    assert lines[1:3] == ["    ranks 0 and 1: all_reduce of 4 float32", "    rank 2: all_reduce of 5 float32"]
    assert flight.disagreement({0: (call(1, 4),), 1: (call(1, 5),)}, 2)[0] is None  # two camps of one: nobody to blame
