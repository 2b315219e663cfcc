"""An event simulation of pipeline schedules: each device works off its list in order, as soon as inputs are there.

A piece of work is (kind, micro-batch, chunk), kind one of "F" forward, "B" backward, "W" the part of the backward that
is for weights where a schedule does it apart ("B" is then for inputs only).
"""

from __future__ import annotations

Work = tuple[str, int, int]


def simulate(lists: list[list[Work]], seconds: dict[str, float], place: list[int]) -> list[list[tuple[float, float]]]:
    """Start and end of every piece of work of every device.

    lists: the work of each device in order; place: the device of each chunk, in the order of the model.
    """
    done: dict[Work, float] = {}
    times: list[list[tuple[float, float]]] = [[] for _ in lists]
    clock = [0.0] * len(lists)
    while any(len(times[d]) < len(lists[d]) for d in range(len(lists))):
        moved = False
        for device, work in enumerate(lists):
            while len(times[device]) < len(work):
                kind, batch, chunk = work[len(times[device])]
                needs = {
                    "F": [("F", batch, chunk - 1)] if chunk else [],
                    "B": [("F", batch, chunk), *([("B", batch, chunk + 1)] if chunk + 1 < len(place) else [])],
                    "W": [("B", batch, chunk)],
                }[kind]
                assert place[chunk] == device
                if not all(need in done for need in needs):
                    break
                start = max([clock[device], *(done[need] for need in needs)])
                clock[device] = start + seconds[kind]
                done[kind, batch, chunk] = clock[device]
                times[device].append((start, clock[device]))
                moved = True
        assert moved, "the schedule waits for itself"
    return times


def gpipe(stages: int, batches: int) -> list[list[Work]]:
    """All forwards, then all backwards."""
    return [[(kind, i, s) for kind in "FB" for i in range(batches)] for s in range(stages)]


def one_f_one_b(stages: int, batches: int, chunks: int = 1) -> list[list[Work]]:
    """Warm-up forwards, then one forward and one backward in turn; with chunks > 1 Megatron's interleaved order."""
    total = batches * chunks
    lists = []
    for device in range(stages):

        def unit(k: int, device: int = device) -> tuple[int, int]:
            group, rest = divmod(k, stages * chunks)
            return group * stages + rest % stages, (rest // stages) * stages + device

        warm_up = stages - device - 1 if chunks == 1 else (stages - device - 1) * 2 + (chunks - 1) * stages
        warm_up = min(warm_up, total)
        forwards = [("F", *unit(k)) for k in range(total)]
        backwards = []
        for k in range(total):
            batch, chunk = unit(k)
            mirrored = (chunks - 1 - chunk // stages) * stages + device
            backwards.append(("B", batch, mirrored))
        work = forwards[:warm_up]
        for forward, backward in zip(forwards[warm_up:], backwards, strict=False):
            work += [forward, backward]
        lists.append(work + backwards[total - warm_up :])
    return lists


def zero_bubble(stages: int, batches: int, in_flight: int) -> list[list[Work]]:
    """Prefer a backward for inputs, then a forward while fewer than in_flight are held, then one for weights.

    F, B and W take one unit each. A micro-batch is held from its forward to the end of its W, as activations are.
    """
    lists: list[list[Work]] = [[] for _ in range(stages)]
    ready: dict[tuple[str, int, int], int] = {}
    for now in range(20 * batches * stages):
        finished = []
        for s in range(stages):
            count = {kind: sum(k == kind for k, *_ in lists[s]) for kind in "FBW"}
            options = []
            backward = count["B"]
            if backward < count["F"]:
                need = ("F", backward, s) if s == stages - 1 else ("B", backward, s + 1)
                options.append(("B", backward, ready.get(need, 10**9)))
            if count["F"] < batches and count["F"] - count["W"] < in_flight:
                options.append(("F", count["F"], 0 if s == 0 else ready.get(("F", count["F"], s - 1), 10**9)))
            if count["W"] < backward:
                options.append(("W", count["W"], 0))
            for kind, batch, at in options:
                if at <= now:
                    lists[s].append((kind, batch, s))
                    finished.append((kind, batch, s))
                    break
        for piece in finished:
            ready[piece] = now + 1
        if all(len(work) == 3 * batches for work in lists):
            return lists
    raise AssertionError("the schedule waits for itself")


def peak_held(work: list[Work]) -> int:
    """Most micro-batches whose activations a stage holds at once."""
    held = peak = 0
    last = "W" if any(kind == "W" for kind, *_ in work) else "B"
    for kind, *_ in work:
        held += (kind == "F") - (kind == last)
        peak = max(peak, held)
    return peak
