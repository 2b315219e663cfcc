"""The same GPT put together from torch.nn's own transformer layers, to compare values and speed with `models.gpt`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.models.gpt import GPT, GPTConfig


class PlainGPT(nn.Module):
    """Token ids (B, T) -> logits (B, T, V), with nn.TransformerEncoderLayer under a causal mask."""

    mask: Tensor

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        self.position = nn.Embedding(config.block_size, config.d_model)
        layer = nn.TransformerEncoderLayer(
            config.d_model, config.num_heads, 4 * config.d_model, 0.0, F.gelu, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, config.num_layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.d_model)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.register_buffer(
            "mask", nn.Transformer.generate_square_subsequent_mask(config.block_size), persistent=False
        )

    @classmethod
    def like(cls, model: GPT) -> PlainGPT:
        """A copy of a GPT's weights in torch's layers: the same function, so the same logits."""
        plain = cls(model.config)
        names = {
            "attention.qkv.weight": "self_attn.in_proj_weight",
            "attention.qkv.bias": "self_attn.in_proj_bias",
            "attention.project": "self_attn.out_proj",
            "mlp.expand": "linear1",
            "mlp.project": "linear2",
            "blocks.": "blocks.layers.",
        }
        state = {}
        for name, value in model.state_dict().items():
            for ours, theirs in names.items():
                name = name.replace(ours, theirs)
            state[name] = value
        plain.load_state_dict(state)
        return plain

    def forward(self, x: Tensor) -> Tensor:
        """x: token ids (B, T) -> logits (B, T, V)."""
        tokens = x.shape[1]
        stream = self.embed(x) + self.position.weight[:tokens]
        stream = self.blocks(stream, mask=self.mask[:tokens, :tokens], is_causal=True)
        return self.head(self.norm(stream))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean cross-entropy in nats per token of predicting y (B, T) from x (B, T)."""
        return F.cross_entropy(self(x).flatten(0, 1), y.flatten())


def training_step(model: GPT | PlainGPT, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    """One step of the loop that everyone writes; the same for both models. Returns the loss (scalar)."""
    optimizer.zero_grad(set_to_none=True)
    loss = model.loss(x, y)
    loss.backward()
    optimizer.step()
    return loss.detach()
