"""The runs behind the recipe: what the file shows, and that a broken-off making goes on."""

import torch

from course_lib.models import starts
from course_lib.models.stored_runs import load_runs


def test_the_file_shows_what_the_recipe_was_chosen_for():
    runs = load_runs(starts.PATH)

    def mean(**conditions):
        return runs.mean("bits_per_char", d_model=64, **conditions)

    for steps in (300, 1200):
        scaled, _, count = mean(init="scaled", optimizer="adamw", steps=steps)
        gpt2, spread, others = mean(init="gpt2", optimizer="adamw", steps=steps)
        assert count == others == 3 and gpt2 - scaled > 4 * spread > 0
    adamw, muon = (mean(init="scaled", optimizer=name, steps=5000)[0] for name in ("adamw", "muon"))
    assert adamw < muon  # Muon leads early and not at the end
    assert mean(init="scaled", optimizer="muon", steps=300)[0] < mean(init="scaled", optimizer="adamw", steps=300)[0]


def test_every_stored_row_is_one_that_is_planned():
    plan = starts.rows()
    for row in load_runs(starts.PATH).rows:
        assert sum(planned.items() <= row.items() for planned in plan) == 1


def test_a_broken_off_making_goes_on(tmp_path, monkeypatch):
    plan, trained = starts.rows()[:3], []

    def train(**row):
        trained.append(row["seed"])
        return {"bits_per_char": 2.0 + row["seed"]}

    monkeypatch.setattr(starts, "bits_after", train)
    threads, path = torch.get_num_threads(), tmp_path / "starts.json"
    monkeypatch.setattr(starts, "rows", lambda: plan[:2])
    starts.main(path)
    monkeypatch.setattr(starts, "rows", lambda: plan)
    starts.main(path)
    torch.set_num_threads(threads)
    assert trained == [0, 1, 2]
    assert [row["bits_per_char"] for row in load_runs(path).rows] == [2.0, 3.0, 4.0]
