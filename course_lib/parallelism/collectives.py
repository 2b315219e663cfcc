"""Collectives written from point-to-point messages, on any group: the ring's two halves, all-reduce, all-to-all.

A group's members are numbered 0 to n-1 by their index in the group, a chunk belongs to the member of the same index,
and every message is addressed by global rank, as torch's `isend` wants it: the index in the group would reach somebody
else. Bytes can be counted where they are sent (`lab.count_sends`), which a library's collective does not allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def ring_reduce_scatter(
    chunks: Sequence[Tensor], group: ProcessGroup | None = None, order: Sequence[int] | None = None
) -> None:
    """Sum chunk i of all members into chunk i of member i, in place; its other chunks are left half summed.

    In step s the member at place p of the ring sends chunk p-s-1 to the next and adds what arrives to chunk p-s-2, so
    that after n-1 steps chunk p is complete (Patarasuk and Yuan, 2009, with the owner's own chunk last).

    Args:
        chunks: n contiguous tensors, chunk i of one shape on all members (shapes may differ from chunk to chunk).
        group: who takes part; every member calls, None is all ranks.
        order: the members' indices as they stand in the ring; 0, 1, … n-1 if None. Chunk i stays member i's.

    Raises:
        ValueError: if this rank is no member, the chunks are not n, or `order` is not a permutation.
    """
    place, ring, left, right = _stand(chunks, group, order)
    n = len(ring)
    for step in range(n - 1):
        outgoing, incoming = chunks[ring[(place - step - 1) % n]], chunks[ring[(place - step - 2) % n]]
        arrived = torch.empty_like(incoming)
        _exchange(outgoing, right, arrived, left, group)
        incoming += arrived


def ring_all_gather(
    chunks: Sequence[Tensor], group: ProcessGroup | None = None, order: Sequence[int] | None = None
) -> None:
    """Give every member chunk i of member i, in place. Arguments and errors as in `ring_reduce_scatter`.

    In step s the member at place p sends chunk p-s, its own at first, and overwrites chunk p-s-1 by what arrives.
    """
    place, ring, left, right = _stand(chunks, group, order)
    n = len(ring)
    for step in range(n - 1):
        _exchange(chunks[ring[(place - step) % n]], right, chunks[ring[(place - step - 1) % n]], left, group)


def ring_all_reduce(tensor: Tensor, group: ProcessGroup | None = None, order: Sequence[int] | None = None) -> None:
    """Sum `tensor` (any shape, contiguous) over the members, in place: reduce-scatter, then all-gather.

    2(n-1) messages from each member, one after another. Where n divides the number of elements each member sends
    2(n-1)/n of the tensor's bytes; elsewhere chunks differ by an element (`ring.bytes_sent`).
    """
    if not tensor.is_contiguous():
        raise ValueError("The sum is written into the tensor itself, which must be contiguous: hand over a copy.")
    _, n = _members(group)
    chunks = tensor.view(-1).tensor_split(n)  # views: what is written into them stays in the tensor
    ring_reduce_scatter(chunks, group, order)
    ring_all_gather(chunks, group, order)


def all_to_all(out: Sequence[Tensor], inp: Sequence[Tensor], group: ProcessGroup | None = None) -> None:
    """Send inp[j] to member j, and write what member j sent into out[j]: a transposition of who holds what.

    out, inp: n contiguous tensors each (or one tensor whose first dimension is n); out[j] of member i has the shape of
    inp[i] of member j. Each member sends all but its own share: (n-1)/n of its bytes where shares are equal.
    """
    me, ring, _, _ = _stand(inp, group, None)
    if len(out) != len(ring):
        raise ValueError(f"There must be one tensor to write into for each of {len(ring)} members, not {len(out)}.")
    out[me].copy_(inp[me])
    for distance in range(1, len(ring)):
        to, of = (me + distance) % len(ring), (me - distance) % len(ring)
        _exchange(inp[to], _address(group, to), out[of], _address(group, of), group)


def _exchange(outgoing: Tensor, to: int, arriving: Tensor, of: int, group: ProcessGroup | None) -> None:
    """Send to one rank while receiving from another; both are posted before either is waited for."""
    messages = [dist.P2POp(dist.isend, outgoing, to, group), dist.P2POp(dist.irecv, arriving, of, group)]
    for work in dist.batch_isend_irecv(messages):
        work.wait()


def _stand(
    chunks: Sequence[Tensor], group: ProcessGroup | None, order: Sequence[int] | None
) -> tuple[int, list[int], int, int]:
    """This rank's place in the ring, the ring (indices in the group), and the global ranks left and right of it."""
    me, n = _members(group)
    ring = list(range(n)) if order is None else list(order)
    if sorted(ring) != list(range(n)):
        raise ValueError(f"order={list(order or [])} must name each of the {n} members 0 to {n - 1} once.")
    if len(chunks) != n:
        raise ValueError(f"There must be one chunk for each of {n} members, not {len(chunks)}: use tensor_split.")
    place = ring.index(me)
    return place, ring, _address(group, ring[place - 1]), _address(group, ring[(place + 1) % n])


def _members(group: ProcessGroup | None) -> tuple[int, int]:
    """This rank's index in the group, and the number of members."""
    me = dist.get_rank(group)
    if me < 0:
        raise ValueError(f"Rank {dist.get_rank()} is not in this group: only its members may call the collective.")
    return me, dist.get_world_size(group)


def _address(group: ProcessGroup | None, index: int) -> int:
    return index if group is None else dist.get_global_rank(group, index)
