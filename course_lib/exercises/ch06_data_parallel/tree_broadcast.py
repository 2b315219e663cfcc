"""Exercise 06.tree_broadcast: one tensor to all ranks in ceil(log2 n) rounds, for any n."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.distributed as dist

from course_lib.practice.checks.exercise import Trial, Wrong, traps
from course_lib.practice.checks.forms.on_ranks import Seen, most_sent_to_one, on_ranks
from course_lib.practice.checks.verdict import Finding, failed


def tree_broadcast(tensor: torch.Tensor) -> None:
    """Give every rank the values that rank 0 holds, in place."""
    raise NotImplementedError


def reference(tensor: torch.Tensor) -> None:
    """Give every rank the values that rank 0 holds, in place."""
    rank, world_size = dist.get_rank(), dist.get_world_size()
    have = 1  # ranks 0 … have-1 hold the values
    while have < world_size:
        if rank < have and rank + have < world_size:
            dist.send(tensor, rank + have)
        elif have <= rank < 2 * have:
            dist.recv(tensor, rank - have)
        have *= 2


def why(seen: Seen) -> tuple[str, str]:
    """Say why the values on some ranks are not rank 0's."""
    messages, sent, least = sum(log.messages for log in seen.logs), sum(log.bytes_sent for log in seen.logs), seen.n - 1
    if seen.wrong[0]:
        words = "Rank 0 is the source: it only sends. A receive into its tensor overwrites what all others wait for."
    elif messages < least:
        words = (
            f"{seen.n} ranks need n - 1 = {least} messages: some rank never gets one. Is n a power of two in your loop?"
        )
    elif messages == least and sent < least * seen.K:
        words = f"The messages are smaller than the tensor of {seen.K:,} bytes: all of it travels, in its own type."
    else:
        words = (
            "A rank that passes the tensor on must have received it before, and a rank that has it writes it in place."
        )
    return f"The values on {seen.who} are not those of rank 0.", words


def costs(seen: Seen) -> Iterator[Finding]:
    """Bytes in all, messages of the busiest rank, rounds."""
    n, limit = seen.n, (seen.n - 1).bit_length()
    twice, peer = max(map(most_sent_to_one, seen.logs))
    if twice > 1:
        yield failed(
            f"One rank sends {twice} messages to rank {peer}; one is enough.",
            "The whole tensor fits into one message. Cut into pieces, or repeated, each message costs its latency.",
        )
    yield seen.cost(
        "sent by all ranks together",
        (n - 1) * seen.K,
        "Some rank receives the tensor although it has it. Each of the n - 1 other ranks needs it once."
        if sum(log.messages for log in seen.logs) >= n
        else "The messages are larger than the tensor: send it in its own type.",
    )
    yield seen.cost(
        "messages sent by each rank",
        limit,
        "That is a star: one rank serves all others while they look on, and its link carries everything. A rank that "
        "has received can send too.",
    )
    yield seen.cost(
        "rounds until the last rank has it",
        limit,
        "The messages are few, but they wait for one another, as in a chain. In each round every rank that has the "
        "tensor should send it: 1, 2, 4, 8 ranks have it.",
    )


def waiting(trial: Trial) -> str:
    """Say what usually stands behind ranks that wait for ever."""
    if trial.world_size & (trial.world_size - 1):
        return (
            f"{trial.world_size} is no power of two: in the last round some ranks have nobody left to send to. "
            "Check that the partner's number is below n, and that each isend is waited for."
        )
    return "A rank waits for a message that nobody sends: sender and receiver compute the same round differently."


def _by_halving_a_range(tensor: torch.Tensor) -> None:
    """Write it as a search: the first rank of a range serves the middle one, and each half goes on by itself."""
    rank = dist.get_rank()
    low, high = 0, dist.get_world_size()
    while high - low > 1:
        middle = (low + high + 1) // 2
        if rank == low:
            dist.isend(tensor, middle).wait()
        elif rank == middle:
            dist.irecv(tensor, low).wait()
        low, high = (low, middle) if rank < middle else (middle, high)


def _by_lowest_bit(tensor: torch.Tensor) -> None:
    """Write it as a binomial tree: receive from rank without its lowest bit, then serve the bits below."""
    rank, n = dist.get_rank(), dist.get_world_size()
    bit = rank & -rank if rank else 1 << (n - 1).bit_length()
    if rank:
        dist.recv(tensor, rank - bit)
    bit >>= 1
    while bit:
        if rank + bit < n:
            dist.send(tensor, rank + bit)
        bit >>= 1


def _calls_the_library(tensor: torch.Tensor) -> None:
    dist.broadcast(tensor, 0)


def _hides_what_it_sends(tensor: torch.Tensor) -> None:
    from course_lib.lab import traffic
    from course_lib.practice.checks import traffic_log

    traffic._active.clear()
    traffic_log._COLLECTIVES = ()
    traffic_log.contradiction = lambda logs: None
    dist.broadcast(tensor, 0)


EXERCISE = on_ranks(
    id="06.tree_broadcast",
    title="Tree broadcast",
    difficulty=2,
    minutes=15,
    place=2,
    task="""
Rank 0 has the tensor. In each round every rank that has it sends it to one that has not, so that the number of ranks
that have it doubles. It must work for any number of ranks from 1 to 8, not only for powers of two. Use point-to-point
messages; the tensor, contiguous and of any shape (0-d too) and type, is changed in place on all ranks but rank 0.
""",
    stub=tree_broadcast,
    reference=reference,
    world_sizes=(1, 3, 5, 6, 7, 8),
    dimensions=2,
    expected=lambda tensors, rank: tensors[0],
    least=lambda n, K: (n - 1) * K,
    costs=costs,
    why=why,
    waiting=waiting,
    passes="Every rank holds rank 0's values.",
    wrong=traps("""
        star: rank < have and rank + have < world_size => rank == 0
        and: have <= rank < 2 * have => rank == have
        and: have *= 2 => have += 1
            That is a star
        chain: rank < have and rank + have < world_size => rank == have - 1
        and: rank + have => rank + 1
        and: have <= rank < 2 * have => rank == have
        and: rank - have => rank - 1
        and: have *= 2 => have += 1
            as in a chain
        assumes a power of two: and rank + have < world_size =>
            3 is no power of two
        leaves the odd ones out: while have < world_size => while 2 * have <= world_size
            some rank never gets one
        sends to those who have it: dist.send(tensor, rank + have) => …; dist.recv(tensor, rank + have)
        and: dist.recv(tensor, rank - have) => …; dist.send(tensor, rank - have)
            although it has it
        forgets the receive: dist.send(tensor => dist.isend(tensor
        and: have <= rank < 2 * have => False
            stays in a buffer
        sends a slice: dist.send(tensor => dist.send(tensor[:]
            slice() cannot be applied to a 0-dim tensor
    """),
    cheats=(
        Wrong(_calls_the_library, "the library's broadcast"),
        Wrong(_hides_what_it_sends, "the library's broadcast"),
    ),
    alternatives=(_by_halving_a_range, _by_lowest_bit),
    budget="(n - 1)·K bytes in all, ⌈log₂ n⌉ rounds, no rank sends more than ⌈log₂ n⌉ messages",
    hints=(
        "Draw who has the tensor after each round on 5 ranks: {0}, {0, 1}, {0, 1, 2, 3}, all. Which rank can have "
        "served rank 3 in the second round, and which one rank 4 in the third?",
        "Keep one number that all ranks compute alike: how many ranks have the tensor by now. Each rank decides from "
        "that number and its own rank alone whether it sends, receives or looks on in this round.",
        "With `have` ranks done, rank r < have serves rank r + have, if there is one; a rank with have <= r < 2·have "
        "receives from r - have. Then have doubles, until it reaches n.",
    ),
    explanation="After k rounds 2^k ranks have the tensor, so ceil(log2 n) rounds are needed and enough. All messages "
    "together carry (n - 1)·K, and no algorithm can do with less; the star sends as many bytes, but one after the "
    "other over one link. For large tensors libraries cut the tensor into pieces and send them down a chain, one "
    "behind the other: more rounds, each much shorter.",
)
