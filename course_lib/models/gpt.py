"""A small GPT: a pre-norm decoder with learned positions, written to be read.

The same layers and parameter count as GPT-2 (Radford et al. 2019), at any size. Shapes: B sequences, T tokens,
d = d_model, h heads of d / h, L layers, V = vocab_size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Init = Literal["scaled", "gpt2"]


@dataclass(frozen=True)
class GPTConfig:
    """Sizes and start. tie_weights: the output layer uses the token embedding's matrix, as in GPT-2.

    init says from which normal distribution the weights start; biases start at 0, and the 2L layers that add to the
    stream start at 1/sqrt(2L) of it. "scaled": standard deviation 0.5/sqrt(inputs) for a matrix, 0.1 for an embedding,
    so that one start serves every width. "gpt2": 0.02 throughout, GPT-2's for d = 768; at d = 64 it leaves the model on
    a plateau for the first thousand steps (`course_lib/models/runs/starts.json` holds both, measured).
    """

    vocab_size: int
    block_size: int = 64
    num_layers: int = 2
    num_heads: int = 2
    d_model: int = 64
    tie_weights: bool = False
    init: Init = "scaled"

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "num_layers", "num_heads", "d_model"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: it must be at least 1.")
        if self.d_model % self.num_heads:
            raise ValueError(
                f"d_model={self.d_model} does not divide into num_heads={self.num_heads} heads: "
                "choose a multiple of the number of heads."
            )
        if self.init not in get_args(Init):
            raise ValueError(f'There is no init {self.init!r}: use "scaled" or "gpt2".')


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
        """Draw a module's weights as `GPTConfig.init` says; a tied matrix starts as the output layer, drawn last."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self._std(module))
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, (Attention, MLP)):
            nn.init.normal_(
                module.project.weight, std=self._std(module.project) / math.sqrt(2 * self.config.num_layers)
            )

    def _std(self, module: nn.Linear | nn.Embedding) -> float:
        if self.config.init == "gpt2":
            return 0.02
        return 0.1 if isinstance(module, nn.Embedding) else 0.5 / math.sqrt(module.in_features)

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
