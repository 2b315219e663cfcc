"""Payload is counted at each send, and the counters go away with the block."""

import warnings

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
    operator = torch.ops._c10d_functional.all_reduce
    with pytest.raises(KeyError), lab.count_sends():
        with lab.count_sends():
            assert ProcessGroup.send is not before["send"]
        assert ProcessGroup.send is not before["send"]
        assert torch.ops._c10d_functional.all_reduce is not operator
        assert torch.ops._c10d_functional.all_reduce.default is operator.default
        raise KeyError
    assert {name: getattr(ProcessGroup, name) for name in before} == before
    assert torch.ops._c10d_functional.all_reduce is operator


def _every_collective(rank):
    warnings.simplefilter("ignore", FutureWarning)  # torch 2.13 renamed the calls on one tensor
    one, two = torch.ones(1), torch.ones(2)
    with lab.count_sends() as sent:
        dist.all_gather([torch.empty(1) for _ in range(2)], one)
        dist.all_gather_into_tensor(torch.empty(2), one)
        dist.reduce_scatter(torch.empty(1), [torch.ones(1) for _ in range(2)])
        dist.reduce_scatter_tensor(torch.empty(1), two)
        dist.all_to_all([torch.empty(1) for _ in range(2)], [torch.ones(1) for _ in range(2)])
        dist.all_to_all_single(torch.empty(2), two)
        dist.broadcast(one, 0)
        dist.reduce(one, 0)
        dist.gather(one, [torch.empty(1) for _ in range(2)] if rank == 0 else None)
        dist.scatter(torch.empty(1), [torch.ones(1) for _ in range(2)] if rank == 0 else None)
        dist.monitored_barrier()
    return dict(sent.collectives)


def test_every_collective_is_counted_once(gang):
    lists = ("allgather", "reduce_scatter", "alltoall")
    single = ("all_gather_single", "reduce_scatter_single", "all_to_all_single")
    rooted = ("broadcast", "reduce", "gather", "scatter", "barrier")
    assert gang.run(_every_collective) == [dict.fromkeys((*lists, *single, *rooted), 1)] * 2


def _sharded(rank):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (2,))
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    for part in (*model, model):
        fully_shard(part, mesh=mesh)
    seen = []
    with lab.count_sends() as sent:
        model(torch.ones(2, 4)).sum().backward()
    seen.append(dict(sent.collectives))
    full = torch.ones(4, 4)
    rows, columns = (distribute_tensor(full, mesh, [Shard(dim)]) for dim in (0, 1))
    for source, place in ((rows, Replicate()), (columns @ rows, Replicate()), (columns @ rows, Shard(0))):
        with lab.count_sends() as sent:
            source.redistribute(mesh, [place])
        seen.append(dict(sent.collectives))
    return seen


def test_what_fsdp_and_dtensor_call_is_counted(gang):
    fsdp, to_full, sum_to_full, sum_to_rows = gang.run(_sharded)[1]
    # Two layers: each gathers its weights for forward and for backward, and scatters its gradients once.
    assert fsdp == {"all_gather_single": 4, "reduce_scatter_single": 2}
    assert (to_full, sum_to_full) == ({"all_gather_single": 1}, {"allreduce": 1})
    assert sum_to_rows == {"reduce_scatter_single": 1}


def test_a_library_that_communicates_in_cpp_shows_no_sends(gang):
    def train(rank):
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
        with lab.count_sends() as sent:
            model(torch.ones(1, 2)).sum().backward()
        return sent.bytes

    assert gang.run(train) == [0, 0]
