"""The side of a check that runs in a process of its own: calls the answer, and reports only plain values.

Whatever the answer does here (print a megabyte, fork, exit, replace functions of torch or of this course, close the
process group) ends with this process. The verdict is not made here.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from types import FunctionType
from typing import Any

from course_lib.practice.checks.traffic_log import Traffic
from course_lib.practice.checks.verdict import Foreign

KEPT = 2_000  # characters of what an answer prints
MEMORY = 4 << 30  # bytes that an answer may take beyond what its process has at the start


class Forbidden(BaseException):
    """The answer called what the task asks to write."""


@dataclass
class Seen:
    """What one rank brings back. not_written: it raised the stub's NotImplementedError."""

    value: Any = None
    printed: str = ""
    printed_bytes: int = 0
    called: list[str] = field(default_factory=list)  # of the exercise's forbidden names
    not_written: bool = False
    closed_group: bool = False


def run(
    rank: int,
    drive: Callable[..., Any],
    answer: Callable[..., Any],
    given: Mapping[str, Any],
    forbidden: tuple[str, ...],
) -> Seen:
    """Call `drive(answer, rank, **given)` and return what it saw; an exception of the answer goes to the gang."""
    process, seen = os.getpid(), Seen()
    _limit_memory()
    try:
        with _captured(seen), _watched(forbidden, seen.called):
            try:
                seen.value = plain(drive(answer, rank, **given))
            except NotImplementedError as error:
                if not _raised_by(answer, error):
                    raise
                seen.not_written = True
            except Forbidden:
                pass  # noted in seen.called
    finally:
        if os.getpid() != process:
            os._exit(0)  # a child that the answer forked goes no further
    seen.closed_group = not _group_alive()
    return seen


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value made only of exact builtin types and tensors; anything else becomes a Foreign with its name."""
    import torch

    if isinstance(value, Traffic):
        return plain(value.plain)
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return value.detach().cpu().clone()
    if depth < 12 and type(value) in (list, tuple):
        return type(value)(plain(item, depth + 1) for item in value)
    if depth < 12 and type(value) is dict:
        return {key: plain(item, depth + 1) for key, item in value.items() if type(key) in (str, int)}
    module = type(value).__module__
    prefix = "" if module in ("builtins", "__main__") else f"{module.split('.')[0]}."
    return Foreign(prefix + type(value).__qualname__)


def _limit_memory() -> None:
    """Let an answer that asks for too much meet a MemoryError, before the machine does."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as statm:
            now = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


@contextmanager
def _captured(seen: Seen) -> Iterator[None]:
    """Keep the beginning of what is printed, by this process and its children, and count the rest."""
    _flush()
    saved = {stream: os.dup(stream) for stream in (1, 2)}
    out, into = os.pipe()
    for stream in saved:
        os.dup2(into, stream)
    os.close(into)
    kept: list[bytes] = []

    def read() -> None:
        while data := os.read(out, 1 << 16):
            if seen.printed_bytes < KEPT:
                kept.append(data[:KEPT])
            seen.printed_bytes += len(data)

    reader = threading.Thread(target=read, name="printed by the answer", daemon=True)
    process = os.getpid()
    reader.start()
    try:
        yield
    finally:
        if os.getpid() == process:
            _flush()
            for stream, copy in saved.items():
                os.dup2(copy, stream)
                os.close(copy)
            reader.join(timeout=0.5)  # a child of the answer may hold the pipe open
            seen.printed = b"".join(kept).decode("utf-8", "replace")[:KEPT]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


@contextmanager
def _watched(forbidden: tuple[str, ...], called: list[str]) -> Iterator[None]:
    """Note and stop each call of the functions and classes with these dotted names."""
    for name in forbidden:
        module_name, _, attribute = name.rpartition(".")
        target = getattr(import_module(module_name), attribute)
        if isinstance(target, type):
            target.__init__ = _noted(attribute, called)  # type: ignore[misc]
        else:
            setattr(import_module(module_name), attribute, _noted(attribute, called))
    yield  # the process ends after one answer: nothing to restore


def _noted(name: str, called: list[str]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        called.append(name)
        raise Forbidden(name)

    return call


def _raised_by(answer: Callable[..., Any], error: BaseException) -> bool:
    """Say whether an exception was raised by the answer's own code, not inside a library that it calls."""
    members = [answer, *vars(answer).values()] if isinstance(answer, type) else [answer]
    codes = {member.__code__ for member in members if isinstance(member, FunctionType)}
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code in codes


def _group_alive() -> bool:
    import torch.distributed as dist

    return dist.is_initialized()
