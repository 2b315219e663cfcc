"""Collectives from messages: equal to the library's on any group, owners where they are promised, bytes counted."""

import pytest
import torch
import torch.distributed as dist

from course_lib import lab
from course_lib.parallelism.collectives import all_to_all, ring_all_gather, ring_all_reduce, ring_reduce_scatter
from course_lib.parallelism.ring import bytes_sent, chunk_sizes

SIZES = (0, 1, 3, 64, 1001)


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def gang(request):
    return lab.Gang(request.param, timeout=20)


@pytest.fixture(scope="module")
def four():
    return lab.Gang(4, timeout=20)


def values(numel, rank):
    return torch.arange(numel, dtype=torch.float32) % 97 + 1000 * rank  # whole numbers: exact in any order


def reduce_everything(rank):
    counted = []
    for numel in SIZES:
        mine = values(numel, rank)
        expected = mine.clone()
        dist.all_reduce(expected)
        with lab.count_sends() as sent:
            ring_all_reduce(mine)
        assert torch.equal(mine, expected)
        counted.append((sent.bytes, sent.messages, dict(sent.collectives)))
    return counted


def test_all_reduce_is_the_library_s_and_its_bytes_are_those_of_the_schedule(gang):
    n = gang.world_size
    for rank, counted in enumerate(gang.run(reduce_everything)):
        assert counted == [(bytes_sent(numel, 4, n, rank), 2 * (n - 1), {}) for numel in SIZES]


def test_all_reduce_of_a_matrix_works_in_place_and_refuses_a_transposed_one(four):
    def job(rank):
        matrix = torch.full((3, 5), float(rank))
        ring_all_reduce(matrix)
        with pytest.raises(ValueError, match="must be contiguous"):
            ring_all_reduce(matrix.t())
        return matrix

    assert all(torch.equal(matrix, torch.full((3, 5), 6.0)) for matrix in four.run(job))


def halves(rank, order):
    n, numel = dist.get_world_size(), 10
    chunks = values(numel, rank).tensor_split(n)
    total = sum(values(numel, r) for r in range(n)).tensor_split(n)
    with lab.count_sends() as first:
        ring_reduce_scatter(chunks, order=order)
    assert torch.equal(chunks[rank], total[rank])
    assert not any(torch.equal(chunks[other], total[other]) for other in range(n) if other != rank)
    with lab.count_sends() as second:
        ring_all_gather(chunks, order=order)
    assert all(torch.equal(mine, right) for mine, right in zip(chunks, total, strict=True))
    sizes = chunk_sizes(numel, n)
    ring = order or range(n)
    after = ring[(list(ring).index(rank) + 1) % n]
    assert first.bytes == 4 * (numel - sizes[rank]) and second.bytes == 4 * (numel - sizes[after])
    return list(first.by_peer), list(second.by_peer)


@pytest.mark.parametrize("order", [None, [2, 0, 3, 1]])
def test_member_i_ends_with_chunk_i_whatever_the_order_of_the_ring(four, order):
    ring = order or [0, 1, 2, 3]
    for rank, peers in enumerate(four.run(halves, order)):
        right = ring[(ring.index(rank) + 1) % 4]
        assert peers == ([right], [right])


def in_two_groups(rank):
    groups = [dist.new_group([0, 3]), dist.new_group([1, 2])]
    mine, outside = (groups[0], groups[1]) if rank in (0, 3) else (groups[1], groups[0])
    tensor = values(7, rank)
    expected = tensor.clone()
    dist.all_reduce(expected, group=mine)
    with lab.count_sends() as sent:
        ring_all_reduce(tensor, mine)
    assert torch.equal(tensor, expected)
    index = dist.get_rank(mine)
    out = torch.empty(2, 3)
    inp = torch.tensor([[10.0 * rank + to] * 3 for to in range(2)])
    all_to_all(out, inp, mine)
    members = [0, 3] if rank in (0, 3) else [1, 2]
    assert out[:, 0].tolist() == [10.0 * member + index for member in members]
    with pytest.raises(ValueError, match=f"Rank {rank} is not in this group"):
        ring_all_reduce(tensor, outside)
    return list(sent.by_peer)


def test_groups_send_to_their_own_members_only(four):
    assert four.run(in_two_groups) == [[3], [2], [1], [0]]


def exchange_shares(rank):
    n = dist.get_world_size()
    share = lambda of, to: torch.full((1 + of + 2 * to,), 10.0 * of + to)  # noqa: E731 - every share has its own length
    inp = [share(rank, to) for to in range(n)]
    out = [torch.zeros(1 + of + 2 * rank) for of in range(n)]
    with lab.count_sends() as sent:
        all_to_all(out, inp)
    assert all(torch.equal(out[of], share(of, rank)) for of in range(n))
    assert sent.bytes == sum(x.nbytes for x in inp) - inp[rank].nbytes and sent.messages == n - 1
    assert sorted(sent.by_peer) == [other for other in range(n) if other != rank]
    return True


def test_all_to_all_transposes_shares_of_any_length(gang):
    assert all(gang.run(exchange_shares))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ring_reduce_scatter([torch.ones(1)] * 2), "one chunk for each of 1 members, not 2"),
        (lambda: ring_all_gather([torch.ones(1)], order=[1]), "must name each of the 1 members"),
        (lambda: all_to_all([], [torch.ones(1)]), "write into for each of 1 members, not 0"),
    ],
)
def test_wrong_arguments_get_one_sentence(call, sentence):
    def job(rank):
        with pytest.raises(ValueError, match=sentence):
            call()
        return True

    assert lab.Gang(1, timeout=20).run(job) == [True]
