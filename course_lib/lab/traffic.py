"""Bytes counted where they are sent: every point-to-point send of this process, and calls of collectives.

torch's Python functions (`send`, `isend`, `batch_isend_irecv`) end in `ProcessGroup.send`, so that is where the payload
is counted. A library's collective sends inside C++; its calls are counted, its bytes are not. Calls reach C++ by two
ways: the methods of `ProcessGroup` (torch.distributed, FSDP2) and the functional operators (DTensor, tensor parallel).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Each method of ProcessGroup, with the name it is counted by. torch 2.13 renamed the calls on one tensor to *_single
# and kept the old methods: both ways count as the new name.
_COLLECTIVES = {
    "allreduce": "allreduce",
    "allreduce_coalesced": "allreduce_coalesced",
    "allgather": "allgather",
    "allgather_coalesced": "allgather_coalesced",
    "all_gather_single": "all_gather_single",
    "_allgather_base": "all_gather_single",
    "all_gather_single_coalesced": "all_gather_single_coalesced",
    "allgather_into_tensor_coalesced": "all_gather_single_coalesced",
    "alltoall": "alltoall",
    "all_to_all_single": "all_to_all_single",
    "alltoall_base": "all_to_all_single",
    "barrier": "barrier",
    "monitored_barrier": "barrier",
    "broadcast": "broadcast",
    "gather": "gather",
    "reduce": "reduce",
    "reduce_scatter": "reduce_scatter",
    "reduce_scatter_single": "reduce_scatter_single",
    "_reduce_scatter_base": "reduce_scatter_single",
    "reduce_scatter_single_coalesced": "reduce_scatter_single_coalesced",
    "reduce_scatter_tensor_coalesced": "reduce_scatter_single_coalesced",
    "scatter": "scatter",
}
# Each operator of torch.ops._c10d_functional, which calls the process group in C++, with the same names.
_OPERATORS = {
    "all_reduce": "allreduce",
    "all_reduce_": "allreduce",
    "all_reduce_coalesced": "allreduce_coalesced",
    "all_reduce_coalesced_": "allreduce_coalesced",
    "all_gather_into_tensor": "all_gather_single",
    "all_gather_into_tensor_out": "all_gather_single",
    "all_gather_into_tensor_coalesced": "all_gather_single_coalesced",
    "all_to_all_single": "all_to_all_single",
    "broadcast": "broadcast",
    "broadcast_": "broadcast",
    "reduce_scatter_tensor": "reduce_scatter_single",
    "reduce_scatter_tensor_out": "reduce_scatter_single",
    "reduce_scatter_tensor_coalesced": "reduce_scatter_single_coalesced",
}


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
_operators: dict[str, Any] = {}
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


def _note(name: str) -> None:
    with _lock:
        for sent in _active:
            sent.collectives[name] += 1


def _count_call(method: str) -> Callable[..., Any]:
    original, name = _originals[method], _COLLECTIVES[method]

    def counted(*args: Any, **kwargs: Any) -> Any:
        _note(name)
        return original(*args, **kwargs)

    return counted


class _CountedOperator:
    """Stands in for one of torch's operators: a call is counted, all else is the operator's own."""

    def __init__(self, operator: Any, name: str) -> None:
        self._operator = operator
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _note(self._name)
        return self._operator(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)


def _install() -> None:
    import torch
    from torch._C._distributed_c10d import ProcessGroup

    for name in ("send", *_COLLECTIVES):
        # The class' own entry, not what getattr returns: that one no longer binds `self` when it is put back.
        if name in vars(ProcessGroup):
            _originals[name] = vars(ProcessGroup)[name]
            setattr(ProcessGroup, name, _count_send() if name == "send" else _count_call(name))
    for name, counted_as in _OPERATORS.items():
        operator = getattr(torch.ops._c10d_functional, name, None)
        if operator is not None:
            _operators[name] = operator
            setattr(torch.ops._c10d_functional, name, _CountedOperator(operator, counted_as))


def _remove() -> None:
    import torch
    from torch._C._distributed_c10d import ProcessGroup

    for name, original in _originals.items():
        setattr(ProcessGroup, name, original)
    for name, operator in _operators.items():
        setattr(torch.ops._c10d_functional, name, operator)
    _originals.clear()
    _operators.clear()


@contextmanager
def count_sends() -> Iterator[Sent]:
    """Count this process's sends while the block runs: `with lab.count_sends() as sent: ...; sent.bytes`.

    `bytes` and `messages` are the payload of point-to-point sends, `by_peer` maps a global rank to bytes, `collectives`
    counts the collective calls made from Python by the name of the process group's method: "allreduce" for
    `all_reduce`, "allgather", "reduce_scatter" and "alltoall" for those on lists of tensors, "all_gather_single",
    "reduce_scatter_single" and "all_to_all_single" for those on one tensor (`all_gather_into_tensor`,
    `reduce_scatter_tensor`, `all_to_all_single`, and what FSDP2, DTensor and tensor parallel call).
    Calls made inside C++ (the reducer of DistributedDataParallel) or by compiled code are not seen.
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
