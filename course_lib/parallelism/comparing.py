"""What chapter 06 shows of strategies side by side: the table, the shares of the wait, the last step as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from course_lib.parallelism.rounds import Round, least

if TYPE_CHECKING:
    from course_lib.lab import Picture, Table, Timeline


def comparison(runs: Mapping[str, list[Round]], fixed: str) -> Table:
    """A table of the least round of each strategy in `runs`, in ms. `fixed`: what all rows have in common, in words."""
    from course_lib import lab

    rows: list[tuple[object, ...]] = []
    for name, rounds in runs.items():
        one = least(rounds)
        hidden = "-" if one.hidden_s is None else 1e3 * one.hidden_s
        rows.append((name, one.messages or "-", 1e3 * one.backward_s, 1e3 * one.wait_s, 1e3 * one.sum_s, hidden))
    columns = ["strategy", "messages", "backward (ms)", "wait after", "sum", "hidden"]
    return lab.table(rows, columns, varies="messages, when they start, who waits", fixed=fixed)


def waits_left(runs: Mapping[str, list[Round]], first: str, *others: str) -> str:
    """How much of the wait of strategy `first` the `others` leave, in words. Compare those that wait after the pass."""
    wait = {name: least(runs[name]).wait_s for name in (first, *others)}
    left = "; ".join(f"{name}, {100 * wait[name] / wait[first]:.0f} %" for name in others)
    return f"Of the wait of '{first}' are left: {left}."


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
        "with the division and the copying back."
    )
