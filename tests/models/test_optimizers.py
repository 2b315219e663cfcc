"""Which parameter is trained by which rule, and that a Muon run learns and repeats."""

import pytest
import torch

from course_lib.data.text import Corpus
from course_lib.models.optimizers import optimizers
from course_lib.models.train_gpt import fit, small_gpt

SMALL = {"block_size": 16, "num_layers": 1, "num_heads": 1, "d_model": 16}


def names_by_rule(rules, model):
    names = {p: name for name, p in model.named_parameters()}
    return [[names[p] for group in rule.param_groups for p in group["params"]] for rule in rules]


def test_adamw_takes_everything_and_decays_matrices_only():
    model = small_gpt(**SMALL)
    (rule,) = optimizers(model, "adamw", lr=0.01)
    (names,) = names_by_rule([rule], model)
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    for group in rule.param_groups:
        assert group["initial_lr"] == 0.01
        assert {p.dim() >= 2 for p in group["params"]} == {group["weight_decay"] == 0.1}


@pytest.mark.parametrize("tied", [False, True])
def test_muon_takes_the_matrices_inside_the_blocks(tied):
    model = small_gpt(**SMALL, tie_weights=tied)
    rules = optimizers(model, "muon", lr=0.01, muon_lr=0.03)
    assert [type(rule) for rule in rules] == [torch.optim.AdamW, torch.optim.Muon]
    rest, inside = names_by_rule(rules, model)
    assert sorted(inside) == [
        f"blocks.0.{name}.weight" for name in ("attention.project", "attention.qkv", "mlp.expand", "mlp.project")
    ]
    assert sorted(rest + inside) == sorted(name for name, _ in model.named_parameters())
    assert [{group["initial_lr"] for group in rule.param_groups} for rule in rules] == [{0.01}, {0.03}]


def test_muon_moves_q_k_v_as_one_orthogonal_matrix():
    torch.manual_seed(0)
    model = small_gpt(**SMALL, init="gpt2")
    weight = model.blocks[0].attention.qkv.weight
    before = weight.detach().clone()
    for p in model.parameters():
        p.grad = torch.randn_like(p)
    *_, muon = optimizers(model, "muon", muon_lr=1.0)
    muon.param_groups[0]["weight_decay"] = 0.0
    muon.step()
    # 48 by 16: one tall matrix has 16 singular values near 1, times torch's sqrt(rows/columns) = sqrt(3).
    singular = torch.linalg.svdvals(before - weight.detach()) / 3**0.5
    assert singular.min() > 0.6 and singular.max() < 1.25
    parts = [torch.linalg.svdvals(part) for part in (before - weight.detach()).chunk(3)]
    assert min(part.min() for part in parts) < 0.6  # three matrices, each split off, would have them near 1


def test_a_muon_run_learns_and_repeats():
    corpus = Corpus.load()

    def train(seed, optimizer="muon", **rates):
        model = small_gpt(1, **SMALL)
        generator = torch.Generator().manual_seed(seed)
        return fit(model, corpus, steps=40, batch_size=8, optimizer=optimizer, generator=generator, **rates)

    losses = train(1)
    assert sum(losses[-5:]) / 5 < losses[0] - 1
    assert train(1) == losses
    assert train(2) != losses
    assert train(1, "adamw") != losses
    assert train(1, muon_lr=0.01) != losses and train(1, lr=1e-3) != losses


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"name": "sgd"}, 'no optimizer \'sgd\': use "adamw" or "muon"'),
        ({"lr": 0.0}, "lr=0.0: a learning rate"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"name": "muon", "muon_lr": -1.0}, "muon_lr=-1.0"),
    ],
)
def test_bad_values_are_named(bad, words):
    with pytest.raises(ValueError, match=words):
        optimizers(small_gpt(**SMALL), **bad)
