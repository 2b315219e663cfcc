"""Models that people really have, for exercises that train on ranks: tied, frozen, unused, seeded differently.

same_gradients(…, make_trials=partial(awkward_trials, [[4_000], [18_000]]), act=partial(train_on_ranks, awkward_model),
               alone=partial(train_alone, awkward_model), …)
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from torch import nn

from course_lib.practice.checks.forms.tiny_gpt import tiny_gpt

TRAPS = {  # what is awkward, in words, and on how many ranks it is tried
    "plain": ("a plain model on 3 ranks", 3),
    "tied": ("tied weights on 2 ranks", 2),
    "frozen": ("a frozen parameter on 2 ranks", 2),
    "unused": ("an unused parameter on 2 ranks", 2),
    "seeds": ("differently seeded ranks", 2),
    "alone": ("a single rank", 1),
    "tied frozen unused seeds": ("all of these at once on 3 ranks", 3),
}


def awkward_trials(more: Sequence[list[Any]], rng: Random) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """One trial for each trap and one for all; in each two models, one after the other in the same process.

    The second is wider, in float64 and eval mode, and its gradients are set to zero and not to None. more: for each of
    the two, the answer's arguments behind the model.
    """

    def rounds(traps: str) -> list[dict[str, Any]]:
        first = {"traps": traps, "width": 16, "dtype": "float32", "more": more[0], "to_none": True}
        second = {"traps": traps, "width": 24, "dtype": "float64", "more": more[1], "to_none": False}
        return [one | {"seed": rng.randrange(2**31)} for one in (first, second)]

    return [(f"with {name}", n, rounds(traps)) for traps, (name, n) in TRAPS.items()]


def awkward_model(given: dict[str, Any], rank: int) -> nn.Module:
    """Make a GPT of about 4,000 or 9,000 parameters with the traps of a round."""
    traps = given["traps"].split()
    seed = given["seed"] + (rank if "seeds" in traps else 0)
    model = tiny_gpt(seed, given["width"], given["dtype"], tied="tied" in traps, block_size=8)
    if "frozen" in traps:
        model.position.weight.requires_grad_(False)
    if "unused" in traps:
        model.spare = nn.Linear(16, 16).to(model.position.weight)  # made, and left out of the forward pass
    return model.train(given["to_none"])  # no dropout in it: the mode only shows whether it was changed
