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
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from course_lib.data.text import Corpus
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.models.train_gpt import bits_per_char, fit, small_gpt

WEIGHTS = Path(__file__).parent / "weights"
# What `make` needs to train a file again: the model's and the run's arguments, and why they are these.
RECIPES: dict[str, dict[str, Any]] = {
    "gpt_d64": {
        "config": {"d_model": 64, "init": "scaled"},
        "fit": {"steps": 5000, "batch_size": 16, "optimizer": "adamw", "lr": 5e-3},
        "seed": 0,
        "why": "AdamW is what `fit` uses by itself; torch's Muon computes in bfloat16, and on a CPU without bfloat16 "
        "instructions its step costs three times as much.",
    }
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


def load_checkpoint(name: str = "gpt_d64", folder: Path = WEIGHTS, kind: type[GPT] = GPT) -> GPT:
    """The committed GPT of that name on the CPU, in evaluation mode, after its file's hash was compared with its card.

    The bytes that were hashed are the bytes that are read. On an accelerator: `.to(lab.device())`. kind: GPT, or the
    class of its that the weights belong to.

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
        model = kind(GPTConfig(**card["config"]))
        model.load_state_dict(load(data))
    except (SafetensorError, RuntimeError, TypeError) as problem:
        first = str(problem).splitlines()[0]
        raise ValueError(f"{path} does not fit the config on its card ({first}): restore both.") from None
    return model.eval()


def train_again(name: str, steps: int | None = None) -> GPT:
    """Train the model of a recipe from its seed, in full or for fewer steps (to show the loop, not to match)."""
    recipe = RECIPES[name]
    model = small_gpt(recipe["seed"], **recipe["config"])
    generator = torch.Generator().manual_seed(recipe["seed"])
    fit(model, Corpus.load(), **recipe["fit"] | ({"steps": steps} if steps else {}), generator=generator)
    return model


def score(model: GPT) -> dict[str, dict[str, float]]:
    """What the card of a model of text says of it: bits per character on both splits."""
    corpus = Corpus.load()
    splits = (("train", corpus.train), ("held_out", corpus.held_out))
    return {"bits_per_char": {split: round(bits_per_char(model, tokens), 4) for split, tokens in splits}}


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
    start = time.process_time()
    model = train_again(args.name)
    card = RECIPES[args.name] | {"seconds": round(time.process_time() - start)} | score(model)
    card = write_checkpoint(args.name, model, card, args.folder)
    print(f"{args.folder / args.name}.safetensors: {card['bits_per_char']}, sha256 {card['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
