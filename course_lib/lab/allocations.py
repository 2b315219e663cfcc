"""Every block of memory that a function takes and gives back, to the byte: the peak, and what lived at it.

A process' size in RAM (`lab.peak_memory`) cannot show this: memory that was freed and is taken again does not make the
process larger. Here the allocator's own events are read: from torch.profiler on a CPU, from the CUDA allocator's
history on a GPU.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course_lib.lab.figures import Picture
    from course_lib.lab.measure import Table


@dataclass(frozen=True)
class Block:
    """One allocation: its bytes, what it holds ("activation", "gradient", …) and the operator or line that made it."""

    bytes: int
    category: str
    made_by: str


@dataclass(frozen=True)
class _Event:
    """A block taken (`block` given) or given back (`block` None), in the order of time."""

    address: int
    block: Block | None = None


class Allocations:
    """What one call allocated. All bytes are of blocks that the call itself took; what it found is not in them.

    living: bytes that live after each event. peak: the highest of them. at_peak: the blocks that live then, largest
    first. left: bytes that still live when the call has returned. count: blocks taken.
    """

    def __init__(self, events: Iterable[_Event]) -> None:
        alive: dict[int, Block] = {}
        self.living: list[int] = [0]
        self.peak = self.count = 0
        self.at_peak: list[Block] = []
        self._by_category: list[Counter[str]] = [Counter()]
        for event in events:
            now = Counter(self._by_category[-1])
            if event.block is not None:
                alive[event.address] = event.block
                change, category = event.block.bytes, event.block.category
                self.count += 1
            else:
                freed = alive.pop(event.address, None)
                if freed is None:
                    continue  # a block from before the call
                change, category = -freed.bytes, freed.category
            now[category] += change
            self._by_category.append(now)
            self.living.append(self.living[-1] + change)
            if self.living[-1] > self.peak:
                self.peak = self.living[-1]
                self.at_peak = sorted(alive.values(), key=lambda block: -block.bytes)
        self.left = self.living[-1]

    def by_category(self) -> dict[str, int]:
        """Bytes living at the peak by what they hold, largest first; they add up to `peak`."""
        sums: Counter[str] = Counter()
        for block in self.at_peak:
            sums[block.category] += block.bytes
        return dict(sums.most_common())

    def __repr__(self) -> str:
        parts = ", ".join(f"{category} {size:,}" for category, size in self.by_category().items())
        return f"peak {self.peak:,} bytes ({parts or 'nothing allocated'}), {self.left:,} left, {self.count} blocks"

    def table(self, rows: int = 10) -> Table:
        """The `rows` largest blocks that live at the peak: what each holds, its bytes, and what made it."""
        from course_lib.lab.measure import table

        return table(
            [[block.category, block.bytes, block.made_by] for block in self.at_peak[:rows]],
            ["holds", "bytes", "made by"],
        )

    def picture(self, caption: str | None = None) -> Picture:
        """Draw the living bytes after each event, stacked by what they hold. Raises ValueError if there is none."""
        if not self.count:
            raise ValueError("Nothing was allocated: the function only wrote into memory that was there before.")
        from course_lib.lab.figures import Picture, figure

        highest: Counter[str] = Counter()
        for now in self._by_category:
            highest |= now
        names = sorted((name for name in highest if highest[name] >= self.peak / 100), key=lambda name: -highest[name])
        stacks = [[now[name] / 1e6 for now in self._by_category] for name in names]
        rest = [all_ / 1e6 - sum(parts) for all_, *parts in zip(self.living, *stacks, strict=True)]
        if len(names) < len(highest):
            names, stacks = [*names, "all else"], [*stacks, rest]
        fig, ax = figure()
        ax.stackplot(range(len(self.living)), stacks, labels=names, step="post")
        ax.plot(self.living.index(self.peak), self.peak / 1e6, "o", color="black")
        ax.set(xlabel="allocations and releases, in order", ylabel="living (MB)")
        ax.legend(loc="upper right")
        words = caption or (
            f"Memory that the call took and had not given back, by what it holds: {self.peak / 1e6:.2f} MB at the peak "
            f"(dot), {self.left / 1e6:.2f} MB at the end. 1 MB is 10⁶ bytes."
        )
        return Picture(fig, words, measured=True)


def allocations(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Allocations:
    """Run `fn(*args, **kwargs)` once and return every allocation in it, exact and repeatable to the byte.

    On a CPU (`lab.device()`) the events are those of torch.profiler, and what a block holds is the profiler's
    inference from modules, optimisers and gradients that it sees at work: "parameter", "gradient", "activation",
    "optimizer state", "input", "temporary", "autograd detail", else "unknown". Only torch's own blocks count, not
    NumPy's and not the workspace of a BLAS library. Recording makes the call several times slower.

    On a CUDA device the events are the caching allocator's, whose sizes are rounded up to 512 bytes; what a block
    holds is not known there, and `made_by` is the line of Python that asked for it. This path is written for torch
    2.13 and has not been run. Other accelerators raise NotImplementedError.
    """
    from course_lib.lab.device import device

    where = device()
    if where.type == "cpu":
        return Allocations(_cpu_events(lambda: fn(*args, **kwargs)))
    if where.type == "cuda":
        return Allocations(_cuda_events(lambda: fn(*args, **kwargs), where))
    raise NotImplementedError(
        f"torch keeps no history of allocations on {where.type}: set COURSE_DEVICE=cpu to count the same code on a CPU."
    )


def _cpu_events(call: Callable[[], Any]) -> list[_Event]:
    from torch._C._profiler import _EventType

    _quiet_first_use()
    profiler = _profile(call)
    # The profiler's own reading of its events: which operator wrote which tensor, and so what a block holds.
    reading = profiler._memory_profile()
    holds = {
        time: reading._categories.get(key, version)
        for time, action, (key, version), _ in reading.timeline
        if action.name == "CREATE"
    }
    found: list[tuple[int, _Event]] = []

    def visit(node: Any, operator: str) -> None:
        if node.tag == _EventType.Allocation:
            fields = node.extra_fields
            category = holds.get(node.start_time_ns)
            name = category.name.lower().replace("_", " ") if category is not None else "unknown"
            taken = Block(fields.alloc_size, name, operator) if fields.alloc_size >= 0 else None
            found.append((node.start_time_ns, _Event(fields.ptr, taken)))
        inside = node.name if node.tag == _EventType.TorchOp else operator
        for child in node.children:
            visit(child, inside)

    for root in profiler.profiler.kineto_results.experimental_event_tree():
        visit(root, "outside an operator")
    return [event for _, event in sorted(found, key=lambda pair: pair[0])]


def _profile(call: Callable[[], Any]) -> Any:
    from torch.profiler import ProfilerActivity, profile

    with profile(
        activities=[ProfilerActivity.CPU], profile_memory=True, record_shapes=True, with_stack=True
    ) as profiler:
        call()
    return profiler


_ready = False


def _quiet_first_use() -> None:
    """Let torch say its two lines about starting a profiler, once in a process, where nobody reads them.

    The second line, about a block that was there before, is true and harmless: what the call found is left out.
    """
    global _ready
    if _ready:
        return
    import torch

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    before = [torch.empty(1)]
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        _profile(before.clear)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
    _ready = True


def _cuda_events(call: Callable[[], Any], device: Any) -> list[_Event]:
    import torch

    torch.cuda.synchronize(device)
    torch.cuda.memory._record_memory_history(enabled="all", stacks="python", max_entries=2**31 - 1)
    try:
        call()
        torch.cuda.synchronize(device)
        snapshot = torch.cuda.memory._snapshot(device)
    finally:
        torch.cuda.memory._record_memory_history(enabled=None)
    index = device.index if device.index is not None else torch.cuda.current_device()
    return _events_of_trace(snapshot["device_traces"][index])


def _events_of_trace(trace: list[dict[str, Any]]) -> list[_Event]:
    """Events of a CUDA allocator's trace (torch.cuda.memory._snapshot): entries with action, addr, size, frames."""
    events = []
    for entry in trace:
        if entry["action"] == "alloc":
            frames = [f for f in entry.get("frames", ()) if "site-packages" not in f["filename"]]
            line = f"{frames[0]['filename']}, line {frames[0]['line']}" if frames else "unknown"
            events.append(_Event(entry["addr"], Block(entry["size"], "unknown", line)))
        elif entry["action"] == "free_completed":
            events.append(_Event(entry["addr"]))
    return events
