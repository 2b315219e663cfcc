"""The ring all-reduce as a schedule: who sends which chunk to whom, and what that costs.

The algorithm itself (send and receive on real ranks) is `collectives.ring_all_reduce`. This file holds what surrounds
it: the schedule as data, the bytes it implies, and a picture of any step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_lib.lab import Picture


@dataclass(frozen=True)
class Transfer:
    """One message of the ring: at ``step``, ``source`` sends ``chunk`` to ``target``, which adds or replaces it."""

    step: int
    source: int
    target: int
    chunk: int
    adds: bool


def chunk_sizes(numel: int, world_size: int) -> list[int]:
    """Elements in each of ``world_size`` near-equal chunks of ``numel`` elements, cut as by ``tensor_split``."""
    _require_ranks(world_size)
    base, longer = divmod(numel, world_size)
    return [base + (index < longer) for index in range(world_size)]


def ring_schedule(world_size: int) -> list[Transfer]:
    """All 2(n-1)n messages of a ring all-reduce, step by step.

    In the first n-1 steps (reduce-scatter) a receiver adds; in the last n-1 (all-gather) it replaces. At every step
    rank r sends chunk (r - step - 1) mod n to its right neighbour, so each chunk travels once round to be summed, ends
    at the rank of its own number, and travels once more to be distributed (Patarasuk and Yuan, 2009).
    """
    _require_ranks(world_size)
    return [
        Transfer(step, rank, (rank + 1) % world_size, (rank - step - 1) % world_size, adds=step < world_size - 1)
        for step in range(2 * (world_size - 1))
        for rank in range(world_size)
    ]


def bytes_sent(numel: int, element_size: int, world_size: int, rank: int) -> int:
    """Payload bytes that ``rank`` sends: 2K minus two chunks, one that it keeps in each half.

    In the reduce-scatter it never sends chunk rank, which arrives in the last step and is then complete; in the
    all-gather it never sends chunk rank+1, which arrives last. Where ``world_size`` divides ``numel`` the rest is
    2(n-1)/n of the tensor's bytes.
    """
    sizes = chunk_sizes(numel, world_size)
    if world_size == 1:
        return 0
    kept = sizes[rank] + sizes[(rank + 1) % world_size]
    return (2 * numel - kept) * element_size


def contributions(world_size: int, steps_done: int) -> list[list[int]]:
    """How many ranks' values are summed in chunk c of rank r after ``steps_done`` steps, as ``table[r][c]``.

    Before the first step every entry is 1; after all 2(n-1) steps every entry is ``world_size``. Sends of one step
    happen at the same time, so all are read before any is applied.
    """
    table = [[1] * world_size for _ in range(world_size)]
    schedule = ring_schedule(world_size)
    for step in range(steps_done):
        messages = [(t, table[t.source][t.chunk]) for t in schedule if t.step == step]
        for transfer, carried in messages:
            before = table[transfer.target][transfer.chunk] if transfer.adds else 0
            table[transfer.target][transfer.chunk] = before + carried
    return table


def bytes_by_link(numel: int, element_size: int, world_size: int, steps_done: int) -> dict[tuple[int, int], int]:
    """Payload bytes that have crossed each link (source, target) after ``steps_done`` steps."""
    sizes = chunk_sizes(numel, world_size)
    links: Counter[tuple[int, int]] = Counter()
    for transfer in ring_schedule(world_size):
        if transfer.step < steps_done:
            links[transfer.source, transfer.target] += sizes[transfer.chunk] * element_size
    return dict(links)


def ring_step_picture(world_size: int = 4, step: int = 2, megabytes: float = 16.0) -> Picture:
    """Draw a ring all-reduce of a tensor of ``megabytes`` (1 MB = 10^6 bytes, float32) after ``step`` steps.

    Left, a table of ranks by chunks with the number of ranks summed in each; right, megabytes over each link so far.

    Raises:
        ValueError: if there are fewer than 2 ranks, or ``step`` is not in 0 … 2(n-1).
    """
    from course_lib import lab

    if world_size < 2:
        raise ValueError(f"A ring needs at least 2 ranks, not {world_size}.")
    last = 2 * (world_size - 1)
    if not 0 <= step <= last:
        raise ValueError(f"A ring of {world_size} ranks has steps 0 to {last}; step {step} does not exist.")
    numel = round(megabytes * 1e6 / 4)
    table = contributions(world_size, step)
    links = bytes_by_link(numel, 4, world_size, step)

    fig, (left, right) = lab.figure(cols=2, height=3.0)
    left.imshow(table, vmin=0, vmax=world_size, cmap="Blues", aspect="auto")
    for rank in range(world_size):
        for chunk in range(world_size):
            count = table[rank][chunk]
            left.text(
                chunk, rank, count, ha="center", va="center", color="white" if 2 * count > world_size else "black"
            )
    for transfer in ring_schedule(world_size):
        if transfer.step == step - 1:
            left.add_patch(_outline(transfer.chunk, transfer.target))
    left.set(title="ranks summed in each chunk", xlabel="chunk", ylabel="rank")
    left.set_xticks(range(world_size))
    left.set_yticks(range(world_size))
    left.grid(False)

    names = [f"{source}→{(source + 1) % world_size}" for source in range(world_size)]
    sent = [links.get((source, (source + 1) % world_size), 0) / 1e6 for source in range(world_size)]
    right.barh(names, sent)
    total = [bytes_sent(numel, 4, world_size, source) / 1e6 for source in range(world_size)]
    right.axvline(max(total), linestyle="--", color="black", linewidth=1)
    above = ("data", "axes fraction")
    right.annotate("end", (max(total), 1), xycoords=above, xytext=(0, 3), textcoords="offset points", ha="center")
    right.set(title=f"after step {step} of {last}", xlabel="MB sent over each link", ylabel="link")
    right.set_xlim(0, max(total) * 1.08)
    right.invert_yaxis()
    phase = "reduce-scatter: receivers add" if step < world_size else "all-gather: receivers replace"
    if step == 0:
        phase = "before the first message"
    return lab.Picture(
        fig,
        f"Ring of {world_size} ranks after step {step} of {last} ({phase}). Outlined chunks have just arrived. "
        f"Each link has carried at most {max(sent):.1f} MB of the {max(total):.1f} MB it carries in all, "
        f"for a tensor of {megabytes:g} MB.",
    )


def _outline(column: int, row: int) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#D55E00", linewidth=2.5)


def _require_ranks(world_size: int) -> None:
    if world_size < 1:
        raise ValueError(f"world_size must be at least 1, not {world_size}.")
