"""What a plain function's arguments may be, and the calls that try them: drawn, at their ends, and just beside them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

_ALL_ENDS = 4  # so many arguments are tried with all of them at an end


@dataclass(frozen=True)
class Argument:
    """One argument. draw: a value at random; ends: values at the ends of what is allowed; allowed: whether one is."""

    draw: Callable[[random.Random], Any]
    ends: tuple[Any, ...] = ()
    allowed: Callable[[Any], bool] = field(default=lambda value: True)

    @property
    def whole(self) -> bool:
        """Whether its values are integers, so that a neighbour of one is a value too."""
        return bool(self.ends) and all(type(end) is int for end in self.ends)


def whole(least: int, most: int) -> Argument:
    """Integers from `least` to `most`; the larger ones are drawn as often as the small, by their logarithm."""

    def draw(rng: random.Random) -> int:
        if most - least < 100:
            return rng.randint(least, most)
        return least - 1 + round(math.exp(rng.uniform(0.0, math.log(most - least + 1))))

    return Argument(draw, (least, least + 1), lambda value: least <= value <= most)


def real(least: float, most: float) -> Argument:
    """Numbers above zero from `least` to `most` by their logarithm, of four digits so that a reader can type them."""
    return Argument(lambda rng: float(f"{math.exp(rng.uniform(math.log(least), math.log(most))):.4g}"))


def one_of(*values: Any) -> Argument:
    """Any of these values."""
    ends = values if all(type(value) in (bool, str) or value is None for value in values) else ()
    return Argument(lambda rng: rng.choice(values), ends, lambda value: value in values)


def calls(arguments: Mapping[str, Argument], optional: int, rng: random.Random, draws: int = 12) -> list[list[Any]]:
    """Return calls for these arguments, in the order of the function's parameters.

    Drawn at random; each argument at its ends, each pair of arguments, and all of them; each pair of whole ones equal
    and one beside (a - 1, a, a + 1); what else is in such a call is drawn away from its ends. And two calls that differ
    in one argument alone, for each, as a cache with too small a key would show. optional: so many of the last have a
    default and are left out in some calls.
    """
    names = list(arguments)

    def drawn() -> dict[str, Any]:
        return {name: argument.draw(rng) for name, argument in arguments.items()}

    def inside() -> dict[str, Any]:
        """Draw a call none of whose arguments is at an end, where that can be: one end alone is then what is tried."""
        tries = [drawn() for _ in range(8)]
        return {
            name: next((one[name] for one in tries if one[name] not in argument.ends), tries[0][name])
            for name, argument in arguments.items()
        }

    found = [drawn() for _ in range(draws)]
    with_ends = [name for name in names if arguments[name].ends]
    counts = {1, 2, len(with_ends) if len(with_ends) <= _ALL_ENDS else 1}
    for count in counts:  # traps that meet: no warm-up at step 0
        for some in combinations(with_ends, count):
            found += [
                inside() | dict(zip(some, ends, strict=True))
                for ends in product(*(arguments[one].ends for one in some))
            ]
    wholes = [name for name in names if arguments[name].whole and type(arguments[name].ends[0]) is int]
    for a in wholes:
        for b in wholes:
            if a != b:
                base = inside()
                found += [base | {a: base[b] + off} for off in (-1, 0, 1) if arguments[a].allowed(base[b] + off)]
    one, other = drawn(), drawn()
    found += [one, *(one | {name: other[name]} for name in names)]
    listed = [[call[name] for name in names] for call in found]
    for count in range(1, optional + 1):
        listed += [call[:-count] for call in listed[:draws:2]]
    return listed


def again(listed: Sequence[list[Any]], rng: random.Random) -> list[list[Any]]:
    """Return all calls and then all of them once more in another order: what a function keeps shows in the second."""
    return [*listed, *rng.sample(list(listed), len(listed))]
