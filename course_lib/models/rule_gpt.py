"""A small GPT that answers by a planted rule, so that an explanation of it can be compared with the truth.

The rule is `course_lib.data.rule_text`'s: the digit after `@` is the answer at `?`. Trained weights are committed:
`load_checkpoint("rule_gpt")`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.data.rule_text import WINDOW, RuleText
from course_lib.data.text import Corpus
from course_lib.models.gpt import GPT
from course_lib.models.train_gpt import fit, small_gpt

CONFIG = {"block_size": WINDOW, "num_heads": 4}
FIT = {"steps": 200, "batch_size": 64, "lr": 4e-3}


def train_rule_gpt(seed: int = 0, unmarked: bool = True, **changes: float | int) -> GPT:
    """Train on windows with one or two copies of the key; some seconds. changes: arguments of `fit` that differ.

    unmarked=False leaves the unmarked third digit out of the training windows: the model then answers as well by the
    digit that has no `#` before it, and hardly needs the `@` (an answer by another rule than the one that was planted).
    """
    model = small_gpt(seed, **CONFIG)
    text, generator = RuleText(Corpus.load(), unmarked=unmarked), torch.Generator().manual_seed(seed)
    fit(model, text, **(FIT | changes), generator=generator)
    return model.eval()


@torch.no_grad()
def answer_probability(model: GPT, tokens: Tensor, answer: Tensor) -> Tensor:
    """Probability (B,) that the model gives to an answer (B,) after windows (B, T)."""
    return model(tokens)[:, -1].softmax(-1).gather(1, answer[:, None])[:, 0]


@torch.no_grad()
def accuracy(model: GPT, tokens: Tensor, answer: Tensor) -> float:
    """Share of windows (B, T) after which the answer (B,) is the most likely of all characters."""
    return (model(tokens)[:, -1].argmax(-1) == answer).float().mean().item()


def score(model: GPT, count: int = 2048) -> dict[str, dict[str, float]]:
    """What the card says: accuracy on held-out windows with one and with two copies of the key, drawn from seed 1."""
    generator, corpus = torch.Generator().manual_seed(1), Corpus.load()
    drawn = {name: RuleText(corpus, n).draw("held_out", count, generator) for n, name in ((1, "one"), (2, "two"))}
    return {"accuracy": {name: round(accuracy(model, each.tokens, each.answer), 4) for name, each in drawn.items()}}
