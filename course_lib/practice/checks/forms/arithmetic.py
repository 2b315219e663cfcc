"""Answers that are to compute what a product of matrices costs, and not to run one: seen at torch's dispatcher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LARGEST = 100_000  # elements of a tensor that a computation with a few numbers never needs


class NotArithmetic(BaseException):
    """The answer runs what it is to compute the cost of; the text goes on a sentence. `except Exception` lets it by."""


@contextmanager
def only_arithmetic() -> Iterator[None]:
    """Stop a product of matrices of any size, on any device (meta too), and a tensor that is large, where it begins."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func._overloadpacket in flop_registry:
                raise NotArithmetic(f"ran a product of matrices ({func._overloadpacket.__name__})")
            size = 1
            for number in args[0] if args and isinstance(args[0], list | tuple) else ():
                size *= number if type(number) is int else 1
            if size > LARGEST:
                raise NotArithmetic(f"asked for a tensor of {size:,} elements")
            return func(*args, **(kwargs or {}))

    with Mode():
        yield
