"""Exercise 06.accumulate_by_tokens: the gradient of the mean loss per token, over micro-batches and ranks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from course_lib.practice.checks.exercise import Wrong, traps
from course_lib.practice.checks.forms.gradient_calls import call_alone, call_on_ranks, three_calls
from course_lib.practice.checks.forms.same_gradients import Round, flat_gradient, same_gradients
from course_lib.practice.checks.forms.tiny_gpt import Pairs
from course_lib.practice.checks.verdict import Finding, close, cost, failed

# Tokens of each micro-batch, by rank and call. In later trials ranks have different numbers of micro-batches.
LENGTHS = {
    "on 2 ranks": ([[2, 30], [5, 63]], [[7, 21], [33, 4]], [[64, 2], [3, 3]]),
    "on 3 ranks": ([[3, 17, 40], [50], [2, 9]], [[1], [8, 8, 8], [60, 5]], [[2], [2, 30], [4]]),
    "on 1 rank": ([[3, 40, 1]],),
}


def accumulate_by_tokens(
    model: nn.Module,
    microbatches: list[tuple[torch.Tensor, torch.Tensor]],
) -> None:
    """Leave in each ``.grad`` that of the mean loss over all tokens of all ranks."""
    raise NotImplementedError


def reference(model: nn.Module, microbatches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Leave in each ``.grad`` that of the mean loss over all tokens of all ranks."""
    model.zero_grad()
    tokens = torch.tensor(float(sum(y.numel() for _, y in microbatches)))
    dist.all_reduce(tokens)
    for x, y in microbatches:
        (model.loss(x, y, reduction="sum") / tokens).backward()
    grads = [p.grad for p in model.parameters()]
    flat = nn.utils.parameters_to_vector(grads)
    dist.all_reduce(flat)
    nn.utils.vector_to_parameters(flat, grads)


def why(call: Round) -> str:
    """Name the mean that was taken instead."""
    by_rank, lengths, expected = call.expected["parts"], call.given["lengths"], call.expected["gradient"]
    n, total, zipped = call.n, sum(map(sum, lengths)), list(zip(lengths, by_rank, strict=True))
    of_rank = [sum(mine) / sum(own) for own, mine in zipped]
    of_batch = [sum(part / size for size, part in zip(*both, strict=True)) / len(both[0]) for both in zipped]
    last = [mine[-1] for mine in by_rank]
    known = {
        "It is the mean of the micro-batches' means: a token of a short micro-batch counts more.": sum(of_batch) / n,
        "Within a rank tokens are weighted right; between ranks it is a mean of means: a rank with few tokens counts "
        "as much as one with many.": sum(of_rank) / n,
        "It is world_size times too small: dividing by all tokens is enough, there is no further mean.": expected / n,
        "It is world_size times too large: is something divided by one rank's share, and then summed?": expected * n,
        "It is the gradient of the sum: nothing divides by the number of tokens.": expected * total,
        "Only the last micro-batch of each rank is in it: .grad was emptied in between.": sum(last) / total,
    }
    for words, candidate in known.items():
        if n > 1 and call.everywhere("gradient", candidate):
            return words
    mine = zip(call.values["gradient"], map(sum, by_rank), strict=True)
    if n > 1 and all(close(got / got.norm(), own / own.norm(), 1e-4) for got, own in mine):
        return "Each rank holds the gradient of its own tokens alone: they must be summed over ranks."
    if call.number:
        return (
            "The first call was right. Now `.grad` holds an older gradient, which does not count, and the model, its "
            "type and the lengths are others: something of the call before is still used."
        )
    return "Every token of every rank must have the same weight: one over the number of all tokens."


def costs(call: Round) -> Iterator[Finding]:
    """Gradients summed over ranks, by at most two calls."""
    if call.n == 1:
        return
    nbytes = call.expected["gradient"].nbytes
    summed = [sum(size for name, size in log.collectives if "reduce" in name) for log in call.logs]
    if min(summed) < nbytes:
        yield failed(
            f"The gradients were never added up over ranks: {nbytes:,} bytes of them, {min(summed):,} summed.",
            "Every rank has worked through the tokens of all ranks: right, and as slow as one rank alone.",
        )
    yield cost(
        "collective calls of each rank",
        max(len(log.collectives) + log.messages for log in call.logs),
        2,
        "calls",
        "Two are enough: one for the number of tokens, one for all gradients laid end to end, after the last "
        "micro-batch. Ranks with other numbers of micro-batches would even wait for ever.",
        f"on {call.n} ranks",
    )


def explain_stop(trial: Any, stopped: Any) -> str:
    """Say what usually stands behind a hang."""
    unequal = len({len(own) for own in trial.given["rounds"][0]["lengths"]}) > 1
    if stopped.waited and unequal:
        return (
            "Ranks hold different numbers of micro-batches here: an all-reduce in the loop is called unequally often."
        )
    return "Every rank must make the same collective calls in the same order." if stopped.waited else ""


def _reduces_in_the_loop(model: nn.Module, microbatches: Pairs) -> None:
    total = torch.zeros(())
    for x, y in microbatches:
        model.zero_grad()
        model.loss(x, y, reduction="sum").backward()
        part = torch.cat([flat_gradient(model), torch.tensor([float(y.numel())])])
        dist.all_reduce(part)
        total = total + part
    nn.utils.vector_to_parameters(total[:-1] / total[-1], [p.grad for p in model.parameters()])


def _divides_last(model: nn.Module, microbatches: Pairs) -> None:
    """Write it with one all-reduce: the number of tokens travels as one more element behind the gradient."""
    model.zero_grad(set_to_none=True)
    for x, y in microbatches:
        torch.nn.functional.cross_entropy(model(x)[0], y[0], reduction="sum").backward()
    parameters = list(model.parameters())
    count = torch.tensor([float(sum(x.numel() for x, _ in microbatches))])
    flat = torch.cat([*(p.grad.reshape(-1) for p in parameters), count])
    dist.all_reduce(flat)
    pieces = (flat[:-1] / flat[-1]).split([p.numel() for p in parameters])
    for p, piece in zip(parameters, pieces, strict=True):
        p.grad = piece.view_as(p)


def _as_an_average_over_ranks(model: nn.Module, microbatches: Pairs) -> None:
    """Write it as DDP needs it: scale the local sum so that a mean over ranks comes out right."""
    model.zero_grad()
    n = dist.get_world_size()
    counts = [torch.zeros(1) for _ in range(n)]
    dist.all_gather(counts, torch.tensor([float(sum(x.numel() for x, _ in microbatches))]))
    weight = n / torch.cat(counts).sum()
    for x, y in microbatches:
        (model.loss(x, y) * y.numel() * weight).backward()
    flat = flat_gradient(model)
    dist.all_reduce(flat)
    nn.utils.vector_to_parameters(flat / n, [p.grad for p in model.parameters()])


EXERCISE = same_gradients(
    id="06.accumulate_by_tokens",
    title="Token-weighted accumulation",
    difficulty=2,
    minutes=15,
    place=6,
    task="""
Each rank holds several micro-batches of different lengths, and ranks may hold different numbers of them. Leave in every
`.grad` the gradient of the mean loss per token over **all** micro-batches of **all** ranks. `model` is a small GPT:
`model(x)` gives logits, and `model.loss(x, y, reduction="mean")` the loss of x and y of shape (1, T), with "sum" the
sum over tokens. Every rank works on its own micro-batches only. When the function is called, `.grad` may hold an older
gradient, which does not count; the model may be float32 or float64, and stays as it is but for `.grad`.
""",
    stub=accumulate_by_tokens,
    reference=reference,
    make_trials=partial(three_calls, LENGTHS),
    act=call_on_ranks,
    alone=call_alone,
    names={"gradient": "The gradient on {who} is not that of the mean loss over all tokens"},
    why=why,
    costs=costs,
    passes=lambda trial: "Every gradient is that of the mean loss per token over all micro-batches of all ranks.",
    explain_stop=explain_stop,
    float64=2e-7,  # a number of tokens in float32 is no fault
    wrong=(
        *traps("""
            takes the mean of means: model.loss(x, y, reduction="sum") / tokens => model.loss(x, y) / len(microbatches)
            and: nn.utils.vector_to_parameters(flat, => nn.utils.vector_to_parameters(flat / dist.get_world_size(),
                mean of the micro-batches' means
            weighs tokens only within a rank: dist.all_reduce(tokens) => tokens *= dist.get_world_size()
                a rank with few tokens counts
            divides by the ranks too: / tokens) => / tokens / dist.get_world_size())
                world_size times too small
            forgets to divide: / tokens) => )
                the gradient of the sum
            empties the gradient in between: (model.loss => model.zero_grad(); (model.loss
                Only the last micro-batch
            keeps to itself: dist.all_reduce(flat) =>
                its own tokens alone
            adds to an older gradient: model.zero_grad() =>
                holds an older gradient
        """),
        Wrong(_reduces_in_the_loop, "is called unequally often"),
    ),
    cheats=traps("""
        computes everything everywhere: model.zero_grad() => …; gathered = [None] * dist.get_world_size()
        and: dist.all_reduce(tokens) => dist.all_gather_object(gathered, microbatches)
        and: in microbatches: => in sum(gathered, []):
        and: / tokens) => / sum(y.numel() for own in gathered for _, y in own))
        and: dist.all_reduce(flat) =>
            as slow as one rank alone
    """),
    alternatives=(_divides_last, _as_an_average_over_ranks),
    budget="two all-reduces per step, however many micro-batches there are",
    hints=(
        "Write down the gradient you want as one fraction. Which part of it is a sum that each rank can add to, and "
        "which number must all ranks know?",
        "Let each backward pass add the gradient of a sum of token losses. Divide once, by a number of tokens that has "
        "been added up over all ranks, and never by the number of micro-batches or ranks.",
        'Empty .grad, then all_reduce the token count; run model.loss(x, y, reduction="sum") / tokens backward for '
        "each batch; then lay all gradients end to end in one vector, all_reduce it, and copy the pieces back.",
    ),
    explanation="Sums add up over micro-batches and over ranks; means do not. Dividing each sum by the global number "
    "of tokens before the backward pass keeps numbers small and needs the count first; dividing once at the end "
    "needs one all-reduce. Under DDP, which divides by n, multiply the loss by n. With batches of 2, 30, 5 and 63 "
    "tokens the mean of means is off by a third, and its loss curve looks healthy.",
)
