"""Train the small GPT on the course's text and measure it in bits per character."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.data.text import Corpus
from course_lib.lab.device import autocast
from course_lib.models.gpt import GPT


def fit(
    model: GPT,
    corpus: Corpus,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    batch_size: int = 16,
    lr: float = 5e-3,
    generator: torch.Generator | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train for a number of steps, or for a time; returns the training loss of each step in nats per token.

    AdamW (betas 0.9 and 0.95, weight decay 0.1 on matrices), gradient norm at most 1, lr warmed up over the first 5 %
    and brought down to a tenth along a cosine. With `steps` and a `generator` the run is repeatable; with `seconds` the
    number of steps depends on the machine. Give one of the two. The model may be on any device: on an accelerator it
    computes in bf16 autocast (written for it, not run there yet). `on_step(step, loss)` waits for the device each step.
    """
    if (steps is None) == (seconds is None):
        raise ValueError("Say how long to train: either steps=… or seconds=…, one of the two.")
    device = next(model.parameters()).device
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    losses: list[Tensor] = []
    start = time.perf_counter()
    while True:
        done = len(losses) / steps if steps is not None else (time.perf_counter() - start) / (seconds or 1e-9)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = lr * schedule(done)
        x, y = corpus.batch("train", batch_size, generator, model.config.block_size)
        with autocast(device):
            loss = model.loss(x.to(device), y.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        if on_step is not None:
            on_step(len(losses), loss.item())
    return torch.stack(losses).tolist() if losses else []


def schedule(done: float, warmup: float = 0.05, final: float = 0.1) -> float:
    """The share of the lr after `done` (0 to 1) of the run: linear warm-up, then a cosine down to `final`."""
    if done < warmup:
        return max(done, 0.002) / warmup
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
