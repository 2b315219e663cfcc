"""Exhibit 8: dynamic quantisation is asked for Linear and Conv2d, and leaves every convolution as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor, nn


def wrong(model: nn.Module) -> nn.Module:
    """Quantise the model's Linear and Conv2d layers to int8."""
    import torch
    from torch import nn

    model.eval()
    layers = {nn.Linear, nn.Conv2d}
    return torch.ao.quantization.quantize_dynamic(model, layers, dtype=torch.qint8)


def repaired(model: nn.Module) -> nn.Module:
    """Quantise the weights of the model's Linear and Conv2d layers to int8, one scale per output channel."""
    import torch
    from torch import nn

    class Int8(nn.Module):
        """A layer whose weight is stored as int8 and a scale, and multiplied out when it is used."""

        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            weight = layer.weight.detach()
            scale = weight.abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True) / 127
            self.register_buffer("weight", torch.round(weight / scale).to(torch.int8))
            self.register_buffer("scale", scale)
            layer.weight = None
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight * self.scale
            return torch.func.functional_call(self.layer, {"weight": weight}, (x,))

    model.eval()
    for name, layer in list(model.named_children()):
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            setattr(model, name, Int8(layer))
    return model


def measure(program: Callable[[nn.Module], nn.Module]) -> Finding:
    """Compare the bytes of the stored state and count the multiply-adds that still run on float32 weights."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    x = torch.randn(4, 3, 16, 16)
    expected = model.eval()(x)
    before = _bytes(model)
    model = program(copy.deepcopy(model))
    error = float((model(x) - expected).abs().max() / expected.abs().max())
    left = [layer for layer in model.children() if type(layer) is nn.Conv2d]
    work = [16 * 16 * layer.weight.numel() for layer in left]
    share = sum(work) / (16 * 16 * 9 * (3 * 64 + 64 * 64) + 640)
    size = _bytes(model) / before
    return Finding(
        share,
        "of the multiply-adds",
        f"{rounded(100 * share)} % of the multiply-adds run on float32 weights; the stored state has "
        f"{rounded(100 * size, 2)} % of its former bytes.",
        "" if error < 0.05 else f"The outputs changed by {rounded(100 * error, 2)} %.",
        {"size": size, "error": error},
    )


def _bytes(model: nn.Module) -> int:
    import io

    import torch

    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return len(buffer.getvalue())


EXHIBIT = Exhibit(
    number="8",
    title="Quantising a network with one call",
    fault_name="Dynamic quantisation that skips the convolutions",
    chapters=("12",),
    questions=("s004-q04", "s001-q02"),
    claim="quantize_dynamic with {Linear, Conv2d} quantises the network and cuts its latency.",
    quantity="the share of multiply-adds that run on float32 weights",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.9, 1),
    healed=Range(0, 0.001),
    faulty={
        "quantize_dynamic(": (
            "Dynamic quantisation has no Conv2d: the entry is skipped, no warning names it, and only the last Linear "
            "changes."
        ),
    },
    fine={
        "model.eval()": "Quantising for inference starts in eval mode.",
        "layers = {nn.Linear, nn.Conv2d}": (
            "A set of module types is what the call takes, and these two hold the work."
        ),
    },
    why_it_passes_review=(
        "No error; the warnings of torch 2.13 say that torch.ao.quantization is deprecated, with torchao in its place, "
        "and not that two layers were left out; and the printed model does show one quantised layer. In ResNet-50 "
        "the one Linear holds 2,049,000 of 25,557,032 parameters, 8 %, and far less of the arithmetic."
    ),
    repair=(
        "Quantise the convolutions too, by a method that has them: static quantisation, or int8 weights with a "
        "scale per channel as here (memory; for latency the kernels must be int8). Count layer types after the "
        "call."
    ),
)
