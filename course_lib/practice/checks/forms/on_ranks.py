"""Exercises on collectives written by hand: a tensor on every rank, changed in place by messages between them.

    EXERCISE = on_ranks(
        id="06.tree_broadcast", …, stub=tree_broadcast, reference=reference, world_sizes=(1, 3, 4, 8),
        expected=lambda tensors, rank: tensors[0], least=lambda n, K: (n - 1) * K, costs=costs, …
    )

On each world size one process a rank makes four calls: another length and dtype; the first shape in that dtype; the
same tensor once more, with new values, not-a-number and infinity among them. The last three are views into the middle
of a larger tensor, whose other elements must stay as they are. Where any shape is allowed, a fifth has none (0-d). A
last trial is on integers. Wide types hold values that no narrower one does. The library's collectives are named,
barriers among them; what one rank says it sent another must have received, and right values need a least number of
bytes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from course_lib.practice.checks.exercise import Exercise, Trial
from course_lib.practice.checks.traffic_log import Traffic, contradiction, rounds
from course_lib.practice.checks.verdict import Finding, cost, failed, kind, passed, ranks_where, same
from course_lib.practice.desk.wording import count

GUARD = 7_777  # what lies around a tensor that is a view
_PAD = 5


@dataclass(frozen=True)
class Seen:
    """One call on all ranks, for an exercise's own words.

    n: number of ranks; inputs, results: the tensor of each rank before and after; expected: after a right call;
    logs: what each rank sent and received; K: bytes of one tensor; more: the arguments behind the tensor.
    """

    n: int
    inputs: list[Any]
    results: list[Any]
    expected: list[Any]
    logs: list[Traffic]
    more: list[Any]

    @property
    def K(self) -> int:
        """Bytes of one rank's tensor."""
        return self.inputs[0].nbytes

    @property
    def wrong(self) -> list[bool]:
        """By rank, whether its tensor is not as expected."""
        return [not same(a, b) for a, b in zip(self.results, self.expected, strict=True)]

    @property
    def who(self) -> str:
        """The ranks whose tensor is not as expected, in words."""
        return ranks_where(self.wrong)

    def cost(self, quantity: str, budget: float, why: str) -> Finding:
        """Compare one of MEASURES, "sent by each rank" say, with the most that a right answer needs; why: it is more.

        Where the order of the calls does not say how many rounds there were, no more are counted than allowed.
        """
        unit, measure = MEASURES[quantity]
        measured = measure(self.logs)
        where = f"K = {self.K:,} bytes on {self.n} ranks" if unit == "bytes" else f"on {self.n} ranks"
        return cost(quantity, budget if measured is None else measured, budget, unit, why, where)


MEASURES: dict[str, tuple[str, Callable[[list[Traffic]], int | None]]] = {  # by what is counted: unit, and how
    "sent by each rank": ("bytes", lambda logs: max(log.bytes_sent for log in logs)),
    "sent by all ranks together": ("bytes", lambda logs: sum(log.bytes_sent for log in logs)),
    "messages sent by each rank": ("messages", lambda logs: max(log.messages for log in logs)),
    "rounds until the last rank has it": ("rounds", rounds),
}


def on_ranks(
    *,
    world_sizes: Sequence[int],
    expected: Callable[[list[Any], int], Any],
    least: Callable[[int, int], int],
    costs: Callable[[Seen], Iterable[Finding]],
    why: Callable[[Seen], tuple[str, str]],
    passes: str,
    waiting: Callable[[Trial], str] = lambda trial: "",
    lengths: Callable[[int], tuple[int, int, int]] = lambda n: (250, 36, 6),
    dimensions: int = 1,
    more: Callable[[int], list[list[Any]]] = lambda n: [[]],
    **rest: Any,
) -> Exercise:
    """Return an exercise on an in-place collective `answer(tensor, …)`.

    expected: from the tensors by rank and a rank, that rank's tensor after the call; least: from n and the bytes K of a
    tensor, the bytes that all ranks together send at least, by any algorithm; costs: the findings of a right call;
    why: what is wrong and why, of a wrong one; waiting: what usually stands behind ranks that wait for ever; lengths:
    from n, three numbers of elements that the task allows; dimensions: 2 where the task allows tensors of any shape;
    more: from n, lists of further arguments, a set of calls for each. rest: as for Exercise.
    """

    def trials(rng: random.Random) -> list[Trial]:
        def trial(n: int, words: str, calls: list[dict[str, Any]], arguments: list[Any]) -> Trial:
            given = {"calls": calls, "seed": rng.randrange(2**31), "more": arguments}
            return Trial(f"on {count(n, 'rank')}{_with(arguments)}{words}", n, given)

        made = [trial(n, "", _calls(lengths(n), dimensions), one) for n in world_sizes for one in more(n)]
        n = next(n for n in world_sizes if n > 1)
        whole = {"shape": [lengths(n)[2]], "dtype": "int64", "inside": False}
        return [*made, trial(n, ", on integers", [whole], more(n)[0])]  # by itself: what divides raises an error there

    def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
        for number, call in enumerate(trial.given["calls"]):
            found = _seen(trial, number, [one[number] for one in seen], expected)
            faults = _faults(rest["stub"].__name__, found, [one[number] for one in seen], least, why)
            for fault in faults:
                words = f"The first call was right: is something of it kept, or of its type or length? {fault.why}"
                text = (
                    fault.text
                    if number == 0
                    else f"{_describe(number, call)}: {fault.text[:1].lower()}{fault.text[1:]}"
                )
                yield failed(text if text[:4] != "rank" else f"R{text[1:]}", words if number else fault.why)
                return
            for one in costs(found):
                if (len(trial.given["calls"]) > 1 and number == 0 and found.n > 1) or not one.ok:
                    yield one
        yield passed(passes)

    return Exercise(
        trials=trials,
        drive=drive,
        judge=judge,
        explain_stop=lambda trial, stopped: (
            _unequal(stopped) or (waiting(trial) if stopped.waited or _no_partner(stopped) else "")
        ),
        **rest,
    )


def _unequal(stopped: Any) -> str:
    """Say what stands behind gloo's abort: a message and its receiver of different sizes."""
    words = "A message and the tensor that receives it differ in size: is a buffer of another call or type used?"
    return words if "SIGABRT" in stopped.head else ""


def _no_partner(stopped: Any) -> bool:
    """Whether gloo's code crashed, as it sometimes does where it otherwise waits: the partner's rank does not exist."""
    return "SIGSEGV" in stopped.head


def _with(arguments: list[Any]) -> str:
    return f" with {', '.join(map(str, arguments))}" if arguments else ""


def _calls(lengths: tuple[int, int, int], dimensions: int) -> list[dict[str, Any]]:
    first, second, _ = lengths
    flat = dimensions == 1
    return [
        {"shape": [first], "dtype": "float32", "inside": False},
        {"shape": [second] if flat else [second // 4, 4], "dtype": "float64", "inside": True},
        {"shape": [first], "dtype": "float64", "inside": True},
        {"shape": [first], "dtype": "float64", "inside": True, "same": True},
        *([] if flat else [{"shape": [], "dtype": "float32", "inside": False}]),
    ]


def _describe(number: int, call: dict[str, Any]) -> str:
    shape = " by ".join(map(str, call["shape"])) or "no dimension (0-d)"
    where = " that is part of a larger tensor" if call["inside"] else ""
    where += ", the one of the call before with new values" if call.get("same") else ""
    return f"In call {number + 1} in the same process, on a {call['dtype']} tensor of {shape}{where}"


def values(call: dict[str, Any], seed: int, number: int, rank: int) -> Any:
    """Return what a rank holds before a call: integers, whose sums are exact in any order but in no narrower type."""
    import torch

    most = {"float64": 2**40, "int64": 2**59}.get(call["dtype"], 99)
    generator = torch.Generator().manual_seed(seed + 1_000 * number + rank)
    found = torch.randint(-most, most + 1, call["shape"], generator=generator).to(getattr(torch, call["dtype"]))
    if call.get("same") and rank == 0:
        found.view(-1)[:2] = torch.tensor([math.nan, math.inf])
    return found


def drive(
    answer: Callable[..., Any], rank: int, calls: list[dict[str, Any]], seed: int, more: list[Any]
) -> list[dict[str, Any]]:
    """Make the calls on this rank's tensors and write down what was sent and received."""
    import torch

    from course_lib.practice.checks.traffic_log import record_traffic

    found = []
    for number, call in enumerate(calls):
        given = values(call, seed, number, rank)
        pad = _PAD if call["inside"] else 0
        if not call.get("same"):
            around = torch.full((given.numel() + 2 * pad,), GUARD, dtype=given.dtype)
            tensor = around[pad : pad + given.numel()].view(call["shape"])
        tensor.copy_(given)
        place = tensor.data_ptr()
        with record_traffic() as traffic:
            returned = answer(tensor, *more)
        outside = torch.cat([around[:pad], around[pad + given.numel() :]]) if pad else around[:0]
        kept = bool((outside == GUARD).all())
        moved = tensor.data_ptr() != place
        found.append(
            {"tensor": tensor.clone(), "kept": kept, "moved": moved, "returned": returned, "traffic": traffic.plain}
        )
        if moved or tensor.shape != given.shape or not torch.distributed.is_initialized():
            break  # the answer has closed the group, or replaced the tensor: that is what the check will say
    return found


def _seen(trial: Trial, number: int, by_rank: list[Any], expected: Callable[[list[Any], int], Any]) -> Seen:
    call, n = trial.given["calls"][number], trial.world_size
    inputs = [values(call, trial.given["seed"], number, rank) for rank in range(n)]
    after = [expected([one.clone() for one in inputs], rank) for rank in range(n)]
    logs = [Traffic(**one["traffic"]) for one in by_rank]
    return Seen(n, inputs, [one["tensor"] for one in by_rank], after, logs, trial.given["more"])


def _faults(
    name: str,
    seen: Seen,
    by_rank: list[Any],
    least: Callable[[int, int], int],
    why: Callable[[Seen], tuple[str, str]],
) -> Iterator[Finding]:
    used = {call for log in seen.logs for call, _ in log.collectives}
    if used - {"barrier", "monitored_barrier"}:
        yield failed(
            f"The values travelled by the library's {', '.join(sorted(used))}.",
            "The task is to write that collective from point-to-point messages: send, recv, isend and irecv.",
        )
    if used:
        yield failed(
            "Your code calls the library's barrier.",
            "A barrier is a collective with messages of its own, which the budget does not have. A receive waits for "
            "its send already.",
        )
    found = contradiction(seen.logs)
    if found is not None:
        yield found
    returned = next((one["returned"] for one in by_rank if one["returned"] is not None), None)
    if returned is not None:
        yield failed(
            f"{name} returned {kind(returned)}; expected None.",
            "It works in place: the caller keeps the tensor that it handed over, and looks there.",
        )
    for before, after in zip(seen.inputs, seen.results, strict=True):
        if kind(after) != kind(before):
            text = f"The tensor went in with shape {tuple(before.shape)} and came out as {kind(after)}."
            yield failed(text, "Write into it in place.")
    if any(one["moved"] for one in by_rank):
        yield failed(
            f"The tensor on {ranks_where([one['moved'] for one in by_rank])} lies elsewhere in memory after the call.",
            "Write into its own elements: views of it, and whoever else holds them, still see the old values.",
        )
    due = [n for n, (a, b) in enumerate(zip(seen.inputs, seen.expected, strict=True)) if not same(a, b)]
    if due and all(same(seen.results[n], seen.inputs[n]) for n in due):
        text = f"The tensor is as it was before the call, on {ranks_where([n in due for n in range(seen.n)])}."
        yield failed(text, "Write the result into it in place: a copy, or a new tensor of that name, is lost.")
    if any(seen.wrong):
        yield failed(*why(seen))
    if not all(one["kept"] for one in by_rank):
        yield failed(
            f"Elements beside the tensor were changed on {ranks_where([not one['kept'] for one in by_rank])}.",
            "The tensor is a view into a larger one: only its own elements may be written, so leave its storage alone.",
        )
    sent, needed = sum(log.bytes_sent for log in seen.logs), least(seen.n, seen.K)
    if sent < needed:
        yield failed(
            f"The values are right, but only {count(sent, 'byte')} were sent by send and isend; no algorithm can do "
            f"with less than {needed:,}.",
            "They came by another way than messages between ranks, or in a smaller type than the tensor's. Use send, "
            "recv, isend and irecv.",
        )


def most_sent_to_one(log: Traffic) -> tuple[int, int]:
    """Return (messages, rank) for the rank that one rank sent the most messages to."""
    peers = [peer for what, peer, _ in log.events if what == "send"]
    return max(((peers.count(peer), peer) for peer in set(peers)), default=(0, 0), key=lambda one: (one[0], -one[1]))


def share(results: list[Any], expected: list[Any]) -> list[float]:
    """Return by rank which share of the elements is right."""
    return [float((a == b).double().mean()) if len(a) else math.nan for a, b in zip(results, expected, strict=True)]
