"""Exercise 06.epoch_indices: a sampler that shards the data set and shuffles it anew in each epoch."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch

from course_lib.practice.checks.exercise import Wrong, traps
from course_lib.practice.checks.forms.by_cases import by_cases
from course_lib.practice.checks.verdict import Finding, failed, kind
from course_lib.practice.desk.wording import count

SIZES = ((64, 4), (101, 4), (64, 1), (3, 8), (96, 3))  # (num_examples, world_size)
EPOCHS = (0, 1, 2, 7, 16)  # orders that repeat after 2 to 9 epochs make two of these equal
OWN_GENERATOR = (
    "The order comes from a generator that other code uses too, so that each rank shuffles in its own way and examples "
    "are read twice or never. Seed a generator of your own inside the function."
)


def epoch_indices(
    num_examples: int,
    rank: int,
    world_size: int,
    epoch: int,
    seed: int = 0,
) -> list[int]:
    """Indices that ``rank`` reads in ``epoch``; equally many on every rank."""
    raise NotImplementedError


def reference(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    """Indices that ``rank`` reads in ``epoch``; equally many on every rank."""
    generator = torch.Generator().manual_seed(seed + epoch)
    order = torch.randperm(num_examples, generator=generator).tolist()
    per_rank = -(-num_examples // world_size)
    padded = (order * -(-per_rank * world_size // num_examples))[: per_rank * world_size]
    return padded[rank::world_size]


def make_calls(rng: random.Random) -> list[list[Any]]:
    """All ranks of all sizes and epochs for seed 0, and for one drawn; the default seed; sizes drawn."""
    drawn = rng.randrange(1, 2**31)
    fixed = [(size, n, epoch, seed) for size, n in SIZES for epoch in EPOCHS for seed in (0, drawn)]
    others = [(rng.randint(1, 40), rng.randint(1, 9), epoch, drawn) for epoch in (0, 1, 3) for _ in range(4)]
    calls = [[size, rank, n, epoch, seed] for size, n, epoch, seed in fixed + others for rank in range(n)]
    return [*calls, *([101, rank, 4, 1] for rank in range(4))]


def properties(calls: list[list[Any]], results: list[Any]) -> Iterator[Finding]:
    """Type; equal length; coverage; different epochs and seeds; a shuffle, at epoch 0 and seed 0 too."""
    for value in results:
        if type(value) is not list or not all(type(index) is int for index in value):
            yield failed(f"epoch_indices returned {kind(value)}; expected list[int].", "A tensor has .tolist().")
            return
    found: dict[tuple[int, ...], dict[int, list[int]]] = {}  # by (num_examples, world_size, epoch, seed): rank -> list
    in_order = sorted(zip(calls, results, strict=True), key=lambda one: -len(one[0]))  # those without a seed are last
    for (size, rank, n, epoch, *seed), value in in_order:
        kept = found.setdefault((size, n, epoch, *(seed or [0])), {})
        if kept.setdefault(rank, value) != value:
            if seed:
                yield failed("Two calls with the same arguments gave different indices.", OWN_GENERATOR)
            yield failed(
                "A call without a seed gives other indices than seed = 0.", "The stub's default is 0: keep it."
            )
    for (size, _, _, _), by_rank in found.items():
        yield from _shares(size, list(by_rank.values()))
    seeds = sorted({seed for *_, seed in found})
    for size, n in SIZES:
        if size > 50:
            for seed in seeds:
                yield from _orders(n, [[found[size, n, epoch, seed][rank] for rank in range(n)] for epoch in EPOCHS])
            if any(found[size, n, epoch, seeds[0]] == found[size, n, epoch, seeds[1]] for epoch in EPOCHS):
                yield failed("Another seed gives the same order.", "`seed` must enter the generator beside `epoch`.")
    places = set()  # of the ranks' examples in the order of one rank alone: the same in every epoch
    for *_, epoch, seed in found:
        if (64, 4, epoch, seed) in found:
            whole = found[64, 1, epoch, seed][0]
            places.add(tuple(whole.index(index) for rank in range(4) for index in found[64, 4, epoch, seed][rank]))
    if len(places) > 1:
        yield failed(
            "With another world size the examples come in another order.",
            "The order depends on `epoch` and `seed` alone: a job that goes on with more or fewer ranks must read the "
            "same epoch. `world_size` and `rank` only cut it.",
        )


def _shares(size: int, lists: list[list[int]]) -> Iterator[Finding]:
    n, per_rank = len(lists), -(-size // len(lists))
    where = f"{size} examples on {n} ranks"
    lengths = sorted({len(indices) for indices in lists})
    counts = Counter(index for indices in lists for index in indices)
    outside = [index for index in counts if not 0 <= index < size]
    if outside:
        yield failed(f"{where}: index {outside[0]} does not exist.", f"Indices go from 0 to {size - 1}.")
    if len(lengths) > 1:
        yield failed(
            f"{where}: the ranks get from {lengths[0]} to {lengths[-1]} indices.",
            "A rank with one batch more waits in its last all-reduce for ranks that have left the loop: the job "
            "hangs at the end of the epoch. Pad to equal length by repeating indices.",
        )
    missing = size - len(counts)
    if missing and sum(counts.values()) >= size and n > 1 and size >= n:
        yield failed(
            f"{where}: read by nobody: {count(missing, 'example')}, others by several ranks.",
            "The ranks shuffle differently, so that their shares overlap. All must cut the same order: the rank "
            "chooses a part of it and never enters the seed.",
        )
    if missing:
        yield failed(
            f"{where}: read by nobody: {count(missing, 'example')}.",
            "The tail was cut off. Every example counts; repeat a few to fill the last places instead.",
        )
    if lengths[0] > per_rank:
        yield failed(
            f"{where}: each rank reads {lengths[0]} indices; {per_rank} are enough.",
            "If every rank reads everything, more ranks do not shorten the epoch.",
        )


def _orders(n: int, epochs: list[list[list[int]]]) -> Iterator[Finding]:
    """Compare the orders of a rank in several epochs."""
    for rank in range(n):
        orders = [epoch[rank] for epoch in epochs]
        if len({tuple(order) for order in orders}) < len(orders):
            yield failed(
                "Two epochs have the same order.",
                "The loss curve does not show it: every epoch repeats the same batches. `epoch` must enter the "
                "generator; with the library's sampler that is the call of set_epoch that everybody forgets.",
            )
        steps = [Counter(b - a for a, b in pairwise(order)).most_common(1)[0][1] for order in orders]
        if min(steps) > len(orders[0]) / 2:
            yield failed("Every epoch steps through the examples at one distance.", "Rotating a list is no shuffle.")
        if len({tuple(sorted(order)) for order in orders}) < len(orders) and n > 1:
            yield failed(
                "A rank reads the same examples in two epochs, in another order.",
                "Each rank shuffles its own share alone: examples that lie on different ranks never meet in a batch. "
                "Shuffle the whole data set, then cut it.",
            )
        neighbours = [set(pairwise(order)) for order in orders]
        if len(neighbours[0] & neighbours[1]) > len(orders[0]) / 2:
            yield failed(
                "Epochs differ only by where they start: most examples keep their neighbours.",
                "The same examples still meet in the same batches: shuffle the whole order anew.",
            )
        if max(steps) > len(orders[0]) / 2:
            yield failed(
                f"Epoch {EPOCHS[steps.index(max(steps))]} is not shuffled: most indices follow the one before at the "
                "same distance.",
                "Every epoch is to be shuffled, the first too, and whatever the seed is.",
            )


def _contiguous_parts(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    """Write it with Python's own generator; each rank reads one stretch of the order."""
    order = list(range(num_examples))
    random.Random(f"{seed} {epoch}").shuffle(order)
    per_rank = (num_examples + world_size - 1) // world_size
    return [order[i % num_examples] for i in range(rank * per_rank, (rank + 1) * per_rank)]


def _by_sorting_random_keys(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    """Write it with numpy: sort random keys, then pad each rank's list from the front of the order."""
    import numpy as np

    order = np.argsort(np.random.default_rng([seed, epoch]).random(num_examples))
    total = -(-num_examples // world_size) * world_size
    return [int(index) for index in np.resize(order, total)[rank:total:world_size]]


def _asks_the_library(size: int, rank: int, n: int, epoch: int, seed: int = 0) -> list[int]:
    from torch.utils.data import DistributedSampler as Shards

    sampler = Shards(range(size), num_replicas=n, rank=rank, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


EXERCISE = by_cases(
    id="06.epoch_indices",
    title="A sampler whose epochs differ",
    difficulty=1,
    minutes=10,
    place=4,
    task="""
Return this rank's indices for one epoch, without `DistributedSampler`. All ranks together read every example; each
gets equally many indices, filled up by repeating some where the number of examples is no multiple of the world size.
The order is a shuffle that differs from epoch to epoch and depends on nothing but `epoch` and `seed`, so that every
machine computes the same one. The global random generators, from which other code draws, stay as they are.
""",
    stub=epoch_indices,
    reference=reference,
    make_calls=make_calls,
    properties=properties,
    unequal=OWN_GENERATOR,
    limit=15.0,
    everywhere="Something of this machine enters the order: hash() of text differs from process to process, a process "
    "id or a host name from machine to machine. Ranks would read examples twice or never.",
    passes="Equally many indices on every rank, each index read, none twice but for padding; orders differ by epoch "
    "and seed, and are the same in another process with another hash seed and host name.",
    forbidden=("torch.utils.data.distributed.DistributedSampler",),
    wrong=traps("""
        ignores the epoch: seed + epoch => seed
            Two epochs have the same order
        puts the rank into the seed: seed + epoch => … + 1000 * rank
            The ranks shuffle differently
        puts the world size into the seed: seed + epoch => … + 1000 * world_size
            With another world size the examples come in another order
        seeds the global generator: torch.Generator().manual_seed( => torch.manual_seed(
            changed the state of torch's global generator
        does not pad: padded[rank::world_size] => order[rank::world_size]
            Pad to equal length
        drops the tail: -(-num_examples // world_size) => num_examples // world_size
            The tail was cut off
        uses the global generator: , generator=generator =>
            a generator that other code uses too
        rotates instead of shuffling: torch.randperm( => torch.arange(
        and: , generator=generator) => ).roll(seed + epoch)
            Rotating a list is no shuffle
        gives everything to everyone: padded[rank::world_size] => order
            more ranks do not shorten the epoch
        returns a tensor: padded[rank::world_size] => torch.tensor(…)
            expected list[int]
        seeds by the hash of text: seed + epoch => hash(f"{seed} {epoch}") % 2**31
            with another hash seed, process id and host name
        does not shuffle the first epoch: .tolist() => … if epoch else list(range(num_examples))
            Epoch 0 is not shuffled
    """),
    cheats=(
        Wrong(_asks_the_library, "uses DistributedSampler of the library"),
        *traps(
            """
            asks the library under cover: from torch.utils.data import DistributedSampler as Shards => import torch
            and: Shards(range => getattr(torch.utils.data, "Distributed" + "Sampler")(range
                uses DistributedSampler of the library
            """,
            of=_asks_the_library,
        ),
    ),
    alternatives=(_contiguous_parts, _by_sorting_random_keys),
    budget="⌈num_examples / world_size⌉ indices per rank, no communication",
    hints=(
        "No rank talks to another here. What must be equal on all ranks so that their shares fit together, and what "
        "must differ? Which of the two may depend on the rank?",
        "Make the order of the whole data set first, from a generator of your own that is seeded by seed and epoch; "
        "then make its length a multiple of the world size; then take this rank's part.",
        "torch.Generator().manual_seed(seed + epoch), torch.randperm(num_examples, generator=…), a list repeated and "
        "cut to ceil(num_examples / world_size) · world_size, and a slice [rank::world_size]. Try 3 examples on 8 "
        "ranks.",
    ),
    explanation="The order is a function of (seed, epoch) alone, so the ranks agree without a message; the rank only "
    "chooses its slice. Padding keeps the number of batches equal, because DDP's all-reduce waits for all ranks at "
    "every step. seed + epoch is what the library does: epoch 1 of seed 0 is then epoch 0 of seed 1, harmless for "
    "training and worth knowing when you compare seeds.",
)
