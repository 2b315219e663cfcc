"""A small GPT: a pre-norm decoder with learned positions, written to be read.

The same layers and parameter count as GPT-2 (Radford et al. 2019), at any size. Shapes: B sequences, T tokens,
d = d_model, h heads of d / h, V = vocab_size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class GPTConfig:
    """Sizes. tie_weights: the output layer uses the token embedding's matrix, as in GPT-2."""

    vocab_size: int
    block_size: int = 64
    num_layers: int = 2
    num_heads: int = 2
    d_model: int = 64
    tie_weights: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "num_layers", "num_heads", "d_model"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: it must be at least 1.")
        if self.d_model % self.num_heads:
            raise ValueError(
                f"d_model={self.d_model} does not divide into num_heads={self.num_heads} heads: "
                "choose a multiple of the number of heads."
            )


class Attention(nn.Module):
    """Causal self-attention: each token looks at itself and at those before it. (B, T, d) -> (B, T, d)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model)
        self.project = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, d) -> (B, T, d)."""
        batch, tokens, width = x.shape
        # One product makes queries, keys and values; then (B, T, 3, h, d/h) -> three of (B, h, T, d/h), without a copy.
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.project(mixed.transpose(1, 2).reshape(batch, tokens, width))


class MLP(nn.Module):
    """Two layers with GELU, four times as wide inside. (B, T, d) -> (B, T, d)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.d_model, 4 * config.d_model)
        self.project = nn.Linear(4 * config.d_model, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, d) -> (B, T, d)."""
        return self.project(F.gelu(self.expand(x)))


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and added to the stream. (B, T, d) -> (B, T, d)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.d_model)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.d_model)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, d) -> (B, T, d)."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Token ids (B, T) -> logits (B, T, V) for the next token at each place.

    Weights are drawn from torch's global generator: `lab.seed_all(seed)` before it makes the model repeatable.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        self.position = nn.Embedding(config.block_size, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.d_model)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tie_weights:
            self.head.weight = self.embed.weight
        self.apply(self._init)

    def _init(self, module: nn.Module) -> None:
        """GPT-2's start: normal of 0.02; divided by sqrt(2L) in the 2L layers that add to the stream."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, (Attention, MLP)):
            nn.init.normal_(module.project.weight, std=0.02 / math.sqrt(2 * self.config.num_layers))

    def forward(self, x: Tensor) -> Tensor:
        """x: token ids (B, T), T at most block_size -> logits (B, T, V)."""
        tokens = x.shape[1]
        if tokens > self.config.block_size:
            raise ValueError(f"{tokens} tokens are more than block_size={self.config.block_size}: cut the sequence.")
        stream = self.embed(x) + self.position.weight[:tokens]
        for block in self.blocks:
            stream = block(stream)
        return self.head(self.norm(stream))

    def loss(self, x: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        """Cross-entropy in nats of predicting y (B, T) from x (B, T); targets of -100 do not count.

        reduction: "mean" per token (scalar), "sum" (scalar) or "none" ((B·T,)).
        """
        return F.cross_entropy(self(x).flatten(0, 1), y.flatten(), reduction=reduction)

    def num_parameters(self) -> int:
        """Number of parameters; a tied matrix counts once. GPT-2's sizes: Vd + block_size·d + L(12d² + 13d) + 2d."""
        return sum(p.numel() for p in self.parameters())

    @torch.no_grad()
    def generate(self, x: Tensor, num_tokens: int, generator: torch.Generator | None = None) -> Tensor:
        """Continue token ids (B, T) by num_tokens drawn from the model's distribution -> (B, T + num_tokens)."""
        for _ in range(num_tokens):
            probabilities = self(x[:, -self.config.block_size :])[:, -1].float().softmax(-1)
            x = torch.cat([x, torch.multinomial(probabilities.cpu(), 1, generator=generator).to(x.device)], dim=1)
        return x
