"""Committed weights: a safetensors file and a JSON card that says how it was made and what it scores.

`python -m course_lib.models.checkpoint gpt_d64` trains a file again (minutes) and writes it and its card anew.
A model trained elsewhere from the same seed has other weights in the last digits and the same bits per character within
0.05, so that chapters load the file, and a slow test (`pytest -m slow`) shows that the card's recipe leads to it.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from course_lib.data.text import Corpus
from course_lib.models import rule_gpt
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.models.train_gpt import bits_per_char, fit, small_gpt

WEIGHTS = Path(__file__).parent / "weights"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What makes a committed file again, and what its card says of the result.

    config: fields of `GPTConfig`; fit: arguments of `fit`; why: the reason for this recipe; train() makes the model
    and takes arguments of `fit` that are to differ; score(model) measures it.
    """

    config: dict[str, Any]
    fit: dict[str, Any]
    why: str
    train: Callable[..., GPT]
    score: Callable[[GPT], dict[str, dict[str, float]]]
    seed: int = 0


TEXT_FIT = {"steps": 5000, "batch_size": 16, "optimizer": "adamw", "lr": 5e-3}


def train_text_gpt(seed: int = 0, **changes: Any) -> GPT:
    """Train the small GPT on the course's text as the committed one was; changes: arguments of `fit` that differ."""
    model = small_gpt(seed)
    fit(model, Corpus.load(), **(TEXT_FIT | changes), generator=torch.Generator().manual_seed(seed))
    return model.eval()


def score_text_gpt(model: GPT) -> dict[str, dict[str, float]]:
    """Bits per character of both splits."""
    corpus = Corpus.load()
    splits = (("train", corpus.train), ("held_out", corpus.held_out))
    return {"bits_per_char": {split: round(bits_per_char(model, tokens), 4) for split, tokens in splits}}


RECIPES = {
    "gpt_d64": Recipe(
        {},
        TEXT_FIT,
        "AdamW: after 5,000 steps 1.857 bits per character held out against Muon's 1.950 (rate 0.04, same seed); and "
        "a step costs 3.2 times as much with Muon on a CPU without bfloat16 instructions (thread time, in turns). The "
        "held-out text chose the better of these two recipes, so that its score is no test of the choice; no weight "
        "was trained on it.",
        train_text_gpt,
        score_text_gpt,
    ),
    "rule_gpt": Recipe(
        rule_gpt.CONFIG,
        rule_gpt.FIT,
        "200 steps: at 100 the answer has a probability of 0.97, at 200 of 0.999.",
        rule_gpt.train_rule_gpt,
        rule_gpt.score,
    ),
}


def read_card(name: str, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The card of a committed file: config, fit, seed, scores, sha256 of the file and of its text, torch's version.

    Raises:
        ValueError: there is no such card, or it cannot be read, or it lacks an entry.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        there = ", ".join(sorted(each.stem for each in folder.glob("*.json"))) or "none"
        raise ValueError(f"There is no card {path}: the committed weights are {there}.")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ValueError(f"The card {path} is not JSON ({problem}): restore it from the repository.") from None
    lacking = {"config", "fit", "seed", "sha256", "corpus_sha256"} - set(card if isinstance(card, dict) else ())
    if lacking:
        raise ValueError(f"The card {path} lacks {', '.join(sorted(lacking))}: restore it from the repository.")
    return card


def load_checkpoint(name: str = "gpt_d64", folder: Path = WEIGHTS) -> GPT:
    """The committed GPT of that name on the CPU, in evaluation mode, after its file's hash was compared with its card.

    The bytes that were hashed are the bytes that are read. On an accelerator: `.to(lab.device())`.

    Raises:
        ValueError: the card or the file is missing, the hash differs, or the file does not fit the card's config.
    """
    card, path = read_card(name, folder), folder / f"{name}.safetensors"
    if not path.is_file():
        raise ValueError(f"{path} is missing, though its card is there: restore it from the repository.")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != card["sha256"]:
        raise ValueError(
            f"{path} has the sha256 {found[:12]}… and its card says {card['sha256'][:12]}…: restore both from the "
            f"repository, or make both again with python -m course_lib.models.checkpoint {name}."
        )
    try:
        model = GPT(GPTConfig(**card["config"]))
        model.load_state_dict(load(data))
    except (SafetensorError, RuntimeError, TypeError) as problem:
        first = str(problem).splitlines()[0]
        raise ValueError(f"{path} does not fit the config on its card ({first}): restore both.") from None
    return model.eval()


def write_checkpoint(name: str, model: GPT, card: dict[str, Any], folder: Path = WEIGHTS) -> dict[str, Any]:
    """Write a model and its card, completed by its config, hashes and torch's version; returns the card."""
    data = save({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()})
    full = card | {
        "config": dataclasses.asdict(model.config),
        "num_parameters": model.num_parameters(),
        "corpus_sha256": Corpus.load().sha256,
        "torch": torch.__version__.split("+")[0],
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(data)
    (folder / f"{name}.json").write_text(json.dumps(full, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return full


def main(argv: list[str] | None = None) -> int:
    """Train a committed file again and write it with its card."""
    parser = argparse.ArgumentParser(prog="python -m course_lib.models.checkpoint", description=main.__doc__)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument(
        "--folder", type=Path, default=WEIGHTS, help="where to write; by itself over the committed files"
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # one profile, so that two makings on one machine give the same bytes
    recipe, start = RECIPES[args.name], time.process_time()
    model = recipe.train(recipe.seed)
    card = {"fit": recipe.fit, "seed": recipe.seed, "why": recipe.why, "seconds": round(time.process_time() - start)}
    scores = recipe.score(model)
    card = write_checkpoint(args.name, model, card | scores, args.folder)
    print(f"{args.folder / args.name}.safetensors: {scores}, sha256 {card['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
