"""Exercise 06.accumulate_by_tokens: the gradient of the mean loss per token, over micro-batches and ranks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from course_lib.models.gpt import GPT, GPTConfig
from course_lib.practice.checks.exercise import Exercise, Trial, Wrong
from course_lib.practice.checks.traffic_log import Traffic, contradiction, record_traffic
from course_lib.practice.checks.verdict import Finding, close, cost, failed, passed, ranks_where

# Tokens of each micro-batch, by rank. The second setting has ranks with different numbers of micro-batches.
LENGTHS = {"on 2 ranks": [[2, 30], [5, 63]], "on 3 ranks": [[3, 17, 40], [50], [2, 9]]}
Microbatches = list[tuple[torch.Tensor, torch.Tensor]]


def accumulate_by_tokens(model: nn.Module, microbatches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Run forward and backward on each (x, y) of shape (1, T_i); on return every ``.grad`` is the global token mean."""
    raise NotImplementedError


def reference(model: nn.Module, microbatches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Run forward and backward on each (x, y) of shape (1, T_i); on return every ``.grad`` is the global token mean."""
    tokens = torch.tensor(float(sum(y.numel() for _, y in microbatches)))
    dist.all_reduce(tokens)
    for x, y in microbatches:
        (model.loss(x, y, reduction="sum") / tokens).backward()
    grads = [p.grad for p in model.parameters()]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    for grad, total in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
        grad.copy_(total.view_as(grad))


def trials(rng: random.Random) -> list[Trial]:
    """New weights and new tokens; the lengths stay."""
    return [
        Trial(name, len(lengths), {"lengths": lengths, "seed": rng.randrange(2**31)})
        for name, lengths in LENGTHS.items()
    ]


def small_model(seed: int) -> GPT:
    """Make a GPT of about 5,000 parameters."""
    torch.manual_seed(seed)
    return GPT(GPTConfig(vocab_size=32, block_size=64, num_layers=1, num_heads=2, d_model=16))


def texts(lengths: list[int], seed: int, rank: int) -> Microbatches:
    """Return one rank's micro-batches: (x, y), each of shape (1, T_i)."""
    generator = torch.Generator().manual_seed(seed + rank)
    tokens = [torch.randint(32, (1, length + 1), generator=generator) for length in lengths]
    return [(one[:, :-1], one[:, 1:]) for one in tokens]


def gradient(model: nn.Module) -> torch.Tensor:
    """Return all gradients as one vector; a missing one counts as zero."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()])


def drive(answer: Callable[..., Any], rank: int, lengths: list[list[int]], seed: int) -> dict[str, Any]:
    """Call the answer on this rank's micro-batches and count."""
    model = small_model(seed)
    with record_traffic() as traffic:
        answer(model, texts(lengths[rank], seed, rank))
    return {"gradient": gradient(model), "traffic": traffic}


def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
    """Compare with one long batch; name the mean that was taken instead; then calls and bytes."""
    lengths, seed = trial.given["lengths"], trial.given["seed"]
    logs = [Traffic(**one["traffic"]) for one in seen]
    found = contradiction(logs)
    if found is not None:
        yield found
        return
    gradients = [one["gradient"] for one in seen]
    parts = _gradients_of_sums(lengths, seed)
    expected = sum(part for rank in parts for part in rank) / sum(map(sum, lengths))
    wrong = [not close(one, expected, 1e-4) for one in gradients]
    if any(wrong):
        said = f"The gradient on {ranks_where(wrong)} is not that of the mean loss over all tokens."
        yield failed(said, _why(gradients, parts, lengths, expected))
        return
    yield passed("Every gradient is that of the mean loss per token over all micro-batches of all ranks.")
    summed = [sum(size for call, size in log.collectives if call.startswith(("allreduce", "reduce"))) for log in logs]
    if min(summed) < expected.nbytes:
        yield failed(
            f"The gradients were never added up over ranks: {expected.nbytes:,} bytes of them, {min(summed):,} summed.",
            "Every rank has worked through the tokens of all ranks: right, and as slow as one rank alone.",
        )
        return
    yield cost(
        "collective calls of each rank",
        max(sum(call != "barrier" for call, _ in log.collectives) for log in logs),
        2,
        "calls",
        "Two are enough: one for the number of tokens, one for all gradients laid end to end, after the last "
        "micro-batch. Ranks with other numbers of micro-batches would even wait for ever.",
        trial.name,
    )


def _gradients_of_sums(lengths: list[list[int]], seed: int) -> list[list[torch.Tensor]]:
    """Return the gradient of each micro-batch's summed loss, by rank."""
    parts = []
    for rank, own in enumerate(lengths):
        parts.append([])
        for x, y in texts(own, seed, rank):
            model = small_model(seed)
            model.loss(x, y, reduction="sum").backward()
            parts[-1].append(gradient(model))
    return parts


def _why(
    gradients: list[torch.Tensor], parts: list[list[torch.Tensor]], lengths: list[list[int]], expected: torch.Tensor
) -> str:
    n, total = len(lengths), sum(map(sum, lengths))
    of_rank = [sum(part / sum(own) for part in mine) for own, mine in zip(lengths, parts, strict=True)]
    of_batch = [
        sum(part / length for part, length in zip(mine, own, strict=True)) / len(own)
        for own, mine in zip(lengths, parts, strict=True)
    ]
    known = [
        (sum(of_batch) / n, "It is the mean of the micro-batches' means: a token of a short micro-batch counts more."),
        (
            sum(of_rank) / n,
            "Within a rank tokens are weighted right; between ranks it is a mean of means: a rank with few tokens "
            "counts as much as one with many.",
        ),
        (expected / n, "It is world_size times too small: dividing by all tokens is enough, there is no further mean."),
        (expected * total, "It is the gradient of the sum: nothing divides by the number of tokens."),
        (
            sum(mine[-1] for mine in parts) / total,
            "Only the last micro-batch of each rank is in it: .grad was emptied in between.",
        ),
    ]
    for candidate, why in known:
        if all(close(one, candidate, 1e-4) for one in gradients):
            return why
    own = [sum(mine) for mine in parts]
    scaled = [one / one.norm() for one in own]
    if all(close(g / g.norm().clamp_min(1e-30), s, 1e-4) for g, s in zip(gradients, scaled, strict=True)):
        return "Each rank holds the gradient of its own tokens alone: they must be summed over ranks."
    return "Every token of every rank must have the same weight: one over the number of all tokens."


def explain_stop(trial: Trial, error: str) -> str:
    """Say what usually stands behind an exception or a hang."""
    if "collective mismatch" in error or "wait" in error:
        return (
            "Ranks hold different numbers of micro-batches here: an all-reduce in the loop is called unequally often."
        )
    return "model.loss(x, y, reduction=…) takes x and y of shape (1, T) and returns a scalar."


def _sum_over_ranks(model: nn.Module, divisor: float | torch.Tensor) -> None:
    flat = gradient(model)
    dist.all_reduce(flat)
    nn.utils.vector_to_parameters(flat / divisor, [p.grad for p in model.parameters()])


def _takes_the_mean_of_means(model: nn.Module, microbatches: Microbatches) -> None:
    for x, y in microbatches:
        (model.loss(x, y) / len(microbatches)).backward()
    _sum_over_ranks(model, dist.get_world_size())


def _weighs_tokens_only_within_a_rank(model: nn.Module, microbatches: Microbatches) -> None:
    tokens = sum(y.numel() for _, y in microbatches)
    for x, y in microbatches:
        (model.loss(x, y, reduction="sum") / tokens).backward()
    _sum_over_ranks(model, dist.get_world_size())


def _divides_by_the_ranks_too(model: nn.Module, microbatches: Microbatches) -> None:
    reference(model, microbatches)
    for p in model.parameters():
        p.grad /= dist.get_world_size()


def _forgets_to_divide(model: nn.Module, microbatches: Microbatches) -> None:
    for x, y in microbatches:
        model.loss(x, y, reduction="sum").backward()
    _sum_over_ranks(model, 1.0)


def _empties_the_gradient_in_between(model: nn.Module, microbatches: Microbatches) -> None:
    tokens = torch.tensor(float(sum(y.numel() for _, y in microbatches)))
    dist.all_reduce(tokens)
    for x, y in microbatches:
        model.zero_grad()
        (model.loss(x, y, reduction="sum") / tokens).backward()
    _sum_over_ranks(model, 1.0)


def _reduces_in_the_loop(model: nn.Module, microbatches: Microbatches) -> None:
    total = torch.zeros(gradient(model).numel() + 1)
    for x, y in microbatches:
        model.zero_grad()
        model.loss(x, y, reduction="sum").backward()
        part = torch.cat([gradient(model), torch.tensor([float(y.numel())])])
        dist.all_reduce(part)
        total += part
    nn.utils.vector_to_parameters(total[:-1] / total[-1], [p.grad for p in model.parameters()])


def _keeps_to_itself(model: nn.Module, microbatches: Microbatches) -> None:
    tokens = torch.tensor(float(sum(y.numel() for _, y in microbatches)))
    dist.all_reduce(tokens)
    for x, y in microbatches:
        (model.loss(x, y, reduction="sum") / tokens).backward()


def _divides_last(model: nn.Module, microbatches: Microbatches) -> None:
    """Write it with one all-reduce: the number of tokens travels as one more element behind the gradient."""
    for x, y in microbatches:
        torch.nn.functional.cross_entropy(model(x)[0], y[0], reduction="sum").backward()
    parameters = list(model.parameters())
    count = torch.tensor([sum(y.shape[1] for _, y in microbatches)], dtype=torch.float32)
    flat = torch.cat([*(p.grad.reshape(-1) for p in parameters), count])
    dist.all_reduce(flat)
    offset = 0
    for p in parameters:
        p.grad = (flat[offset : offset + p.numel()] / flat[-1]).view_as(p)
        offset += p.numel()


def _as_an_average_over_ranks(model: nn.Module, microbatches: Microbatches) -> None:
    """Write it as DDP needs it: scale the local sum so that a mean over ranks comes out right."""
    n = dist.get_world_size()
    counts = [torch.zeros(1) for _ in range(n)]
    dist.all_gather(counts, torch.tensor([float(sum(x.numel() for x, _ in microbatches))]))
    weight = n / torch.cat(counts).sum()
    for x, y in microbatches:
        (model.loss(x, y) * y.numel() * weight).backward()
    _sum_over_ranks(model, n)


def _computes_everything_everywhere(model: nn.Module, microbatches: Microbatches) -> None:
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, microbatches)
    everything = [pair for own in gathered for pair in own]
    tokens = sum(y.numel() for _, y in everything)
    for x, y in everything:
        (model.loss(x, y, reduction="sum") / tokens).backward()


EXERCISE = Exercise(
    id="06.accumulate_by_tokens",
    title="Token-weighted accumulation",
    difficulty=2,
    minutes=15,
    place=6,
    budget="two all-reduces per step, however many micro-batches there are",
    task="""
Each rank holds several micro-batches of different lengths, and ranks may hold different numbers of them. Leave in every
`.grad` the gradient of the mean loss per token over **all** micro-batches of **all** ranks. `model` is a small GPT:
`model(x)` gives logits, and `model.loss(x, y, reduction="mean")` the loss of x and y of shape (1, T), with "sum" the
sum over tokens. Every rank works on its own micro-batches only.
""",
    stub=accumulate_by_tokens,
    reference=reference,
    trials=trials,
    drive=drive,
    judge=judge,
    explain_stop=explain_stop,
    hints=(
        "Write down the gradient you want as one fraction. Which part of it is a sum that each rank can add to, and "
        "which number must all ranks know?",
        "Let each backward pass add the gradient of a sum of token losses. Divide once, by a number of tokens that has "
        "been added up over all ranks, and never by the number of micro-batches or ranks.",
        'all_reduce the token count first; run model.loss(x, y, reduction="sum") / tokens backward for each batch; '
        "then lay all gradients end to end in one vector, all_reduce it, and copy the pieces back.",
    ),
    explanation="Sums add up over micro-batches and over ranks; means do not. Dividing each sum by the global number "
    "of tokens before the backward pass keeps numbers small and needs the count first; dividing once at the end "
    "needs one all-reduce. Under DDP, which divides by n, multiply the loss by n. With batches of 2, 30, 5 and 63 "
    "tokens the mean of means is off by a third, and its loss curve looks healthy.",
    wrong=(
        Wrong(_takes_the_mean_of_means, "mean of the micro-batches' means"),
        Wrong(_weighs_tokens_only_within_a_rank, "a rank with few tokens counts"),
        Wrong(_divides_by_the_ranks_too, "world_size times too small"),
        Wrong(_forgets_to_divide, "the gradient of the sum"),
        Wrong(_empties_the_gradient_in_between, "Only the last micro-batch"),
        Wrong(_reduces_in_the_loop, "is called unequally often"),
        Wrong(_keeps_to_itself, "its own tokens alone"),
    ),
    alternatives=(_divides_last, _as_an_average_over_ranks),
    cheats=(Wrong(_computes_everything_everywhere, "as slow as one rank alone"),),
)
