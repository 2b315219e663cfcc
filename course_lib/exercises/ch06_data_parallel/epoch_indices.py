"""Exercise 06.epoch_indices: a sampler that shards the data set and shuffles it anew in each epoch."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch

from course_lib.practice.checks.exercise import Exercise, Trial, Wrong
from course_lib.practice.checks.verdict import Finding, failed, kind, passed

SIZES = ((64, 4), (101, 4), (100, 1), (3, 8))  # (num_examples, world_size)
EPOCHS = (0, 1, 2, 7)


def epoch_indices(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    """Indices that ``rank`` reads in ``epoch``; equally many on every rank."""
    raise NotImplementedError


def reference(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    """Indices that ``rank`` reads in ``epoch``; equally many on every rank."""
    generator = torch.Generator().manual_seed(seed + epoch)
    order = torch.randperm(num_examples, generator=generator).tolist()
    per_rank = -(-num_examples // world_size)
    padded = (order * -(-per_rank * world_size // num_examples))[: per_rank * world_size]
    return padded[rank::world_size]


def trials(rng: random.Random) -> list[Trial]:
    """Ask for all ranks of four sizes, with a new seed."""
    return [Trial("", 1, {"seed": rng.randrange(1, 2**31), "noise": rng.randrange(2**31)})]


def drive(answer: Callable[..., Any], rank: int, seed: int, noise: int) -> dict[str, Any]:
    """Call the answer as different machines would: the state of the global generators differs at each call."""
    asked = [
        (size, who, world_size, epoch, seed)
        for size, world_size in SIZES
        for epoch in EPOCHS
        for who in range(world_size)
    ]
    asked += [(101, 0, 4, 1, seed), (101, 0, 4, 1, seed + 1_000)]  # the same again, then another seed
    answers = []
    for number, call in enumerate(asked):
        torch.manual_seed(noise + number)
        random.seed(noise + number)
        answers.append(answer(*call))
    defaulted = answer(8, 0, 2, 0)
    return {"asked": [list(call) for call in asked], "answers": answers, "defaulted": defaulted}


def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
    """Type; equal length; coverage; different epochs; the same on every machine."""
    asked, answers = seen[0]["asked"], seen[0]["answers"]
    for value in (*answers, seen[0]["defaulted"]):
        if type(value) is not list or not all(type(index) is int for index in value):
            yield failed(f"epoch_indices returned {kind(value)}; expected list[int].", "A tensor has .tolist().")
            return
    by_call = {tuple(call): value for call, value in zip(asked[:-2], answers[:-2], strict=True)}
    seed = asked[0][-1]
    again, other_seed = answers[-2:]
    first = by_call[101, 0, 4, 1, seed]
    if again != first:
        yield failed(
            "Two calls with the same arguments gave different indices.",
            "The order comes from a generator that other code uses too, so that each rank shuffles in its own way and "
            "examples are read twice or never. Seed a generator of your own inside the function.",
        )
        return
    for size, world_size in SIZES:
        for epoch in EPOCHS:
            yield from _shares(size, [by_call[size, who, world_size, epoch, seed] for who in range(world_size)])
    yield passed("Equally many indices on every rank, each index read, and none twice but for padding.")
    yield from _orders([by_call[100, 0, 1, epoch, seed] for epoch in EPOCHS])
    if other_seed == first:
        yield failed("Another seed gives the same order.", "`seed` must enter the generator beside `epoch`.")
        return
    yield passed("Orders differ by epoch and by seed, and are the same on every machine.")


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
            f"{where}: {missing} examples are read by nobody, others by several ranks.",
            "The ranks shuffle differently, so that their shares overlap. All must cut the same order: the rank "
            "chooses a part of it and never enters the seed.",
        )
    if missing:
        yield failed(
            f"{where}: {missing} examples are read by nobody.",
            "The tail was cut off. Every example counts; repeat a few to fill the last places instead.",
        )
    if lengths[0] > per_rank:
        yield failed(
            f"{where}: each rank reads {lengths[0]} indices; {per_rank} are enough.",
            "If every rank reads everything, more ranks do not shorten the epoch.",
        )
    if max(counts.values()) > -(-per_rank * n // size):
        yield failed(f"{where}: one index is read {max(counts.values())} times.", "Spread the padding evenly.")


def _orders(epochs: list[list[int]]) -> Iterator[Finding]:
    """Compare the orders of one rank that reads everything."""
    if epochs[0] == epochs[1] or len({tuple(order) for order in epochs}) < len(epochs):
        yield failed(
            "Two epochs have the same order.",
            "The loss curve does not show it: every epoch repeats the same batches. `epoch` must enter the generator; "
            "with the library's sampler that is the call of set_epoch that everybody forgets.",
        )
    neighbours = [set(pairwise(order)) for order in epochs]
    if len(neighbours[0] & neighbours[1]) > 50:
        yield failed(
            "Epochs differ only by where they start: most examples keep their neighbours.",
            "Rotating a list is no shuffle; the same examples still meet in the same batches.",
        )


def _ignores_the_epoch(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    return reference(num_examples, rank, world_size, 0, seed)


def _puts_the_rank_into_the_seed(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    return reference(num_examples, rank, world_size, epoch, seed + 1000 * rank)


def _does_not_pad(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed + epoch)
    return torch.randperm(num_examples, generator=generator).tolist()[rank::world_size]


def _drops_the_tail(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    keep = num_examples // world_size * world_size
    return _does_not_pad(num_examples, rank, world_size, epoch, seed)[: keep // world_size]


def _uses_the_global_generator(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    per_rank = -(-num_examples // world_size)
    order = torch.randperm(num_examples).tolist()
    return (order * world_size)[: per_rank * world_size][rank::world_size]


def _rotates_instead_of_shuffling(
    num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0
) -> list[int]:
    per_rank = -(-num_examples // world_size)
    return [(rank + world_size * i + epoch + seed) % num_examples for i in range(per_rank)]


def _gives_everything_to_everyone(
    num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0
) -> list[int]:
    return reference(num_examples, 0, 1, epoch, seed)


def _returns_a_tensor(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(reference(num_examples, rank, world_size, epoch, seed))


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


def _asks_the_library(num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0) -> list[int]:
    from torch.utils.data import DistributedSampler as Shards

    sampler = Shards(range(num_examples), num_replicas=world_size, rank=rank, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def _asks_the_library_under_cover(
    num_examples: int, rank: int, world_size: int, epoch: int, seed: int = 0
) -> list[int]:
    sampler_class = getattr(torch.utils.data, "Distributed" + "Sampler")
    sampler = sampler_class(range(num_examples), num_replicas=world_size, rank=rank, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


EXERCISE = Exercise(
    id="06.epoch_indices",
    title="A sampler whose epochs differ",
    difficulty=1,
    minutes=10,
    place=4,
    budget="⌈num_examples / world_size⌉ indices per rank, no communication",
    task="""
Return this rank's indices for one epoch, without `DistributedSampler`. All ranks together read every example; each
gets equally many indices, filled up by repeating some where the number of examples is no multiple of the world size.
The order is a shuffle that differs from epoch to epoch and depends on nothing but `epoch` and `seed`, so that every
machine computes the same one.
""",
    stub=epoch_indices,
    reference=reference,
    trials=trials,
    drive=drive,
    judge=judge,
    forbidden=("torch.utils.data.distributed.DistributedSampler",),
    limit=5.0,
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
    wrong=(
        Wrong(_ignores_the_epoch, "Two epochs have the same order"),
        Wrong(_puts_the_rank_into_the_seed, "The ranks shuffle differently"),
        Wrong(_does_not_pad, "Pad to equal length"),
        Wrong(_drops_the_tail, "The tail was cut off"),
        Wrong(_uses_the_global_generator, "a generator that other code uses too"),
        Wrong(_rotates_instead_of_shuffling, "Rotating a list is no shuffle"),
        Wrong(_gives_everything_to_everyone, "more ranks do not shorten the epoch"),
        Wrong(_returns_a_tensor, "expected list[int]"),
    ),
    alternatives=(_contiguous_parts, _by_sorting_random_keys),
    cheats=(
        Wrong(_asks_the_library, "uses DistributedSampler of the library"),
        Wrong(_asks_the_library_under_cover, "uses DistributedSampler of the library"),
    ),
)
