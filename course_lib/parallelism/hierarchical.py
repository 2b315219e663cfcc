"""All-reduce on nodes: placement of a ring, several rings at once, two levels, and the bytes that cross each border.

Ranks are numbered node by node: with `per_node` = 4, ranks 0 to 3 are node 0. Inside a node a message is cheap; what
leaves a node goes through a network interface (NIC), of which each rank has one unless said otherwise. The four ways
below give the library's sum; they differ in what crosses the borders and in how many messages follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch.distributed as dist
from torch import Tensor

from course_lib.parallelism.collectives import ring_all_gather, ring_all_reduce, ring_reduce_scatter

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def interleaved_order(world_size: int, per_node: int) -> list[int]:
    """A ring that goes to another node with every message: the first rank of each node, then the second of each, …"""
    nodes = count_nodes(world_size, per_node)
    return [node * per_node + local for local in range(per_node) for node in range(nodes)]


def channel_orders(world_size: int, per_node: int) -> list[list[int]]:
    """`per_node` rings in node order; ring c leaves every node from its local rank c, so that each uses another NIC."""
    nodes = count_nodes(world_size, per_node)
    return [
        [node * per_node + (channel + 1 + place) % per_node for node in range(nodes) for place in range(per_node)]
        for channel in range(per_node)
    ]


def channels_all_reduce(tensor: Tensor, per_node: int) -> None:
    """Sum `tensor` over all ranks in place: cut it into `per_node` parts, each reduced round a ring of its own.

    A library runs these rings ("channels" in NCCL) side by side; here they follow each other, which changes no byte.
    Of the messages that this counts, `per_node` at a time could be under way.
    """
    for part, order in zip(
        _flat(tensor).tensor_split(per_node), channel_orders(dist.get_world_size(), per_node), strict=True
    ):
        ring_all_reduce(part, order=order)


@dataclass(frozen=True)
class NodeGroups:
    """This rank's two groups: the ranks of its node, and those of the same local rank on every node."""

    inside: ProcessGroup
    across: ProcessGroup


def node_groups(per_node: int) -> NodeGroups:
    """Make the groups of `two_level_all_reduce`; every rank calls it once, before the first all-reduce.

    torch wants each group to be made by all ranks in the same order, members or not: a rank that made only its own
    would wait for the others for ever.
    """
    world_size, rank = dist.get_world_size(), dist.get_rank()
    nodes = count_nodes(world_size, per_node)
    inside = [dist.new_group([node * per_node + local for local in range(per_node)]) for node in range(nodes)]
    across = [dist.new_group([node * per_node + local for node in range(nodes)]) for local in range(per_node)]
    return NodeGroups(inside[rank // per_node], across[rank % per_node])


def two_level_all_reduce(tensor: Tensor, groups: NodeGroups) -> None:
    """Sum `tensor` over all ranks in place: reduce-scatter in the node, all-reduce across, all-gather in the node.

    With g ranks in each of m nodes a rank sends 2(m-1)/(m·g) of the tensor out of its node, in 2(g-1) + 2(m-1)
    messages one after another, where one ring over all ranks takes 2(m·g-1).
    """
    chunks = _flat(tensor).tensor_split(dist.get_world_size(groups.inside))
    ring_reduce_scatter(chunks, groups.inside)
    ring_all_reduce(chunks[dist.get_rank(groups.inside)], groups.across)
    ring_all_gather(chunks, groups.inside)


def ways(per_node: int) -> dict[str, Callable[[Tensor], None]]:
    """Four all-reduces of one tensor by name, for nodes of `per_node` ranks; every rank calls it (it makes groups)."""
    interleaved = interleaved_order(dist.get_world_size(), per_node)
    return {
        "node order": ring_all_reduce,
        "interleaved": partial(ring_all_reduce, order=interleaved),
        "channels": partial(channels_all_reduce, per_node=per_node),
        "two levels": partial(two_level_all_reduce, groups=node_groups(per_node)),
    }


@dataclass(frozen=True)
class Borders:
    """The largest counts of one all-reduce, in units of the tensor: bytes sent by a rank, out of a node, by a NIC."""

    per_rank: float
    per_node: float
    per_nic: float


def borders(
    sent: Sequence[Mapping[int, int]], payload: int, per_node: int, nics_per_node: int | None = None
) -> Borders:
    """Where counted bytes went: `sent[rank]` is `lab.count_sends().by_peer` of that rank, global rank to bytes.

    Args:
        sent: one mapping for each rank.
        payload: bytes of the tensor that was reduced, the unit of the result.
        per_node: ranks in a node.
        nics_per_node: network interfaces of a node, shared out evenly over its ranks; one for each rank if None.
    """
    nodes, nics = count_nodes(len(sent), per_node), nics_per_node or per_node
    if per_node % nics:
        raise ValueError(f"{nics} NICs do not share out evenly over {per_node} ranks of a node: use a divisor.")
    by_node, by_nic = [0] * nodes, [0] * (nodes * nics)
    for rank, peers in enumerate(sent):
        node, local = divmod(rank, per_node)
        out = sum(size for peer, size in peers.items() if peer // per_node != node)
        by_node[node] += out
        by_nic[node * nics + local * nics // per_node] += out
    most = max(sum(peers.values()) for peers in sent)
    return Borders(most / payload, max(by_node) / payload, max(by_nic) / payload)


def count_nodes(world_size: int, per_node: int) -> int:
    """Number of nodes; ValueError if the ranks do not fill whole nodes."""
    if per_node < 1 or world_size % per_node:
        raise ValueError(f"{world_size} ranks do not fill nodes of {per_node}: use a divisor of the world size.")
    return world_size // per_node


def _flat(tensor: Tensor) -> Tensor:
    if not tensor.is_contiguous():
        raise ValueError("The sum is written into the tensor itself, which must be contiguous: hand over a copy.")
    return tensor.view(-1)
