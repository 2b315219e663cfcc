"""K1, K2, K4 to K18, K27: what training costs in bytes and in FLOPs, counted on tensors and by torch."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from course_lib.lab.measure import count_flops
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.museum.chinchilla_rounded_fit import PRINTED, REFIT, searched
from course_lib.museum.selective_recompute_cost import counted as counted_selective
from course_lib.practice import known


def adam_states(parameters: int, *, gradient: torch.dtype, accumulate: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of mixed-precision Adam after one step, by name; bf16 weights, fp32 master copy and moments."""
    weights = torch.ones(parameters, dtype=torch.bfloat16)
    master = weights.float().requires_grad_()
    master.grad = torch.ones(parameters)
    optimizer = torch.optim.Adam([master])
    optimizer.step()
    state = optimizer.state[master]
    tensors = {
        "weights": weights,
        "gradients": torch.ones(parameters, dtype=gradient),
        "master": master.detach(),
        "first moment": state["exp_avg"],
        "second moment": state["exp_avg_sq"],
    }
    return tensors | ({"accumulated": torch.zeros(parameters)} if accumulate else {})


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


@pytest.mark.parametrize("n", [1, 4, 64])
def test_zero_bytes(n):
    parameters = 64 * 10
    tensors = adam_states(parameters, gradient=torch.bfloat16)
    sharded = {1: {"master", "first moment", "second moment"}}
    sharded[2] = sharded[1] | {"gradients"}
    sharded[3] = sharded[2] | {"weights"}
    for stage, names in sharded.items():
        held = sum((t.chunk(n)[0] if name in names else t).nbytes for name, t in tensors.items())
        known(f"zero_{stage}_bytes", parameters=parameters, n=n).check(held)
    plain = [torch.ones(parameters)] * 2 + [torch.ones(parameters).chunk(n)[0].clone()] * 2
    known("zero_1_bytes_fp32", parameters=parameters, n=n).check(sum(t.numel() * t.element_size() for t in plain))


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


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (q @ k.transpose(-1, -2)).softmax(-1) @ v


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


def test_training_flops():
    layers, width, tokens, batch = 2, 128, 128, 2
    linear = [nn.Linear(width, k * width, bias=False) for k in (3, 1, 4)] + [nn.Linear(4 * width, width, bias=False)]

    def step() -> None:
        x = torch.ones(batch, tokens, width, requires_grad=True)
        for _ in range(layers):
            parts = linear[0](x).view(batch, tokens, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
            x = linear[3](linear[2](linear[1](attention(*parts).transpose(1, 2).reshape(batch, tokens, width))))
        x.sum().backward()

    n = layers * sum(layer.weight.numel() for layer in linear)
    d = batch * tokens
    flops = count_flops(step)
    known("training_flops", N=n, D=d, L=layers, h=width, s=tokens).check(flops)
    short = 1 - known("training_flops_6nd", N=n, D=d).value / flops
    assert short == pytest.approx(1 / 7)  # attention is as much again as a sixth of the products at s = h
    perceptron = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    x = torch.ones(d, 64, requires_grad=True)
    known("training_flops_6nd", N=2 * 64 * 64, D=d).check(count_flops(lambda: perceptron(x).sum().backward()))


def test_gpt2_parameters():
    with torch.device("meta"):
        model = GPT(GPTConfig(50257, 1024, 12, 12, 768, tie_weights=True))
    known("gpt2_parameters", V=50257, S=1024, L=12, h=768).check(sum(p.numel() for p in model.parameters()))


def test_attention_crossovers():
    """Lengths at which the counted FLOPs are equal: both are linear in T beyond the part that is not attention."""
    width, tokens = 16, 64

    def flops(layers: list[nn.Module]) -> int:
        x = torch.ones(1, tokens, width)
        return sum(count_flops(layer, x) for layer in layers)

    def linear(k: int) -> nn.Linear:
        return nn.Linear(width, k * width, bias=False)

    def attend(x: torch.Tensor) -> torch.Tensor:
        q = x.view(1, tokens, 2, width // 2).transpose(1, 2)
        return attention(q, q, q)

    down = nn.Linear(4 * width, width, bias=False)
    projections = [linear(1) for _ in range(4)]
    mlp = [linear(4), linear(4), lambda x: down(x.repeat(1, 1, 4))]
    per_width = flops([attend]) / (tokens / width)
    known("attention_crossover_projections").check(flops(projections) / per_width)
    known("attention_crossover_layer").check(flops(projections + mlp) / per_width)


def test_roofline():
    peak, bandwidth, width = 197e12, 8.2e11, 4096
    for weight_bytes in (1, 2):
        # The smallest batch whose product takes as long as reading its weights.
        batch = next(b for b in range(1, 1000) if 2 * b * width**2 / peak >= weight_bytes * width**2 / bandwidth)
        known("critical_batch", weight_bytes=weight_bytes, peak=peak, bandwidth=bandwidth).check(batch)
    values = {w: known("critical_batch", weight_bytes=w, peak=peak, bandwidth=bandwidth).value for w in (1, 2)}
    known("critical_batch_int8_weights").check(values[1] / values[2])


def test_intensities():
    x, y = (torch.ones(4096, dtype=torch.bfloat16) for _ in range(2))
    flops = 2 * len(x) - 1
    known("intensity_dot_product", N=len(x)).check(flops / (x.nbytes + y.nbytes + x[0].nbytes))
    s, t, width = 512, 1, 64
    keys, queries = (torch.ones(1, n, width, dtype=torch.bfloat16) for n in (s, t))
    flops = count_flops(lambda: attention(queries, keys, keys))
    moved = 2 * keys.nbytes + 2 * queries.nbytes
    known("intensity_attention", S=s, T=t).check(flops / moved)


def test_decode_bound():
    """One step reads the weights once and every cache; it makes one token a sequence."""
    bandwidth, kv, weights = 8 * 8.2e11, 6.7e9, 26e9
    for batch, printed in ((1, 200.6), (8, 659.3), (16, 788.0)):
        row = known("decode_tokens_per_s", B=batch, bandwidth=bandwidth, kv_bytes=kv, weight_bytes=weights)
        seconds = sum([weights / bandwidth, *[kv / bandwidth] * batch])
        row.check(batch / seconds)
        row.check(printed)


def test_utilisation():
    run = {"N": 37e9, "D": 14.8e12, "device_seconds": 2.79e6 * 3600, "peak": 1.513e15}
    known("model_flops_utilisation", **run).check(0.216)
    for recomputed in (0.0, 0.5, 1.0):
        forward, backward = 2 * run["N"] * run["D"], 4 * run["N"] * run["D"]
        done = forward + backward + recomputed * forward
        row = known("hardware_flops_utilisation", **run, r=recomputed)
        row.check(done / (run["device_seconds"] * run["peak"]))
        assert row.value >= known("model_flops_utilisation", **run).value


@pytest.mark.parametrize("size", ["22b", "175b", "530b", "1t"])
def test_mfu_is_at_most_hfu(size):
    assert known(f"megatron_{size}_mfu").value <= known(f"megatron_{size}_hfu").value


def test_tokens_per_parameter():
    known("chinchilla_tokens_per_parameter").check(searched(PRINTED, 5.76e23))
    known("chinchilla_refit_tokens_per_parameter").check(searched(REFIT, 5.76e23))
