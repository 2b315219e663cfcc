"""Payload is counted at each send, and the counters go away with the block."""

import pytest
import torch
import torch.distributed as dist

from course_lib import lab


@pytest.fixture(scope="module")
def gang():
    return lab.Gang(2, timeout=10)


def _all_ways_to_send(rank):
    with lab.count_sends() as sent:
        peer = 1 - rank
        if rank == 0:
            dist.send(torch.zeros(3, dtype=torch.float64), 1)
        else:
            dist.recv(torch.zeros(3, dtype=torch.float64), 0)
        work = dist.isend(torch.zeros(5, dtype=torch.bfloat16), peer)
        dist.recv(torch.zeros(5, dtype=torch.bfloat16), peer)
        work.wait()
        ops = [
            dist.P2POp(dist.isend, torch.zeros(2, 2), peer),
            dist.P2POp(dist.irecv, torch.zeros(2, 2), peer),
        ]
        for request in dist.batch_isend_irecv(ops):
            request.wait()
        dist.all_reduce(torch.ones(1))
        dist.all_reduce(torch.ones(1))
        dist.barrier()
        with lab.count_sends() as inner:
            if rank == 0:
                dist.send(torch.zeros(1), 1)
            else:
                dist.recv(torch.zeros(1), 0)
    if rank == 0:
        dist.send(torch.zeros(1), 1)
    else:
        dist.recv(torch.zeros(1), 0)
    return sent.bytes, sent.messages, sent.by_peer, dict(sent.collectives), inner.bytes


def test_every_kind_of_send_is_counted_once(gang):
    first, second = gang.run(_all_ways_to_send)
    assert first == (24 + 10 + 16 + 4, 4, {1: 54}, {"allreduce": 2, "barrier": 1}, 4)
    assert second == (10 + 16, 2, {0: 26}, {"allreduce": 2, "barrier": 1}, 0)


def test_peers_of_a_subgroup_are_counted_by_their_global_rank():
    def in_subgroup(rank):
        group = dist.new_group([1, 2])
        with lab.count_sends() as sent:
            if rank == 1:
                dist.send(torch.zeros(2), 2, group=group)
            elif rank == 2:
                dist.recv(torch.zeros(2), 1, group=group)
        return sent.by_peer

    assert lab.Gang(3, timeout=10).run(in_subgroup) == [{}, {2: 8}, {}]


def test_the_counters_are_removed_when_no_block_counts():
    from torch._C._distributed_c10d import ProcessGroup

    before = {name: getattr(ProcessGroup, name) for name in ("send", "allreduce", "barrier")}
    with pytest.raises(KeyError), lab.count_sends():
        with lab.count_sends():
            assert ProcessGroup.send is not before["send"]
        assert ProcessGroup.send is not before["send"]
        raise KeyError
    assert {name: getattr(ProcessGroup, name) for name in before} == before


def test_a_library_that_communicates_in_cpp_shows_no_sends(gang):
    def train(rank):
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
        with lab.count_sends() as sent:
            model(torch.ones(1, 2)).sum().backward()
        return sent.bytes

    assert gang.run(train) == [0, 0]
