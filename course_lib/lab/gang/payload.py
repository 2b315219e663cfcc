"""Functions, arguments and results on their way between kernel and ranks: pickled by value into a file of limited size.

The stream stops at the limit, so a closure over gigabytes is refused before it is copied. A tensor's storage is
written from its own memory (torch's own pickling copies it twice), and one shared by several tensors travels once.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import inspect
import os
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import cloudpickle

LIMIT = 1 << 30  # bytes


class PayloadTooBig(Exception):
    """The stream went past the limit."""


class _Limited:
    """A write-only stream that stops at `limit` bytes; with no file it only counts."""

    def __init__(self, limit: int, file: BinaryIO | None) -> None:
        self.size = 0
        self._limit = limit
        self._file = file

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.size += size
        if self.size > self._limit:
            raise PayloadTooBig
        if self._file is not None:
            self._file.write(data)
        return size


class _Pickler(cloudpickle.Pickler):
    """cloudpickle, with tensors' storages written without a copy."""

    def reducer_override(self, obj: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is not None:
            if type(obj) is torch.storage.TypedStorage and obj._untyped_storage.device.type in _KNOWN_DEVICES:
                return _typed_storage, (obj._untyped_storage, obj.dtype)
            if type(obj) is torch.storage.UntypedStorage and obj.device.type in _KNOWN_DEVICES:
                travelling = obj if obj.device.type == "cpu" else obj.cpu()
                size = travelling.nbytes()
                buffer: Any = b""
                if size:
                    buffer = (ctypes.c_char * size).from_address(travelling.data_ptr())
                    buffer.owner = travelling  # the memory lives as long as the buffer
                return _untyped_storage, (pickle.PickleBuffer(buffer), obj.device.type != "cpu")
        if isinstance(obj, types.ModuleType) and sys.modules.get(obj.__name__) is obj:
            # torch's config modules are of a class of their own; cloudpickle takes `torch.distributed.config` along
            # with any function that mentions `dist` and an attribute called `config`, and cannot pickle it.
            return importlib.import_module, (obj.__name__,)
        if isinstance(obj, functools._lru_cache_wrapper) and not _found_by_name(obj):
            # It pickles by its name, which a rank cannot look up in the notebook: the function travels, the cache not.
            return _cached, (obj.__wrapped__, obj.cache_parameters(), {**vars(obj), "__wrapped__": None})
        return super().reducer_override(obj)


_KNOWN_DEVICES = {"cpu", "cuda", "xpu", "mps"}


def _found_by_name(obj: Any) -> bool:
    """Say whether a rank finds an object by its module and name."""
    found: Any = sys.modules.get(obj.__module__) if obj.__module__ != "__main__" else None
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj


def _cached(function: Any, parameters: dict[str, Any], attributes: dict[str, Any]) -> Any:
    """Rebuild what functools.lru_cache made of a function, with an empty cache."""
    cached = functools.lru_cache(**parameters)(function)
    vars(cached).update(attributes | {"__wrapped__": function})
    return cached


def _untyped_storage(data: Any, from_accelerator: bool) -> Any:
    """Rebuild a storage that can be resized (FSDP does); what lay on an accelerator goes to this rank's own device.

    It comes as a TypedStorage of bytes, as torch's own unpickling gives it: torch reads its `_untyped_storage`.
    """
    import torch

    storage = torch.UntypedStorage(len(data))
    if len(data):
        storage.copy_(torch.frombuffer(data, dtype=torch.uint8).untyped_storage())
    device = os.environ.get("COURSE_DEVICE", "cpu")
    placed = storage.to(device=device) if from_accelerator and device != "cpu" else storage
    return torch.storage.TypedStorage(wrap_storage=placed, dtype=torch.uint8, _internal=True)


def _typed_storage(storage: Any, dtype: Any) -> Any:
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage._untyped_storage, dtype=dtype, _internal=True)


def dump(obj: Any, path: Path, limit: int | None = None) -> int:
    """Pickle `obj` by value into the file `path` and return its size in bytes.

    Raises PayloadTooBig past `limit` bytes (LIMIT by default), and what pickling raises for what cannot travel.
    """
    with path.open("wb") as file:
        stream = _Limited(LIMIT if limit is None else limit, file)
        _Pickler(stream, protocol=5).dump(obj)
    return stream.size


def load(path: Path) -> Any:
    """Return the object that `dump` wrote."""
    with path.open("rb") as file:
        return pickle.load(file)


def _size(obj: Any, limit: int) -> int:
    """Return the pickled size in bytes, counted without keeping it; past the limit, how far it got."""
    stream = _Limited(limit, None)
    try:
        _Pickler(stream, protocol=5).dump(obj)
    except PayloadTooBig:
        pass
    except Exception:
        return 0
    return stream.size


def _parts(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Name what travels: the arguments, and the variables that the function and the functions it calls close over."""
    parts: dict[str, Any] = {f"argument {place}": value for place, value in enumerate(args, start=1)}
    parts |= {f"argument {name!r}": value for name, value in kwargs.items()}
    waiting, seen = [fn], set()
    while waiting:
        function = inspect.unwrap(waiting.pop())
        function = getattr(function, "__func__", getattr(function, "func", function))
        if not isinstance(function, types.FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        for name, value in _variables(function).items():
            if isinstance(value, types.ModuleType):
                continue
            if isinstance(value, types.FunctionType):
                if value.__module__ == "__main__":
                    waiting.append(value)
            else:
                parts.setdefault(f"variable {name!r}", value)
    return parts


def _variables(function: types.FunctionType) -> dict[str, Any]:
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes.extend(const for const in code.co_consts if isinstance(const, types.CodeType))
    found = {name: function.__globals__[name] for name in names if name in function.__globals__}
    if function.__module__ != "__main__":
        found = {}  # an importable function travels by name, with nothing of its module
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # a cell not filled yet
    return found


def say_too_big(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], limit: int | None = None) -> str:
    """Return the sentence for a payload past the limit, naming the largest variable."""
    limit = LIMIT if limit is None else limit
    sizes = {name: _size(value, limit) for name, value in _parts(fn, args, kwargs).items()}
    largest = max(sizes, key=lambda name: sizes[name], default=None)
    what = f"{largest} alone is {_amount(sizes[largest], limit)}" if largest else "its variables are too large"
    return (
        f"{name_of(fn)} cannot travel to the ranks: it carries more than {limit / 2**30:g} GiB, {what}. "
        "Make large data inside the function, or write it to a file and load each rank's share there."
    )


def _amount(size: int, limit: int) -> str:
    return f"more than {limit / 2**30:g} GiB" if size > limit else f"{size / 2**20:,.0f} MiB"


def say_unpicklable(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception) -> str:
    """Return the sentence for a payload that cannot be pickled, naming what holds it back."""
    culprit = ""
    for name, value in _parts(fn, args, kwargs).items():
        try:
            _Pickler(_Limited(LIMIT, None), protocol=5).dump(value)
        except Exception as reason:
            culprit, error = f"{name} ({type(value).__name__}) cannot be pickled", reason
            break
    return (
        f"{name_of(fn)} cannot travel to the ranks: {culprit or 'it cannot be pickled'} ({error}). "
        "Make it inside the function, on each rank."
    )


def name_of(fn: Callable[..., Any]) -> str:
    """Return the name of a function for a sentence."""
    return getattr(fn, "__qualname__", type(fn).__name__).replace("<locals>.", "")
