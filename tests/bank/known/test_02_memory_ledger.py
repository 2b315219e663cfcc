"""Chapter 02, memory ledger: its known answers (K1, K4, K5, K6, K7, K8) recomputed."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from course_lib.lab.measure import count_flops
from course_lib.museum.selective_recompute_cost import counted as counted_selective
from course_lib.practice import known
from tests.bank.known.shared import adam_states, attention


def test_bytes_per_parameter():
    kinds = {
        16: {"gradient": torch.bfloat16},
        18: {"gradient": torch.float32},
        20: {"gradient": torch.bfloat16, "accumulate": True},
    }
    for number, kind in kinds.items():
        size = sum(tensor.nbytes for tensor in adam_states(1000, **kind).values())
        known(f"adam_bytes_{number}").check(size / 1000)
        known("model_state_bytes", parameters=1000, bytes_per_parameter=number).check(size)


class Block(nn.Module):
    """A block as Korthikanti et al. count it: dropout after softmax, projection and MLP, with masks of a byte."""

    def __init__(self, h: int, a: int) -> None:
        super().__init__()
        self.heads, self.recompute_core = a, False
        self.norms = nn.ModuleList(nn.LayerNorm(h) for _ in range(2))
        self.qkv, self.out = nn.Linear(h, 3 * h), nn.Linear(h, h)
        self.up, self.down = nn.Linear(h, 4 * h), nn.Linear(4 * h, h)

    def core(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = torch.baddbmm(q.new_empty(()), q, k.transpose(1, 2), beta=0, alpha=q.shape[-1] ** -0.5)
        return dropout(scores.softmax(-1)) @ v

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, s, h = x.shape
        parts = self.qkv(self.norms[0](x)).view(b, s, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = (part.reshape(b * self.heads, s, -1) for part in parts)
        mixed = checkpoint(self.core, q, k, v, use_reentrant=False) if self.recompute_core else self.core(q, k, v)
        mixed = mixed.view(b, self.heads, s, -1).transpose(1, 2).reshape(b, s, h)
        x = x + dropout(self.out(mixed))
        return x + dropout(self.down(F.gelu(self.up(self.norms[1](x)))))


def dropout(x: torch.Tensor) -> torch.Tensor:
    """Dropout that keeps a mask of one byte an element, as on an accelerator."""
    return torch.native_dropout(x, 0.1, True)[0]


def saved_bytes(block: Block, x: torch.Tensor) -> int:
    """Bytes of the distinct tensors that autograd keeps, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in block.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = block(x)
    size = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    del y
    return size


@pytest.mark.parametrize(("s", "b", "h", "a"), [(64, 2, 256, 4), (128, 1, 128, 8)])
def test_activation_bytes(s, b, h, a):
    block = Block(h, a).to(torch.bfloat16)
    x = torch.randn(b, s, h, dtype=torch.bfloat16, requires_grad=True)
    everything = saved_bytes(block, x)
    known("activation_bytes_per_layer", s=s, b=b, h=h, a=a).check(everything)
    block.recompute_core = True
    without_core = saved_bytes(block, x)
    known("selective_recompute_saving", s=s, h=h, a=a).check((everything - without_core) / everything)
    term = (everything - without_core) / (s * b * h)
    known("activation_attention_term", s=s, h=h, a=a).check(term)


def test_full_recompute_flops():
    """A block recomputed whole: torch skips what the backward pass does not need, if one lets it."""
    for tokens, width in ((64, 64), (32, 128)):
        for early_stop in (False, True):
            extra = recomputed_block(tokens, width, early_stop)
            if early_stop:
                known("full_recompute_flops_early_stop", h=width, s=tokens).check(extra)
            else:
                known("full_recompute_flops").check(extra)


def recomputed_block(tokens: int, width: int, early_stop: bool) -> float:
    heads = 4
    layers = [nn.Linear(a * width, b * width, bias=False) for a, b in ((1, 3), (1, 1), (1, 4), (4, 1))]

    def block(x: torch.Tensor) -> torch.Tensor:
        parts = layers[0](x).view(1, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = attention(*parts).transpose(1, 2).reshape(1, tokens, width)
        return layers[3](layers[2](layers[1](mixed)).relu())

    def step(recompute: bool) -> None:
        x = torch.ones(1, tokens, width, requires_grad=True)
        y = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        y.sum().backward()

    with set_checkpoint_early_stop(early_stop):
        return count_flops(step, True) / count_flops(step, False) - 1


def test_selective_recompute_flops():
    for tokens, width in ((64, 64), (32, 128)):
        known("selective_recompute_flops", h=width, s=tokens).check(counted_selective(tokens, width))
        known("selective_recompute_flops_early_stop", h=width, s=tokens).check(core_with_early_stop(tokens, width))


def core_with_early_stop(tokens: int, width: int) -> float:
    qkv, out, up, down = (nn.Linear(a * width, b * width, bias=False) for a, b in ((1, 3), (1, 1), (1, 4), (4, 1)))

    def step(recompute: bool) -> None:
        x = torch.ones(1, tokens, width, requires_grad=True)
        parts = qkv(x).view(1, tokens, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        mixed = checkpoint(attention, *parts, use_reentrant=False) if recompute else attention(*parts)
        down(up(out(mixed.transpose(1, 2).reshape(1, tokens, width))).relu()).sum().backward()

    return count_flops(step, True) / count_flops(step, False) - 1
