"""The side of a check that runs in a process of its own: calls the answer, and reports only plain values.

Whatever the answer does here (print a megabyte, fork, exit, replace functions of torch or of this course, close the
process group) ends with this process. The verdict is not made here.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from importlib import import_module
from types import FunctionType
from typing import Any

from course_lib.practice.checks import leftovers
from course_lib.practice.checks.plain import Unreadable, encode, plain

KEPT = 2_000  # characters of what an answer prints
MEMORY = 4 << 30  # bytes that an answer may take beyond what its process has at the start


class Forbidden(BaseException):
    """The answer called what the task asks to write."""


@dataclass
class Seen:
    """What one rank brings back. not_written: the function that still raises the stub's NotImplementedError."""

    value: Any = None
    printed: str = ""
    printed_bytes: int = 0
    called: list[str] = field(default_factory=list)  # of the exercise's forbidden names
    not_written: str = ""
    closed_group: bool = False


_FIELDS = fields(Seen)


def run(
    rank: int,
    drive: Callable[..., Any],
    answer: Callable[..., Any],
    given: Mapping[str, Any],
    forbidden: tuple[str, ...],
    mark: str,
) -> bytes:
    """Call `drive(answer, rank, **given)` and return what it saw, as bytes that the kernel reads without running any.

    An exception of the answer goes to the gang. mark: goes on this process and on all that it starts.
    """
    process, seen = os.getpid(), Seen()
    leftovers.put_on(mark)
    _limit_memory()
    _give_own_hash(answer, rank)
    try:
        with _captured(seen), _watched(forbidden, seen.called):
            try:
                seen.value = plain(drive(answer, rank, **given))
            except NotImplementedError as error:
                where = _raised_by(answer, error)
                if where is None:
                    raise
                seen.not_written = where
            except Forbidden:
                pass  # noted in seen.called
            finally:
                if os.getpid() == process:
                    leftovers.end_children()
    finally:
        if os.getpid() != process:
            os._exit(0)  # a child that the answer forked goes no further
    seen.closed_group = not _group_alive()
    return encode(vars(seen))


def seen_of(value: Any) -> Seen:
    """Return what a rank brought back, in the kernel; raise Unreadable where it is not what `run` returns."""
    names = {
        field.name: type(field.default_factory() if field.name == "called" else field.default) for field in _FIELDS
    }
    if type(value) is not dict or set(value) != set(names):
        raise Unreadable
    if any(type(value[name]) is not kind for name, kind in names.items() if name != "value"):
        raise Unreadable
    if not all(type(name) is str for name in value["called"]):
        raise Unreadable
    return Seen(**value)


def _limit_memory() -> None:
    """Let an answer that asks for too much meet a MemoryError, before the machine does."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as statm:
            now = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _give_own_hash(answer: Callable[..., Any], rank: int) -> None:
    """Let the answer's code see another hash() of text on each rank, as processes that are started apart do.

    Ranks are forked from one process and share its hash seed; a launcher's ranks do not. Only the variables of the
    answer's own module or notebook change: tables of other modules keep their keys.
    """
    if rank == 0:
        return
    here = inspect.unwrap(getattr(answer, "func", answer))
    members = [here, *(vars(here).values() if isinstance(here, type) else ())]
    for function in members:
        if isinstance(function, FunctionType):
            function.__globals__["hash"] = lambda value: hash((rank, value)) if _holds_text(value) else hash(value)


def _holds_text(value: Any) -> bool:
    return isinstance(value, str | bytes) or (type(value) is tuple and any(map(_holds_text, value)))


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


def _raised_by(answer: Callable[..., Any], error: BaseException) -> str | None:
    """Return the name of the answer's own function that raised an exception; None for a library that it calls."""
    answer = inspect.unwrap(answer)
    members = [answer, *vars(answer).values()] if isinstance(answer, type) else [answer]
    codes = {member.__code__ for member in members if isinstance(member, FunctionType)}
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_name if trace is not None and trace.tb_frame.f_code in codes else None


def _group_alive() -> bool:
    import torch.distributed as dist

    return dist.is_initialized()
