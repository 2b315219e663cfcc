"""The optimizers of the course's training loop: AdamW for everything, or Muon for the matrices inside the blocks."""

from __future__ import annotations

import math

import torch

from course_lib.models.gpt import GPT


def optimizers(
    model: GPT, name: str = "adamw", *, lr: float = 5e-3, muon_lr: float = 0.04
) -> list[torch.optim.Optimizer]:
    """The optimizers that together train a GPT; each group keeps its highest rate as "initial_lr".

    "adamw": one AdamW for everything, at `lr` (`muon_lr` is not used). "muon": `torch.optim.Muon` at `muon_lr` for the
    matrices inside the blocks and AdamW at `lr` for the rest (embeddings, output layer, biases, gains). Q, K and V lie
    in one matrix (3d, d), which Muon orthogonalises as one: it is not split. Weight decay 0.1 on matrices and
    embeddings, 0 on vectors; AdamW's betas 0.9 and 0.95; Muon's momentum 0.95 with Nesterov, five Newton-Schulz steps.

    torch's Muon computes these steps in bfloat16, whatever the model's dtype. On a CPU without bfloat16 instructions
    that is slow: a product of two 64 x 64 matrices took 16 times as long there as in fp32, and a step of the small GPT
    3.2 times as long as AdamW's at width 64, 8.8 times at 128 (thread time, in turns, batch 16).
    """
    if name not in ("adamw", "muon"):
        raise ValueError(f'There is no optimizer {name!r}: use "adamw" or "muon".')
    for which, rate in (("lr", lr), ("muon_lr", muon_lr)):
        if not 0 < rate < math.inf:
            raise ValueError(f"{which}={rate}: a learning rate is a finite number above 0.")
    hidden = [p for p in model.blocks.parameters() if p.dim() == 2] if name == "muon" else []
    rest = [p for p in model.parameters() if not any(p is matrix for matrix in hidden)]
    groups = [
        {"params": [p for p in rest if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0},
    ]
    rules: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)]
    if hidden:
        rules.append(torch.optim.Muon(hidden, lr=muon_lr, weight_decay=0.1, momentum=0.95))
    for rule in rules:
        for group in rule.param_groups:
            group["initial_lr"] = group["lr"]
    return rules
