"""Exhibit E4: utilisation as tokens per second over another team's tokens per second."""

from __future__ import annotations

from collections.abc import Callable

from course_lib.lab.measure import count_flops, rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range


def wrong(tokens_per_s: float, num_parameters: float, peak_flops_per_s: float) -> float:
    """Utilisation of one GPU in training a 7B model, from 0 to 1."""
    published_tokens_per_s = 3300
    return tokens_per_s / published_tokens_per_s


def repaired(tokens_per_s: float, num_parameters: float, peak_flops_per_s: float) -> float:
    """Utilisation of one GPU in training, from 0 to 1: model FLOPs a second over peak."""
    flops_per_token = 6 * num_parameters
    return flops_per_token * tokens_per_s / peak_flops_per_s


def measure(program: Callable[[float, float, float], float]) -> Finding:
    """Ask for 1,536 tokens/s of a 6.7B model on a GPU of 312e12 FLOP/s, with FLOPs counted on a real small model."""
    import torch
    from torch import nn

    layers = nn.Sequential(nn.Linear(64, 128, bias=False), nn.Linear(128, 64, bias=False))
    x = torch.ones(10, 64, requires_grad=True)
    counted = count_flops(lambda: layers(x).sum().backward()) / (10 * sum(p.numel() for p in layers.parameters()))
    truth = counted * 6.7e9 * 1536 / 312e12
    claimed = program(1536, 6.7e9, 312e12)
    on_faster = program(1536, 6.7e9, 989e12)
    still = "On a GPU with three times the peak the same speed gets the same utilisation."
    return Finding(
        claimed,
        "utilisation",
        f"1,536 tokens/s of a 6.7B model at a peak of 312 TFLOP/s is called {rounded(100 * claimed)} %; "
        f"{rounded(counted)} FLOPs per parameter and token, counted, make it {rounded(100 * truth)} %.",
        still if abs(on_faster / claimed - 312 / 989) > 0.01 else "",
        {"truth": truth, "flops_per_parameter_and_token": counted},
    )


EXHIBIT = Exhibit(
    number="E4",
    title="Utilisation of a training run",
    fault_name="Utilisation of somebody else's cluster",
    chapters=("01",),
    questions=("s000-q03", "s001-q06"),
    claim="1,536 tokens a second where the paper's run made about 3,300: 46.5 % utilisation.",
    quantity="the utilisation that is reported",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0.46, 0.47),
    healed=Range(0.197, 0.199),
    faulty={
        "return tokens_per_s /": (
            "A ratio of two speeds is a comparison of two runs. The other run was itself at a part of its peak."
        ),
    },
    fine={
        "published_tokens_per_s = 3300": "A published speed is worth quoting, as a comparison and with its source.",
        "def wrong(": "Speed, size and peak are all that a utilisation needs; the body uses one of them.",
    },
    why_it_passes_review=(
        "46 % looks like a good utilisation, near what well-tuned runs report, so nobody asks what it is a share of."
    ),
    repair=(
        "6 x parameters x tokens/s over the device's peak: 19.8 % (attention's FLOPs left out, as usual at short "
        "context)."
    ),
    source=(
        "6 FLOPs per parameter and token: PaLM, arXiv 2204.02311, appendix B, counted here. The claim and the "
        "paper's speed are quoted, not verified."
    ),
)
