"""Exercise 06.two_level_all_reduce: a sum over ranks of several nodes that sends little from node to node."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.distributed as dist

from course_lib.parallelism.collectives import ring_all_reduce
from course_lib.practice.checks.exercise import Trial, Wrong, traps, variant
from course_lib.practice.checks.forms.on_ranks import Seen, on_ranks, share
from course_lib.practice.checks.verdict import Finding, cost


def two_level_all_reduce(tensor: torch.Tensor, ranks_per_node: int) -> None:
    """Sum a 1-D tensor of a length that world_size divides over all ranks, in place."""
    raise NotImplementedError


def around(chunks: tuple[torch.Tensor, ...], ranks: range, first: int, add: bool) -> None:
    """Pass chunks round a ring of ranks, `first` from here: what arrives is added, or replaces what lies there."""
    n, me = len(ranks), ranks.index(dist.get_rank())
    for step in range(n - 1):
        outgoing, incoming = chunks[(first - step) % n], chunks[(first - step - 1) % n]
        arrived = torch.empty_like(incoming)
        request = dist.isend(outgoing, ranks[(me + 1) % n])
        dist.recv(arrived, ranks[me - 1])
        request.wait()
        incoming.copy_(incoming + arrived if add else arrived)


def reference(tensor: torch.Tensor, ranks_per_node: int) -> None:
    """Sum a 1-D tensor of a length that world_size divides over all ranks, in place."""
    rank, world_size = dist.get_rank(), dist.get_world_size()
    node, local = divmod(rank, ranks_per_node)
    inside = range(node * ranks_per_node, (node + 1) * ranks_per_node)
    across = range(local, world_size, ranks_per_node)  # the ranks of the same place in every node
    shards = tensor.chunk(len(inside))
    around(shards, inside, local - 1, add=True)  # reduce-scatter: shard `local` is the node's sum here
    pieces = shards[local].chunk(len(across))
    around(pieces, across, node - 1, add=True)
    around(pieces, across, node, add=False)
    around(shards, inside, local, add=False)  # all-gather


def costs(seen: Seen) -> Iterator[Finding]:
    """Bytes that leave a node by each of its ranks, bytes and messages of each rank."""
    n, per_node = seen.n, seen.more[0]
    nodes = n // per_node
    out = [
        sum(size for what, peer, size in log.events if what == "send" and peer // per_node != rank // per_node)
        for rank, log in enumerate(seen.logs)
    ]
    yield cost(
        "sent out of its node by each rank",
        max(out),
        2 * (nodes - 1) * seen.K // n,
        "bytes",
        "Every rank carries the whole tensor out of its node. After a reduce-scatter inside, a rank has the node's sum "
        "of one shard, and only this shard needs to travel."
        if min(out)
        else "The boundary is crossed by some ranks alone, as in one ring over all ranks: their network cards carry "
        "what each rank of the node could carry a share of.",
        f"K = {seen.K:,} bytes, {nodes} nodes of {per_node}",
    )
    yield seen.cost(
        "sent by each rank",
        2 * (n - 1) * seen.K // n,
        "Inside a node each rank needs to pass on (g - 1)/g of the tensor twice, with g ranks in the node.",
    )
    yield seen.cost(
        "messages sent by each rank",
        2 * (per_node + nodes - 2),
        "Each of the two levels is an all-reduce of few ranks: 2(g - 1) messages inside, 2(m - 1) between m nodes.",
    )


def why(seen: Seen) -> tuple[str, str]:
    """Say of which ranks it is the sum, or that only a shard of it is."""
    per_node, right = seen.more[0], share(seen.results, seen.expected)
    of_node = [sum(seen.inputs[rank - rank % per_node :][:per_node]) for rank in range(seen.n)]
    if all(a.equal(b) for a, b in zip(seen.results, of_node, strict=True)):
        return f"The result on {seen.who} is the sum of its own node.", "The nodes' sums must be added up across nodes."
    if min(right) >= 1 / per_node and max(log.messages for log in seen.logs) < 2 * (per_node + seen.n // per_node - 2):
        return (
            f"On {seen.who} only a shard of the tensor holds the sum ({right[0]:.0%} of the elements on rank 0).",
            "Every shard is complete on one rank of each node: the all-gather inside the node is missing.",
        )
    return (
        f"The result on {seen.who} is not the sum ({right[0]:.0%} of the elements right on rank 0).",
        "Across nodes each rank takes the shard that is its node's sum here, and meets the ranks of the same place, "
        "rank % ranks_per_node. What arrives in an all-gather is complete: it replaces what lies there.",
    )


def waiting(trial: Trial) -> str:
    """Say what usually stands behind ranks that wait for ever."""
    return (
        "A ring of blocking sends waits for ever: start with isend, receive, then wait. And with one rank in a node, "
        "or one node, a level has nobody to talk to."
    )


def _one_ring(tensor: torch.Tensor, ranks_per_node: int) -> None:
    ring_all_reduce(tensor)


def _calls_the_library(tensor: torch.Tensor, ranks_per_node: int) -> None:
    dist.all_reduce(tensor)


def directly(chunks: tuple[torch.Tensor, ...], ranks: range, first: int, add: bool) -> None:
    """Do as `around` does by a message to every other rank: its own chunk to each, or one's own chunk to all."""
    me = ranks.index(dist.get_rank())
    requests = [dist.isend(chunks[i if add else me], rank) for i, rank in enumerate(ranks) if i != me]
    arrived = {i: torch.empty_like(chunks[me]) for i in range(len(ranks)) if i != me}
    for i, buffer in arrived.items():
        dist.recv(buffer, ranks[i])
    for request in requests:
        request.wait()
    for i, buffer in arrived.items():
        if add:
            chunks[me].add_(buffer)
        else:
            chunks[i].copy_(buffer)


EXERCISE = on_ranks(
    id="06.two_level_all_reduce",
    title="All-reduce on two levels",
    difficulty=3,
    minutes=25,
    place=7,
    task="""
Ranks are numbered node by node, `ranks_per_node` in each; messages inside a node are cheap, those to another are not.
Sum a tensor over all ranks in three stages: a reduce-scatter inside each node, an all-reduce between the ranks that
hold the same shard in all nodes, an all-gather inside each node. A rank then sends only its shard's share out of its
node. `ranks_per_node` divides the world size and may be 1 or all ranks. Use point-to-point messages (`isend`, `recv`
and their like); the tensor is changed in place.
""",
    stub=two_level_all_reduce,
    reference=reference,
    reference_needs=(around,),
    world_sizes=(4, 6, 8, 1),
    lengths=lambda n: (32 * n, 3 * n, n),
    more=lambda n: {4: [[2], [1], [4]], 6: [[3]], 8: [[4]]}.get(n, [[1]]),
    expected=lambda tensors, rank: sum(tensors),
    least=lambda n, K: 2 * (n - 1) * K,
    costs=costs,
    why=why,
    waiting=waiting,
    passes="Every rank ends with the sum over all ranks.",
    wrong=(
        *traps("""
            sums inside and then across: shards[local].chunk( => tensor.chunk(
            and: around(shards, inside, local - 1, add=True) => …; around(shards, inside, local, add=False)
            and: around(pieces, across, node, add=False) => …; return
                carries the whole tensor out of its node
            stays in the node: around(pieces, across, node - 1, add=True) => pieces = ()
            and: around(pieces, across, node, add=False) =>
                The nodes' sums must be added up
            forgets the all-gather: around(shards, inside, local, add=False) =>
                the all-gather inside the node is missing
            adds in the last stage too: local, add=False) => local, add=True)
                it replaces what lies there
        """),
        Wrong(_one_ring, "as in one ring over all ranks"),
    ),
    cheats=(Wrong(_calls_the_library, "the library's allreduce"),),
    alternatives=(
        variant(reference, "sends directly", ("around(shards, inside, local, ", "directly(shards, inside, local, ")),
        variant(
            reference, "crosses directly", ("around(pieces, across, node - 1", "directly(pieces, across, node - 1")
        ),
    ),
    budget="2(m - 1)/n·K bytes out of its node by each rank (m nodes of g), 2(n - 1)/n·K in all, 2(g + m - 2) messages",
    hints=(
        "Write down 2 nodes of 2 ranks and a tensor of 4 elements. Which half should rank 0 hold after the first "
        "stage, and which rank of the other node holds the same half?",
        "Both levels are the same ring on different ranks: write one function that takes the list of ranks and the "
        "list of chunks, and call it with the ranks of the node, then with those of the same place in every node.",
        "node, local = divmod(rank, ranks_per_node). Inside: the tensor cut into ranks_per_node shards, until shard "
        "`local` is complete here. Across: this shard cut into as many pieces as there are nodes, reduce-scatter and "
        "all-gather. Then pass the shards round inside the node.",
    ),
    explanation="With m nodes of g ranks, n = m·g, a rank sends 2(m - 1)/n·K out of its node, and all ranks of a node "
    "send at the same time, each by its own network card if it has one. One ring over all ranks crosses each boundary "
    "with 2(n - 1)/n·K by a single card, and takes 2(n - 1) messages one after another where two levels take "
    "2(g + m - 2). Libraries have both: many rings at once (channels) use all cards too, two levels save the latency.",
)
