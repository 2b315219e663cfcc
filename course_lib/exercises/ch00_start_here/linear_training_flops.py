"""Exercise 00.linear_training_flops: what one layer costs in a training step, and why the first one is cheaper."""

from __future__ import annotations

import torch
from torch import nn

from course_lib.lab import count_flops
from course_lib.practice.checks.exercise import Wrong, traps
from course_lib.practice.checks.forms.arguments import one_of, whole
from course_lib.practice.checks.forms.by_cases import by_cases


def linear_training_flops(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """FLOPs of the products of ``nn.Linear(d_in, d_out)``, forward and backward."""
    raise NotImplementedError


def reference(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """FLOPs of matrix products in one forward and backward pass of ``nn.Linear(d_in, d_out)`` over ``tokens`` rows."""
    products = 2 if is_first else 3  # forward, gradient of the weights, and of the input where somebody needs it
    return products * 2 * tokens * d_in * d_out


def counted(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    """Run a layer forward and backward and count the FLOPs of its matrix products; by the rule where it is large."""
    if max(tokens, d_in, d_out) > 60:
        return reference(tokens, d_in, d_out, is_first)
    layer, x = nn.Linear(d_in, d_out), torch.randn(tokens, d_in, requires_grad=not is_first)
    return count_flops(lambda: layer(x).sum().backward())


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


def _asks_for_the_counters_formula(tokens: int, d_in: int, d_out: int, is_first: bool) -> int:
    from torch.utils import flop_counter

    return flop_counter.mm_flop((tokens, d_in), (d_in, d_out)) * (2 if is_first else 3)


EXERCISE = by_cases(
    id="00.linear_training_flops",
    title="A layer's share of a training step",
    difficulty=1,
    minutes=5,
    place=1,
    task="""
How many FLOPs do the matrix products of one linear layer take in one forward and backward pass over `tokens` rows?
Count a multiplication and an addition as two, and leave out the bias. `is_first` says that the layer's input is data,
whose gradient nobody needs. The check compares with PyTorch's own counter, which you may not call.
""",
    stub=linear_training_flops,
    reference=reference,
    expected=counted,
    arguments={**{name: whole(1, 4_000) for name in ("tokens", "d_in", "d_out")}, "is_first": one_of(False, True)},
    examples=(
        (4_194_304, 8_192, 28_672, False),
        (4_194_304, 8_192, 28_672, True),
        (4_097, 8_191, 28_671, False),  # odd sizes, so that no draw decides whether float32 could hold the count
        (16_777_215, 12_289, 49_151, True),  # a count beyond 2^53, which no float holds
    ),
    passes="Equal to PyTorch's own count, for a layer in the middle and for the first one.",
    otherwise="Write down the shapes of x, W and the output's gradient, then each product that is needed and its "
    "2·m·k·n. A count is a whole number.",
    wrong=traps("""
        counts the forward pass: products * 2 => 2
            That is the forward pass alone. The backward pass has matrix products of its own.
        forgets that the first layer is cheaper: 2 if is_first else 3 => 3
            Nobody needs the gradient of the data: the first layer has one product less.
        takes backward for as long as forward: 2 if is_first else 3 => 2
            The backward pass of a layer in the middle has two products: one for its weights, one for
            its input.
        counts multiplications only: products * 2 * => products *
            A multiplication and an addition are two FLOPs: a product of (m, k) and (k, n) takes
            2·m·k·n.
        returns a float: products * 2 => products * 2.0
            expected int
        rounds to float32: products * 2 * tokens * d_in * d_out => int(torch.tensor(float(…)))
            A count is exact: float32 holds whole numbers up to 2^24 only.
        cuts a float: products * 2 * tokens * d_in * d_out => int(1.0 * …)
            A float holds whole numbers up to 2^53 only: multiply integers.
    """),
    cheats=(
        Wrong(_measures_instead_of_counting, "uses FlopCounterMode of the library"),
        Wrong(_asks_for_the_counters_formula, "uses mm_flop of the library"),
        *traps("""
            makes the result on meta: tokens * d_in * d_out => torch.empty(tokens, d_out, device="meta").numel() * d_in
                asked for a tensor of
            runs a product of one row: * d_out => * (torch.ones(1, 1) @ torch.ones(1, d_out)).numel()
                ran a product of matrices
        """),
    ),
    forbidden=("torch.utils.flop_counter.FlopCounterMode", "torch.utils.flop_counter.mm_flop"),
    alternatives=(_adds_up_the_products, _subtracts_what_is_not_needed),
    budget="one expression; the layer is not run",
    arithmetic=True,
    hints=(
        "The forward pass multiplies x of shape (tokens, d_in) by W of shape (d_in, d_out). How many FLOPs is that?",
        "The backward pass starts from a gradient of shape (tokens, d_out). It must make one of the shape of W and, "
        "for a layer in the middle, one of the shape of x. What is multiplied by what?",
        "All three products have the same three sizes, so each takes 2·tokens·d_in·d_out. The first layer needs two.",
    ),
    explanation="Forward is 2 FLOPs per weight and token, backward 4: that is the 6 of the rule 6·N·D for training. "
    "The rule counts the first layer like all others. A network whose first layer reads data directly, such as an MLP "
    "on pixels, therefore counts a little less; a GPT does not, because its embedding needs that gradient.",
)
