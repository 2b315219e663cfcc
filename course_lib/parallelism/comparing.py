"""What chapter 06 shows of strategies side by side: the table, the last step as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from course_lib.parallelism.rounds import Round, least

if TYPE_CHECKING:
    from course_lib.lab import Picture, Table, Timeline


def comparison(runs: Mapping[str, list[Round]], fixed: str) -> Table:
    """A table of the least round of each strategy in `runs`, in ms. `fixed`: what all rows have in common, in words.

    The column of shares holds each wait after the pass against that of the first strategy; a strategy that waits inside
    its backward pass, unseen or in a hook, has none, nor has one that sends nothing.
    """
    from course_lib import lab

    rows: list[tuple[object, ...]] = []
    first = least(next(iter(runs.values())))
    for name, rounds in runs.items():
        one = least(rounds)
        share = round(100 * one.wait_s / first.wait_s) if one.ahead else "-"
        hidden = "-" if one.hidden_s is None else 1e3 * one.hidden_s
        times = (1e3 * one.backward_s, 1e3 * one.wait_s, share, 1e3 * one.sum_s, hidden)
        rows.append((name, one.messages or "-", *times))
    columns = ["strategy", "messages", "backward (ms)", "wait after", "% of first", "sum", "hidden"]
    return lab.table(rows, columns, varies="messages, when they start, who waits", fixed=fixed)


def ready_meanwhile(timeline: Timeline) -> int:
    """Gradients (spans "gradient") that became ready on a rank while a message of this rank was under way.

    An order of events, not a duration: 0 if every hook waits for its message, however busy the machine is.
    """
    sent = timeline.select("all_reduce").spans
    ready = timeline.select("gradient").spans
    return sum(any(m.rank == g.rank and m.start_s < g.start_s < m.end_s for m in sent) for g in ready)


def last_step_picture(timeline: Timeline) -> Picture:
    """The last step of a run of `data_parallel.train`, with a caption that counts what it shows."""
    from course_lib import lab

    begins = {span.rank: span.start_s for span in timeline.select("forward").spans}  # the last one of each rank stays
    step = [s for s in timeline.spans if s.start_s >= begins[s.rank] and s.name not in ("wait", "gradient")]
    (backward,) = [s for s in step if s.name == "backward" and s.rank == 0]
    sent = [s for s in step if s.name == "all_reduce" and s.rank == 0]
    inside = sum(backward.start_s <= s.start_s < backward.end_s for s in sent)
    return lab.Timeline(step).picture(
        f"One training step on {len(begins)} real ranks, from measured time stamps: {inside} of rank 0's {len(sent)} "
        "all-reduces start while its backward pass still runs; what is left of them afterwards lies in finish, "
        "with the division."
    )
