"""Calls that leave a gradient, on ranks and alone, for exercises on how micro-batches add up.

    same_gradients(…, make_trials=partial(three_calls, LENGTHS), act=call_on_ranks, alone=call_alone, …)

The answer is `answer(model, microbatches)`. Three calls follow one another in one process: what an answer keeps, or
takes for granted, shows in the second (a wider model in float64 and eval mode, whose `.grad` is filled) or in the third
(the first model again, with the gradient that it has by then).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import torch
from torch import nn

from course_lib.practice.checks.forms.same_gradients import flat_gradient, watched
from course_lib.practice.checks.forms.tiny_gpt import gradients_of_sums, pairs, tiny_gpt

_KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"width": 24, "dtype": "float64", "filled": True, "eval": True},
    {"again": True},
)


def three_calls(
    lengths: Mapping[str, Sequence[list[list[int]]]], rng: Random
) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """Return trials; lengths: by a trial's name, for each of up to three calls, the tokens of each micro-batch by rank.

    Every call of a trial is made by the same number of ranks.
    """
    return [
        (
            name,
            len(calls[0]),
            [kind | {"lengths": one, "seed": rng.randrange(2**31)} for kind, one in zip(_KINDS, calls, strict=False)],
        )
        for name, calls in lengths.items()
    ]


def call_on_ranks(answer: Callable[..., Any], rank: int, rounds: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Call the answer on this rank's micro-batches; yield "gradient", flat, with what `watched` notes."""
    for model, one in zip(_models(rounds), rounds, strict=True):
        microbatches = pairs(one["lengths"][rank], one["seed"] + rank)
        with watched(model, ("grads",), microbatches) as seen:
            answer(model, microbatches)
        yield seen | {"gradient": flat_gradient(model)}


def call_alone(rounds: list[dict[str, Any]], n: int) -> Iterator[dict[str, Any]]:
    """Yield the mean gradient per token of each call as one process computes it.

    "gradient", and "parts": by rank and micro-batch the gradients of the summed losses that it is made of.
    """
    for model, one in zip(_models(rounds), rounds, strict=True):
        parts = [gradients_of_sums(model, own, one["seed"] + rank) for rank, own in enumerate(one["lengths"])]
        yield {"gradient": sum(map(sum, parts)) / sum(map(sum, one["lengths"])), "parts": parts}


def _models(rounds: list[dict[str, Any]]) -> Iterator[nn.Module]:
    first = None
    for one in rounds:
        model = first if one.get("again") else tiny_gpt(one["seed"], one.get("width", 16), one.get("dtype", "float32"))
        first = first or model
        for p in model.train(not one.get("eval")).parameters():
            p.grad = torch.ones_like(p) if one.get("filled") else p.grad
        yield model
