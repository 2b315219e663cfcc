"""What crosses from an answer's process to the kernel: plain values and tensors, read without running any code.

The answer's process may hold anything, also objects that run code where they are unpickled, and it may have replaced
the functions of this file. So the kernel reads what comes back as bytes of `torch.save`, by torch's reader of plain
types (`weights_only=True`), and whatever else is in the way becomes an inert object.
"""

from __future__ import annotations

import io
import pickle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from course_lib.practice.checks.traffic_log import Traffic
from course_lib.practice.checks.verdict import Foreign

_FOREIGN = "a value of another type"
_DEEPEST = 12


class Unreadable(Exception):
    """What a process brought back is not what the check had asked for."""


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value made only of exact builtin types and tensors; a number of numpy's becomes Python's.

    Anything else becomes a Foreign with its type's name.
    """
    import torch

    if isinstance(value, Traffic):
        return plain(value.plain)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and hasattr(value, "item"):
        value = value.item() if type(value).__name__ != "ndarray" else value
    if value is None or type(value) in (bool, float, str, bytes, Foreign):
        return value
    if type(value) is int:
        return value if value.bit_length() < 1_000 else Foreign(f"an int of {value.bit_length():,} bits")
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        return value.detach().cpu().clone()
    if depth < _DEEPEST and type(value) in (list, tuple):
        return type(value)(plain(item, depth + 1) for item in value)
    if depth < _DEEPEST and type(value) is dict:
        return {key: plain(item, depth + 1) for key, item in value.items() if type(key) in (str, int)}
    module = type(value).__module__
    prefix = "" if module in ("builtins", "__main__") else f"{module.split('.')[0]}."
    return Foreign(prefix + type(value).__qualname__)


def encode(value: Any) -> bytes:
    """Return a plain value as bytes that `decode` reads."""
    import torch

    file = io.BytesIO()
    torch.save(_without_foreign(plain(value)), file)
    return file.getvalue()


def decode(data: Any) -> Any:
    """Return the plain value that `encode` was given; raise Unreadable for anything else, and run nothing of it."""
    import torch

    if type(data) is not bytes:
        raise Unreadable
    try:
        return _with_foreign(torch.load(io.BytesIO(data), weights_only=True, map_location="cpu"))
    except Exception as error:
        raise Unreadable from error


def _without_foreign(value: Any) -> Any:
    if isinstance(value, Foreign):
        return {_FOREIGN: value.type_name}
    if type(value) in (list, tuple):
        return type(value)(map(_without_foreign, value))
    return {key: _without_foreign(item) for key, item in value.items()} if type(value) is dict else value


def _with_foreign(value: Any) -> Any:
    if type(value) is dict:
        if list(value) == [_FOREIGN]:
            return Foreign(str(value[_FOREIGN]))
        return {key: _with_foreign(item) for key, item in value.items()}
    return type(value)(map(_with_foreign, value)) if type(value) in (list, tuple) else value


class _Inert:
    """Stands for every object that is not read: nothing of it is called."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass

    def __setitem__(self, key: Any, item: Any) -> None:
        pass


class _Reader(pickle.Unpickler):
    """Knows the gang's own three records and no other global: no function is ever called."""

    def find_class(self, module: str, name: str) -> Any:
        from course_lib.lab.gang.flight import Call
        from course_lib.lab.gang.where import Frame, Stand

        own = {(one.__module__, one.__name__): one for one in (Call, Frame, Stand)}
        return own.get((module, name), _Inert)


def read(data: bytes) -> Any:
    """Return what a pickle holds of builtin types and of the gang's own records; raise Unreadable for what is none."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except Exception as error:
        raise Unreadable from error


def read_result(path: Path) -> Any:
    """Return the plain value in a rank's result file, where the gang keeps the bytes that the rank returned."""
    return decode(read(path.read_bytes()))


class PlainConnection:
    """A rank's control socket whose messages are read by `read`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.fileno, self.poll = connection.fileno, connection.poll
        self.send, self.close = connection.send, connection.close

    def recv(self) -> Any:
        """Return the next message; one that cannot be read, or is no message, ends the run as an exception would."""
        data = self._connection.recv_bytes()
        try:
            message = read(data)
        except Unreadable:
            message = None
        if type(message) is tuple and message and type(message[0]) is str:
            return message
        failure = {"type": "Unreadable", "message": "a rank sent what the check had not asked for", "frames": ()}
        return "error", failure | dict.fromkeys(("exit", "during", "from"), None) | {
            "is_exit": False,
            "group_destroyed": False,
        }
