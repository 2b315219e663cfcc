"""Exercise 06.halving_doubling: an all-reduce in 2·log2(n) steps that moves no more bytes than a ring.

Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH" (2005).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.distributed as dist

from course_lib.parallelism.collectives import ring_all_reduce
from course_lib.practice.checks.exercise import Trial, Wrong, traps
from course_lib.practice.checks.forms.on_ranks import Seen, on_ranks, share
from course_lib.practice.checks.verdict import Finding


def halving_doubling_all_reduce(tensor: torch.Tensor) -> None:
    """Sum a 1-D tensor of a length that world_size divides over all ranks, in place."""
    raise NotImplementedError


def exchange(outgoing: torch.Tensor, incoming: torch.Tensor, partner: int) -> None:
    """Send one tensor to `partner` and receive another from it, both at the same time."""
    request = dist.isend(outgoing, partner)
    dist.recv(incoming, partner)
    request.wait()


def reference(tensor: torch.Tensor) -> None:
    """Sum a 1-D tensor of a length that world_size divides over all ranks, in place."""
    rank, world_size = dist.get_rank(), dist.get_world_size()
    start, stop = 0, tensor.numel()
    steps = []
    distance = world_size // 2
    while distance:  # halving: exchange one half of what is left, add the half that stays here
        partner, middle = rank ^ distance, (start + stop) // 2
        lower, upper = tensor[start:middle], tensor[middle:stop]
        keep, give = (upper, lower) if rank & distance else (lower, upper)
        arrived = torch.empty_like(keep)
        exchange(give, arrived, partner)
        keep += arrived
        start, stop = (middle, stop) if rank & distance else (start, middle)
        steps.append((partner, keep, give))
        distance //= 2
    for partner, keep, give in reversed(steps):  # doubling: the same partners backwards; what arrives is complete
        exchange(keep, give, partner)


def costs(seen: Seen) -> Iterator[Finding]:
    """Bytes and messages of the busiest rank."""
    n = seen.n
    yield seen.cost(
        "sent by each rank",
        2 * (n - 1) * seen.K // n,
        "A rank that sends the whole tensor in each step sends log2(n)·K bytes. In step s only K/2^s bytes need to go: "
        "the half that the partner will keep."
        if max(log.messages for log in seen.logs) < n.bit_length()
        else "The pieces are larger than needed: half of what is left in each step, in the tensor's own type.",
    )
    yield seen.cost(
        "messages sent by each rank",
        2 * (n.bit_length() - 1),
        "The bytes are right, and there are more steps than needed: 2(n - 1) is the ring. With partners at distances "
        "that are powers of two, log2(n) steps in each half are enough.",
    )


def why(seen: Seen) -> tuple[str, str]:
    """Say what became of the sum: half of the work, a piece added twice, or something else."""
    doubling, messages = seen.n.bit_length() - 1, max(log.messages for log in seen.logs)
    right = share(seen.results, seen.expected)
    so_far = f"({right[0]:.0%} of the elements right on rank 0)"
    if messages == doubling and min(right) >= 1 / seen.n:
        return (
            f"On {seen.who} only a piece of the tensor holds the sum {so_far}.",
            "That is half of the work, a reduce-scatter: every piece is complete on one rank. The all-gather, the same "
            "steps backwards, is missing.",
        )
    if messages == 2 * doubling and min(right) >= 1 / seen.n:
        return (
            f"On {seen.who} some elements are too large or too small {so_far}.",
            "In the second half a received piece is complete already: it replaces what lies there and is not added.",
        )
    if all((a * seen.n).equal(b) for a, b in zip(seen.results, seen.expected, strict=True)):
        return f"The result on {seen.who} is the mean.", "The task asks for the sum: divide by nothing."
    return (
        f"The result on {seen.who} is not the sum {so_far}.",
        "Partners must agree on who keeps which half, and a piece that arrives in the first half is added. "
        "Print start and stop of the piece by rank and step on 4 ranks.",
    )


def waiting(trial: Trial) -> str:
    """Say what usually stands behind ranks that wait for ever."""
    if trial.world_size == 1:
        return "One rank has no partner: its tensor is the sum already."
    return (
        "A blocking send returns only when its receive is posted: if both partners send first, both wait for ever. "
        "Start with isend, receive, then wait. And partners must be mutual: r ^ distance is."
    )


def _every_other_way_round(tensor: torch.Tensor) -> None:
    """Write it by index arithmetic, nearest partner first."""
    rank, world_size = dist.get_rank(), dist.get_world_size()
    first, count, distance = 0, tensor.numel(), 1
    path = []
    while distance < world_size:
        count //= 2
        high = bool(rank & distance)
        mine, theirs = (first + count, first) if high else (first, first + count)
        path.append((distance, mine, theirs, count))
        first, distance = mine, distance * 2
    for distance, mine, theirs, count in path:
        arrived = torch.empty(count, dtype=tensor.dtype)
        exchange(tensor[theirs : theirs + count], arrived, rank ^ distance)
        tensor[mine : mine + count] += arrived
    for distance, mine, theirs, count in reversed(path):
        exchange(tensor[mine : mine + count], tensor[theirs : theirs + count], rank ^ distance)


def _by_recursion(tensor: torch.Tensor) -> None:
    """Write it as one recursion over a shrinking piece; the lower rank of a pair sends first."""

    def solve(piece: torch.Tensor, distance: int) -> None:
        if not distance:
            return
        rank = dist.get_rank()
        partner, halves = rank ^ distance, piece.chunk(2)
        keep, give = (halves[1], halves[0]) if rank > partner else (halves[0], halves[1])
        arrived = torch.empty_like(keep)
        for sends in (rank < partner, rank > partner):
            dist.send(give, partner) if sends else dist.recv(arrived, partner)
        keep.add_(arrived)
        solve(keep, distance // 2)
        for sends in (rank < partner, rank > partner):
            dist.send(keep, partner) if sends else dist.recv(give, partner)

    solve(tensor, dist.get_world_size() // 2)


def _returns_a_new_tensor(tensor: torch.Tensor) -> torch.Tensor:
    result = tensor.clone()
    reference(result)
    return result


def _calls_the_library(tensor: torch.Tensor) -> None:
    dist.all_reduce(tensor)


def _calls_it_by_a_back_door(tensor: torch.Tensor) -> None:
    from torch.distributed import _functional_collectives as functional

    tensor.copy_(functional.all_reduce(tensor, "sum", dist.group.WORLD))


EXERCISE = on_ranks(
    id="06.halving_doubling",
    title="Recursive halving and doubling",
    difficulty=3,
    minutes=25,
    place=1,
    task="""
Sum a tensor over n ranks, n a power of two, in 2·log₂ n steps instead of the ring's 2(n - 1), with the ring's bytes. At
step s a rank exchanges half of its current piece with the rank whose number differs from its own in one bit, adds what
arrives to the half it keeps, and goes on with that half; after log₂ n steps each rank holds one complete piece. Then
the same steps run backwards and the pieces grow together again. Use point-to-point messages (`isend`, `recv` and
their like); the tensor is changed in place.
""",
    stub=halving_doubling_all_reduce,
    reference=reference,
    reference_needs=(exchange,),
    world_sizes=(2, 4, 8, 1),
    lengths=lambda n: (1_024, 3 * n, n),
    expected=lambda tensors, rank: sum(tensors),
    least=lambda n, K: 2 * (n - 1) * K,
    costs=costs,
    why=why,
    waiting=waiting,
    passes="Every rank ends with the sum over all ranks.",
    wrong=(
        *traps("""
            sends the whole tensor: (upper, lower) if rank & distance else (lower, upper) => tensor, tensor.clone()
            and: reversed(steps) => []
                sends the whole tensor in each step
            forgets the doubling: reversed(steps) => []
                the same steps backwards, is missing
            adds in the doubling too: exchange(keep, give, partner) => kept = give.clone(); …; give += kept
                it replaces what lies there
            blocks on both sides: exchange(give, arrived => dist.send(give, partner); dist.recv(arrived
                both wait for ever
            adds in float32: keep += arrived => keep += arrived.float()
                In call 2 in the same process, on a float64 tensor
        """),
        Wrong(ring_all_reduce, "2(n - 1) is the ring"),
        Wrong(_returns_a_new_tensor, "works in place"),
    ),
    cheats=(
        Wrong(_calls_the_library, "the library's allreduce"),
        Wrong(_calls_it_by_a_back_door, "by a way that cannot be counted"),
    ),
    alternatives=(_every_other_way_round, _by_recursion),
    budget="2·log₂ n messages and 2(n - 1)/n·K bytes sent by each rank",
    hints=(
        "Work out 4 ranks and 4 elements on paper. Step 1: rank r talks to r ^ 2. Who keeps which half, so that step 2 "
        "with r ^ 1 leaves every rank with another element? The bit that tells the partners apart also tells the "
        "halves.",
        "Keep a list of (partner, the piece you keep, the piece you give). Views into the tensor are enough: what you "
        "add to a view is added to the tensor. Use a buffer only for what must be added.",
        "Second half: walk the list backwards. To the partner of each step send the piece you kept, which is "
        "complete by now, and receive straight into the piece you gave away. Nothing is added any more.",
    ),
    explanation="Halving is a reduce-scatter and doubling an all-gather, both along the edges of a hypercube. The "
    "pieces are K/2, K/4, … K/n, so each half sends K(n - 1)/n, the same as the ring; the number of steps falls from "
    "2(n - 1) to 2·log2(n), from 14 to 6 on 8 ranks. For small tensors, where each step costs its latency, that "
    "decides; for large ones a ring's fixed neighbours use the links better.",
)
