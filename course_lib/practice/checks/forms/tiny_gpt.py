"""The models and tokens of exercises on gradients: a GPT of a few thousand parameters, made anew from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from course_lib.models.gpt import GPT, GPTConfig

VOCAB = 32
Pairs = list[tuple[torch.Tensor, torch.Tensor]]


def tiny_gpt(seed: int, width: int = 16, dtype: str = "float32", tied: bool = False, block_size: int = 64) -> GPT:
    """Make a GPT of one layer and 32 tokens, its weights drawn from a seed."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"num_layers": 1, "num_heads": 2, "d_model": width, "block_size": block_size}
    return GPT(GPTConfig(vocab_size=VOCAB, tie_weights=tied, **sizes)).to(getattr(torch, dtype))


def pairs(lengths: Sequence[int], seed: int, batch: int = 1) -> Pairs:
    """Return tokens and their targets, each of shape (batch, T), for each length T."""
    generator = torch.Generator().manual_seed(seed)
    tokens = [torch.randint(VOCAB, (batch, length + 1), generator=generator) for length in lengths]
    return [(one[:, :-1], one[:, 1:]) for one in tokens]


def gradients_of_sums(model: GPT, lengths: Sequence[int], seed: int) -> list[torch.Tensor]:
    """Return the gradient of the summed loss of each of `pairs(lengths, seed)`, each as one vector."""
    found = []
    for x, y in pairs(lengths, seed):
        model.zero_grad()
        model.loss(x, y, reduction="sum").backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    return found
