"""What an answer sent and received, written down in order inside its process, and cross-checked in the kernel.

Three figures must agree: the log kept here, `lab.count_sends`, and the process group's own sequence number, which C++
counts for every collective, send and receive. An answer that hides a call from one of them is found by another; what
one rank says it sent, another must say it received.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from course_lib.lab.gang.where import calls_so_far
from course_lib.lab.traffic import count_sends
from course_lib.practice.checks.verdict import Finding, failed

ANY_SOURCE = -1


@dataclass
class Traffic:
    """The traffic of one rank.

    events: ("send" | "recv", global rank of the other side, bytes) in the order of the calls; collectives: (name, bytes
    of the tensors handed over) in order; blocking: places in it of those that were called without async_op; waits:
    calls of wait() on any work; counted_bytes, counted_messages: what `lab.count_sends` saw; calls: the process group's
    own count of all of them.
    """

    events: list[tuple[str, int, int]] = field(default_factory=list)
    collectives: list[tuple[str, int]] = field(default_factory=list)
    blocking: list[int] = field(default_factory=list)
    waits: int = 0
    counted_bytes: int = 0
    counted_messages: int = 0
    calls: int = 0

    @property
    def bytes_sent(self) -> int:
        """Payload bytes of all sends."""
        return sum(size for what, _, size in self.events if what == "send")

    @property
    def messages(self) -> int:
        """Number of sends."""
        return sum(what == "send" for what, _, _ in self.events)

    @property
    def plain(self) -> dict[str, Any]:
        """The log as plain data that travels."""
        return dict(vars(self))


_COLLECTIVES = (
    "allreduce",
    "allreduce_coalesced",
    "allgather",
    "allgather_coalesced",
    "_allgather_base",
    "all_gather_single",
    "all_gather_single_coalesced",
    "allgather_into_tensor_coalesced",
    "alltoall",
    "alltoall_base",
    "all_to_all_single",
    "broadcast",
    "gather",
    "reduce",
    "reduce_scatter",
    "_reduce_scatter_base",
    "reduce_scatter_single",
    "reduce_scatter_single_coalesced",
    "reduce_scatter_tensor_coalesced",
    "scatter",
    "barrier",
    "monitored_barrier",
)


@contextmanager
def record_traffic() -> Iterator[Traffic]:
    """Write down every send, receive and collective that this process calls while the block runs."""
    from torch._C._distributed_c10d import ProcessGroup, Work

    log = Traffic()
    counting = count_sends()
    sent = counting.__enter__()
    try:
        # The class' own entries: what getattr returns no longer binds `self` when it is put back.
        names = ("send", "recv", "recv_anysource", *_COLLECTIVES)
        originals = {name: vars(ProcessGroup)[name] for name in names if name in vars(ProcessGroup)}
        for name, original in originals.items():
            setattr(ProcessGroup, name, _logged(log, name, original))
        wait = vars(Work)["wait"]
        Work.wait = _waiting(log, wait)
        before = calls_so_far()
        try:
            yield log
        finally:
            log.calls += calls_so_far() - before
            Work.wait = wait
            for name, original in originals.items():
                setattr(ProcessGroup, name, original)
    finally:
        with suppress(ValueError):  # an answer may have meddled with the counter; `contradiction` notices
            counting.__exit__(None, None, None)
        log.counted_bytes, log.counted_messages = sent.bytes, sent.messages


def _logged(log: Traffic, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    import torch.distributed as dist

    def call(group: Any, *args: Any, **kwargs: Any) -> Any:
        if name in ("send", "recv"):
            peer = args[1]
            with suppress(ValueError, RuntimeError):
                peer = dist.get_global_rank(group, peer)
            log.events.append((name, peer, _bytes(args[0])))
        elif name == "recv_anysource":
            log.events.append(("recv", ANY_SOURCE, _bytes(args[0])))
        else:
            options = [one for one in [*args, *kwargs.values()] if hasattr(one, "asyncOp")]
            if options and not options[0].asyncOp:
                log.blocking.append(len(log.collectives))
            log.collectives.append((name.strip("_"), _bytes(args[0]) if args else 0))
        return original(group, *args, **kwargs)

    call.__code__ = call.__code__.replace(
        co_filename="<check>"
    )  # where a rank stands is the reader's line, not this one
    return call


def _waiting(log: Traffic, original: Callable[..., Any]) -> Callable[..., Any]:
    def wait(*args: Any, **kwargs: Any) -> Any:
        log.waits += 1
        return original(*args, **kwargs)

    from torch.distributed import distributed_c10d

    # A rank that stands here waits for others, as in torch's own file, and its line is the reader's.
    wait.__code__ = wait.__code__.replace(co_filename=distributed_c10d.__file__)
    return wait


def _bytes(tensors: Any) -> int:
    """Return the payload of a tensor, or of (lists of) tensors, in bytes."""
    if hasattr(tensors, "element_size"):
        return int(tensors.numel() * tensors.element_size())
    return sum(_bytes(tensor) for tensor in tensors) if isinstance(tensors, (list, tuple)) else 0


def contradiction(logs: Sequence[Traffic]) -> Finding | None:
    """Return a failure if the figures of the ranks do not fit together: what one sent, another received."""
    for rank, log in enumerate(logs):
        seen = len(log.events) + len(log.collectives)
        if log.calls != seen or (log.counted_messages, log.counted_bytes) != (log.messages, log.bytes_sent):
            return failed(
                f"Rank {rank}'s process group counted {log.calls} calls; the log of sends, receives and collectives "
                f"holds {seen}.",
                "Your function reaches the process group by a way that cannot be counted (a function from torch's "
                "private modules, or changed torch.distributed): use send, recv, isend and irecv.",
            )
    for a in range(len(logs)):
        for b in range(len(logs)):
            sent = sorted(size for what, peer, size in logs[a].events if (what, peer) == ("send", b))
            received = sorted(size for what, peer, size in logs[b].events if (what, peer) == ("recv", a))
            anonymous = any(peer == ANY_SOURCE for _, peer, _ in logs[b].events)
            if sent != received and not anonymous:
                return failed(
                    f"Messages sent by rank {a} to rank {b}: {len(sent)}; received by rank {b}: {len(received)}.",
                    "Each send needs its receive: a message without one stays in a buffer and meets a later receive.",
                )
    return None


def rounds(logs: Sequence[Traffic]) -> int | None:
    """Return how many rounds the messages took if a rank sends one message a round and passes on only what it has.

    A send leaves in the round after the last send or receive of its rank; a receive ends in the round of its send. None
    where the order of the calls alone does not say (receives posted before the sends they wait for).
    """
    clock = [0] * len(logs)
    waiting = [list(log.events) for log in logs]
    on_the_way: dict[tuple[int, int], list[int]] = {}
    moved = True
    while moved:
        moved = False
        for rank, events in enumerate(waiting):
            while events:
                what, peer, _ = events[0]
                if what == "send":
                    clock[rank] += 1
                    on_the_way.setdefault((rank, peer), []).append(clock[rank])
                else:
                    sources = [key for key, queue in on_the_way.items() if key[1] == rank and queue]
                    sources = [key for key in sources if peer in (key[0], ANY_SOURCE)]
                    if not sources:
                        break
                    first = min(sources, key=lambda key: on_the_way[key][0])
                    clock[rank] = max(clock[rank], on_the_way[first].pop(0))
                events.pop(0)
                moved = True
    return None if any(waiting) else max(clock)
