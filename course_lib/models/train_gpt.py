"""Train the small GPT on the course's text and measure it in bits per character."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from course_lib.data.text import Corpus
from course_lib.lab.device import autocast, seed_all
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.models.optimizers import optimizers


class Batches(Protocol):
    """What `fit` trains on: a corpus, or anything else that gives batches of it."""

    def batch(self, split: str, batch_size: int, generator: torch.Generator, block_size: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, both LongTensor (batch_size, block_size)."""
        ...


def small_gpt(seed: int = 0, **overrides: int | str | bool) -> GPT:
    """The course's small GPT with its weights drawn from `seed`; `overrides` are fields of `GPTConfig`.

    By itself 103 characters, 64 places, 2 layers, 2 heads, d_model 64: 117,376 parameters.
    """
    seed_all(seed)
    return GPT(GPTConfig(**{"vocab_size": Corpus.load().vocab_size, **overrides}))


def fit(
    model: GPT,
    corpus: Batches,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    batch_size: int = 16,
    optimizer: str = "adamw",
    lr: float = 5e-3,
    muon_lr: float = 0.04,
    generator: torch.Generator | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train for a number of steps, or for a time; returns the training loss of each step in nats per token.

    AdamW, or Muon with AdamW (`optimizers`), gradient norm at most 1, both rates along `schedule`. With `steps` and a
    `generator` the run is repeatable; with `seconds` the number of steps depends on the machine. Give one of the two.
    The model may be on any device: on an accelerator it computes in bf16 autocast (written for it, not run there yet).
    Each step reads its loss, and so waits for the device; `on_step(step, loss)` is called after it.
    """
    if (steps is None) == (seconds is None):
        raise ValueError("Say how long to train: either steps=… or seconds=…, one of the two.")
    length, unit = (steps, "steps") if steps is not None else (seconds or 0.0, "seconds")
    if not length > 0 or batch_size < 1:
        raise ValueError(f"{unit}={length} with batch_size={batch_size} trains nothing: both must be above 0.")
    device = next(model.parameters()).device
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    rules = optimizers(model, optimizer, lr=lr, muon_lr=muon_lr)
    losses: list[float] = []
    start = time.perf_counter()
    while (done := (len(losses) if steps is not None else time.perf_counter() - start) / length) < 1:
        x, y = corpus.batch("train", batch_size, generator, model.config.block_size)
        with autocast(device):
            loss = model.loss(x.to(device), y.to(device))
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for rule in rules:
            for group in rule.param_groups:
                group["lr"] = group["initial_lr"] * schedule(done)
            rule.step()
        # A number, not the tensor: small tensors kept between large ones split the memory, 0.3 MB a step.
        losses.append(loss.item())
        if on_step is not None:
            on_step(len(losses), losses[-1])
    return losses


def schedule(done: float, warmup: float = 0.05, final: float = 0.1) -> float:
    """The share of the lr after `done` (0 to 1) of the run: linear warm-up, then a cosine down to `final`.

    Never above 1. The warm-up starts at the share that 0.2 % of the run has reached, since at 0 the first step would
    be lost; a warm-up shorter than that is none.
    """
    for name, value in (("done", done), ("warmup", warmup), ("final", final)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}={value}: the schedule takes shares of the run and of the lr, from 0 to 1.")
    if done < warmup:
        return min(1.0, max(done, 0.002) / warmup)
    if warmup == 1:
        return 1.0
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


@torch.no_grad()
def bits_per_char(model: GPT, tokens: Tensor, batch_size: int = 64) -> float:
    """Mean bits per character of a token tensor (num_tokens,), in windows of block_size that do not overlap.

    The first characters of a window are predicted from little context, so that this is an upper bound. Every character
    but the first is predicted once; a last, shorter window counts by its tokens.
    """
    device = next(model.parameters()).device
    size = model.config.block_size
    count = len(tokens) - 1
    if count < 1:
        raise ValueError(f"bits_per_char needs at least 2 tokens, and got {len(tokens)}.")
    whole = count // size * size
    x, y = tokens[:whole].view(-1, size), tokens[1 : whole + 1].view(-1, size)
    pieces = [(x[i : i + batch_size], y[i : i + batch_size]) for i in range(0, len(x), batch_size)]
    if whole < count:
        pieces.append((tokens[None, whole:-1], tokens[None, whole + 1 :]))
    nats = 0.0
    for inputs, targets in pieces:
        with autocast(device):
            nats += model.loss(inputs.to(device), targets.to(device), reduction="sum").item()
    return nats / count / math.log(2)
