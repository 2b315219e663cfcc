"""The runs behind the course's start and optimizer: two starts, two optimizers, two widths, three seeds.

`python -m course_lib.models.starts` makes `runs/starts.json` again (an hour of one core).
"""

from __future__ import annotations

from pathlib import Path

import torch

from course_lib.data.text import Corpus
from course_lib.models.train_gpt import bits_per_char, fit, small_gpt

PATH = Path(__file__).parent / "runs" / "starts.json"
RECIPE = {"batch_size": 16, "lr": 5e-3, "muon_lr": 0.04}


def bits_after(
    *, init: str, optimizer: str, d_model: int, steps: int, seed: int, batch_size: int, lr: float, muon_lr: float
) -> dict[str, float]:
    """Held-out bits per character of the small GPT after a run; `seed` draws the weights and the batches."""
    corpus, model = Corpus.load(), small_gpt(seed, init=init, d_model=d_model)
    generator = torch.Generator().manual_seed(seed)
    rates = {"lr": lr, "muon_lr": muon_lr}
    fit(model, corpus, steps=steps, batch_size=batch_size, optimizer=optimizer, **rates, generator=generator)
    return {"bits_per_char": round(bits_per_char(model, corpus.held_out), 4)}
