"""Bytes counted where they are sent: every point-to-point send of this process, and calls of collectives.

torch's Python functions (`send`, `isend`, `batch_isend_irecv`) end in `ProcessGroup.send`, so that is where the payload
is counted. A library's collective sends inside C++; its calls are counted, its bytes are not.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_COLLECTIVES = (
    "allreduce",
    "allreduce_coalesced",
    "allgather",
    "allgather_coalesced",
    "allgather_into_tensor_coalesced",
    "_allgather_base",
    "alltoall",
    "alltoall_base",
    "barrier",
    "broadcast",
    "gather",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor_coalesced",
    "_reduce_scatter_base",
    "scatter",
)


class Sent:
    """What one process sent while it was counted."""

    def __init__(self) -> None:
        self.bytes = 0
        self.messages = 0
        self.by_peer: dict[int, int] = {}
        self.collectives: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Sent({self.bytes} bytes in {self.messages} messages, collectives {dict(self.collectives)})"


_active: list[Sent] = []
_originals: dict[str, Callable[..., Any]] = {}
_lock = threading.RLock()


def _count_send() -> Callable[..., Any]:
    import torch.distributed as dist

    original = _originals["send"]

    def counted(group: Any, tensors: list[Any], peer: int, *tag: int) -> Any:
        work = original(group, tensors, peer, *tag)
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        with suppress(ValueError, RuntimeError):  # a group made without torch.distributed keeps its own numbering
            peer = dist.get_global_rank(group, peer)
        with _lock:
            for sent in _active:
                sent.bytes += size
                sent.messages += len(tensors)
                sent.by_peer[peer] = sent.by_peer.get(peer, 0) + size
        return work

    return counted


def _count_call(name: str) -> Callable[..., Any]:
    original = _originals[name]

    def counted(*args: Any, **kwargs: Any) -> Any:
        with _lock:
            for sent in _active:
                sent.collectives[name.strip("_")] += 1
        return original(*args, **kwargs)

    return counted


def _install() -> None:
    from torch._C._distributed_c10d import ProcessGroup

    for name in ("send", *_COLLECTIVES):
        # The class' own entry, not what getattr returns: that one no longer binds `self` when it is put back.
        if name in vars(ProcessGroup):
            _originals[name] = vars(ProcessGroup)[name]
            setattr(ProcessGroup, name, _count_send() if name == "send" else _count_call(name))


def _remove() -> None:
    from torch._C._distributed_c10d import ProcessGroup

    for name, original in _originals.items():
        setattr(ProcessGroup, name, original)
    _originals.clear()


@contextmanager
def count_sends() -> Iterator[Sent]:
    """Count this process's sends while the block runs: `with lab.count_sends() as sent: ...; sent.bytes`.

    `bytes` and `messages` are the payload of point-to-point sends, `by_peer` maps a global rank to bytes, `collectives`
    counts the collective calls made from Python by name ("allreduce": 2). Calls made inside C++ (the reducer of
    DistributedDataParallel) are not seen.
    """
    sent = Sent()
    with _lock:
        if not _active:
            _install()
        _active.append(sent)
    try:
        yield sent
    finally:
        with _lock:
            _active.remove(sent)
            if not _active:
                _remove()
