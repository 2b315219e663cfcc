"""Exercise 00.linear_training_flops: what one layer costs in a training step, and why the first one is cheaper."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from course_lib.lab import count_flops
from course_lib.practice.checks.exercise import Exercise, Trial, Wrong
from course_lib.practice.checks.verdict import Finding, failed, kind, passed


def linear_training_flops(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """FLOPs of matrix products in one forward and backward pass of ``nn.Linear(d_in, d_out)`` over ``tokens`` rows."""
    raise NotImplementedError


def reference(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """FLOPs of matrix products in one forward and backward pass of ``nn.Linear(d_in, d_out)`` over ``tokens`` rows."""
    products = 2 if is_first else 3  # forward, gradient of the weights, and of the input where somebody needs it
    return products * 2 * tokens * d_in * d_out


def trials(rng: random.Random) -> list[Trial]:
    """Small layers that the kernel can really run, and one that it cannot."""
    sizes = [[rng.randint(2, 60) for _ in range(3)] for _ in range(3)] + [[4_194_304, 8_192, 28_672]]
    return [Trial("", 1, {"asked": [[*size, first] for size in sizes for first in (False, True)]})]


def drive(answer: Callable[..., Any], rank: int, asked: list[list[Any]]) -> list[Any]:
    """Ask for each size."""
    return [answer(*one) for one in asked]


def counted(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """Run the layer forward and backward and count the FLOPs of its matrix products."""
    layer, x = nn.Linear(d_in, d_out), torch.randn(tokens, d_in, requires_grad=not is_first)
    return count_flops(lambda: layer(x).sum().backward())


def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
    """Compare small layers with PyTorch's own count, the large one with the rule."""
    for (tokens, d_in, d_out, is_first), got in zip(trial.given["asked"], seen[0], strict=True):
        if type(got) is not int:
            yield failed(f"linear_training_flops returned {kind(got)}; expected int.", "A count is a whole number.")
            return
        forward = 2 * tokens * d_in * d_out
        expected = counted(tokens, d_in, d_out, is_first) if tokens < 100 else (2 if is_first else 3) * forward
        if got != expected:
            which = "the first layer" if is_first else "a layer in the middle"
            text = (
                f"{tokens:,} rows through {which}, {d_in:,} to {d_out:,}: {got:,} FLOPs; PyTorch counts {expected:,}."
            )
            yield failed(text, _why(got, forward, is_first))
            return
    yield passed("Equal to PyTorch's own count, for a layer in the middle and for the first one.")


def _why(got: int, forward: int, is_first: bool) -> str:
    if got == forward:
        return "That is the forward pass alone. The backward pass has matrix products of its own."
    if 2 * got in (2 * forward, 3 * forward) or 2 * got == (2 if is_first else 3) * forward:
        return "A multiplication and an addition are two FLOPs: a product of (m, k) and (k, n) takes 2·m·k·n."
    if is_first and got == 3 * forward:
        return "Nobody needs the gradient of the data: the first layer has one product less."
    if not is_first and got == 2 * forward:
        return "The backward pass of a layer in the middle has two products: one for its weights, one for its input."
    return "Write down the shapes of x, W and the output's gradient, then each product that is needed and its 2·m·k·n."


def _counts_the_forward_pass(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    return 2 * tokens * d_in * d_out


def _forgets_that_the_first_layer_is_cheaper(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    return 6 * tokens * d_in * d_out


def _takes_backward_for_as_long_as_forward(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    return 4 * tokens * d_in * d_out


def _counts_multiplications_only(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    return (2 if is_first else 3) * tokens * d_in * d_out


def _returns_a_float(tokens: int, d_in: int, d_out: int, is_first: bool) -> float:
    return (4.0 if is_first else 6.0) * tokens * d_in * d_out


def _adds_up_the_products(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """Write it as a list of products (m, k, n)."""
    products = [(tokens, d_in, d_out), (d_out, tokens, d_in)]
    if not is_first:
        products.append((tokens, d_out, d_in))
    return sum(2 * m * k * n for m, k, n in products)


def _subtracts_what_is_not_needed(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """Write it as the rule of six per weight and token, less one product."""
    weights = d_in * d_out
    return tokens * (6 * weights - 2 * weights * int(is_first))


def _measures_instead_of_counting(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        nn.Linear(d_in, d_out)(torch.empty(tokens, d_in, requires_grad=not is_first)).sum().backward()
    return counter.get_total_flops()


EXERCISE = Exercise(
    id="00.linear_training_flops",
    title="A layer's share of a training step",
    difficulty=1,
    minutes=5,
    place=1,
    budget="one expression; the layer is not run",
    task="""
How many FLOPs do the matrix products of one linear layer take in one forward and backward pass over `tokens` rows?
Count a multiplication and an addition as two, and leave out the bias. `is_first` says that the layer's input is data,
whose gradient nobody needs. The check compares with PyTorch's own counter, which you may not call.
""",
    stub=linear_training_flops,
    reference=reference,
    trials=trials,
    drive=drive,
    judge=judge,
    forbidden=("torch.utils.flop_counter.FlopCounterMode",),
    limit=5.0,
    hints=(
        "The forward pass multiplies x of shape (tokens, d_in) by W of shape (d_in, d_out). How many FLOPs is that?",
        "The backward pass starts from a gradient of shape (tokens, d_out). It must make one of the shape of W and, "
        "for a layer in the middle, one of the shape of x. What is multiplied by what?",
        "All three products have the same three sizes, so each takes 2·tokens·d_in·d_out. The first layer needs two.",
    ),
    explanation="Forward is 2 FLOPs per weight and token, backward 4: that is the 6 of the rule 6·N·D for training. "
    "The rule counts the first layer like all others, which is why a count of a small model falls a little short of "
    "it.",
    wrong=(
        Wrong(_counts_the_forward_pass, "the forward pass alone"),
        Wrong(_forgets_that_the_first_layer_is_cheaper, "one product less"),
        Wrong(_takes_backward_for_as_long_as_forward, "has two products"),
        Wrong(_counts_multiplications_only, "are two FLOPs"),
        Wrong(_returns_a_float, "expected int"),
    ),
    alternatives=(_adds_up_the_products, _subtracts_what_is_not_needed),
    cheats=(Wrong(_measures_instead_of_counting, "uses FlopCounterMode of the library"),),
)
