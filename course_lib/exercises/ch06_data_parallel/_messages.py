"""What the two exercises on collectives written by hand have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from course_lib.practice.checks.traffic_log import Traffic, contradiction
from course_lib.practice.checks.verdict import Finding, failed, kind


def messages_only(seen: Sequence[Any], logs: Sequence[Traffic], name: str) -> Iterator[Finding]:
    """Yield a failure if something was returned, the library did the work, or the logs do not fit together.

    seen: by rank a dictionary of "tensor", the "shape" it had at first, and what was "returned".
    """
    used = sorted({call for log in logs for call, _ in log.collectives} - {"barrier"})
    if used:
        yield failed(
            f"The values travelled by the library's {', '.join(used)}.",
            "The task is to write that collective from point-to-point messages: send, recv, isend and irecv.",
        )
        return
    found = contradiction(logs)
    if found is not None:
        yield found
        return
    returned = next((one["returned"] for one in seen if one["returned"] is not None), None)
    if returned is not None:
        yield failed(
            f"{name} returned {kind(returned)}; expected None.",
            "It works in place: the caller keeps the tensor that it handed over, and looks there.",
        )
        return
    shape = tuple(seen[0]["shape"])
    other = next((one["tensor"] for one in seen if tuple(one["tensor"].shape) != shape), None)
    if other is not None:
        yield failed(f"The tensor went in with shape {shape} and came out as {kind(other)}.", "Write into it in place.")


def enough_bytes(logs: Sequence[Traffic], least: int) -> Iterator[Finding]:
    """Yield a failure if right values came with fewer bytes, over all ranks, than any algorithm needs."""
    sent = sum(log.bytes_sent for log in logs)
    if sent < least:
        yield failed(
            f"The values are right, but only {sent:,} bytes were sent by send and isend; no algorithm can do with less "
            f"than {least:,}.",
            "They came by another way than messages between ranks. Use send, recv, isend and irecv.",
        )
