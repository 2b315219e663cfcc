"""The runs behind the course's start and optimizer: two starts, two optimizers, two widths, three seeds.

`python -m course_lib.models.starts` adds to `runs/starts.json` the rows that it lacks; without the file it makes all of
them (half an hour of one idle core).
"""

from __future__ import annotations

import sys
import time
from itertools import product
from pathlib import Path

import torch

from course_lib.data.text import Corpus
from course_lib.models.stored_runs import StoredRuns, load_runs, save_runs, versions
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


def rows() -> list[dict[str, str | int]]:
    """What varies, one factor at a time from scaled with AdamW at d_model 64; both changes together at 64 only."""
    every = []
    for d_model, steps in product((64, 128), (300, 1200)):
        pairs = [("scaled", "adamw"), ("gpt2", "adamw")]
        pairs += [("scaled", "muon"), ("gpt2", "muon")] if d_model == 64 else []
        every += [
            {"init": init, "optimizer": optimizer, "d_model": d_model, "steps": steps, "seed": seed}
            for init, optimizer in pairs
            for seed in (0, 1, 2)
        ]
    every += [
        {"init": "scaled", "optimizer": name, "d_model": 64, "steps": 5000, "seed": 0} for name in ("adamw", "muon")
    ]
    return every


def stored(rows: list[dict[str, str | int | float]], seconds: float) -> StoredRuns:
    """The file's content around its rows."""
    return StoredRuns(
        name="starts",
        about="Start and optimizer of the small GPT: held-out bits per character by width, length and seed.",
        made_by="course_lib.models.starts:bits_after",
        recipe=RECIPE,
        varies=["init", "optimizer", "d_model", "steps", "seed"],
        measures={"bits_per_char": 0.05},
        versions=versions(),
        seconds=round(seconds),
        data_sha256=Corpus.load().sha256,
        rows=rows,
    )


def main(path: Path = PATH) -> int:
    """Train in one thread every row that the file lacks, and write the file after each: a broken-off run goes on."""
    torch.set_num_threads(1)
    done = load_runs(path).rows if path.is_file() else []
    for row in rows():
        if any(row.items() <= each.items() for each in done):
            continue
        start = time.process_time()
        done = [*done, {**row, **bits_after(**row, **RECIPE), "seconds": round(time.process_time() - start, 1)}]
        save_runs(stored(done, sum(each["seconds"] for each in done)), path)
        print(done[-1], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
