"""What a judge says: findings in words, and comparisons that run no code of the answer.

Judges run in the kernel on plain values that came back from other processes, so an answer cannot replace them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Finding:
    """One sentence of a verdict. why: why it is a usual mistake; key: a later finding of the same key replaces it."""

    ok: bool
    text: str
    why: str = ""
    key: str = ""


def passed(text: str) -> Finding:
    """Return a finding that something is right."""
    return Finding(True, text, key=text)


def failed(text: str, why: str = "") -> Finding:
    """Return a finding that something is wrong, and why that happens."""
    return Finding(False, text, why, key=text)


def cost(quantity: str, measured: float, budget: float, unit: str, why: str = "", where: str = "") -> Finding:
    """Compare a measured cost with the most that a right answer needs.

    quantity: "sent by each rank"; where: the trial, named behind the numbers; why: shown where the budget is passed.
    """
    over = measured > budget
    place = f" ({where})" if where else ""
    said = unit.removesuffix("s") if measured == 1 else unit
    text = f"Cost, {quantity}: {measured:,} {said}, budget {budget:,}{place}."
    return Finding(not over, text, why if over else "", key=f"cost {quantity}")


@dataclass(frozen=True)
class Foreign:
    """Stands for a value of a type that no exercise asks for."""

    type_name: str


def kind(value: Any) -> str:
    """Name a value's type for the reader: "list[int]", "a Tensor of shape (3,)", "None"."""
    if value is None:
        return "None"
    if isinstance(value, Foreign):
        return value.type_name
    if type(value).__name__ == "Tensor":
        return f"a Tensor of shape {tuple(value.shape)} and type {str(value.dtype).removeprefix('torch.')}"
    if type(value) in (list, tuple):
        inside = sorted({kind(item) for item in value})
        return f"{type(value).__name__}[{', '.join(inside[:2])}{', …' if len(inside) > 2 else ''}]"
    return type(value).__name__


def apart(got: float, expected: float, digits: int = 4) -> tuple[str, str]:
    """Write two different numbers with as many digits as tell them apart."""
    if type(got) is int and type(expected) is int:
        return f"{got:,}", f"{expected:,}"
    for precision in range(digits, 18):
        texts = f"{got:.{precision}g}", f"{expected:.{precision}g}"
        if texts[0] != texts[1] and float(texts[0]) != float(texts[1]):
            return texts
    return repr(got), repr(expected)


def ranks_where(flags: Sequence[bool]) -> str:
    """Name the ranks at which a flag is set: "rank 2", "ranks 1 and 3", "every rank"."""
    which = [rank for rank, flag in enumerate(flags) if flag]
    if len(which) == len(flags) > 1:
        return "every rank"
    names = [str(rank) for rank in which]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"rank{'s' if len(which) > 1 else ''} {listed}"


def close(actual: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Say whether two tensors of one shape differ by at most `tolerance` times the largest expected value."""
    if actual.shape != expected.shape:
        return False
    got, want = _array(actual), _array(expected)
    if not want.size:
        return True
    most = tolerance * max(float(want.max()), -float(want.min()), 1e-12)
    return bool((((got - want) <= most) & ((want - got) <= most)).all())


def same(a: Tensor, b: Tensor) -> bool:
    """Say whether two tensors have one type, one shape and equal elements; not-a-number equals itself."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    one, other = _array(a), _array(b)
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _array(tensor: Tensor) -> Any:
    """Return a tensor's elements in numpy, by methods that no cell can have replaced on torch.Tensor."""
    import torch

    base = torch._C.TensorBase
    if tensor.dtype.is_floating_point:
        tensor = base.to(tensor, torch.float64)
    return base.numpy(base.detach(tensor))
