"""The GPT is GPT-2's architecture, causal, repeatable, and equal to torch's own layers."""

import math

import pytest
import torch

from course_lib.lab.device import seed_all
from course_lib.lab.measure import count_flops
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.models.plain import PlainGPT, training_step

SMALL = GPTConfig(vocab_size=11, block_size=8, num_layers=2, num_heads=2, d_model=16)


def make(config=SMALL, seed=0):
    seed_all(seed)
    return GPT(config)


def test_gpt2_small_has_its_124_439_808_parameters():
    with torch.device("meta"):
        model = GPT(GPTConfig(50257, 1024, 12, 12, 768, tie_weights=True))
    assert model.num_parameters() == 124_439_808


def test_parameters_by_formula():
    v, t, n, d = 11, 8, 2, 16
    assert make().num_parameters() == 2 * v * d + t * d + n * (12 * d * d + 13 * d) + 2 * d


def test_tied_weights_are_one_tensor():
    model = make(GPTConfig(11, 8, 2, 2, 16, tie_weights=True))
    assert model.head.weight is model.embed.weight
    assert model.num_parameters() == make().num_parameters() - 11 * 16


def test_it_equals_torchs_own_layers():
    model = make()
    for p in model.parameters():  # larger weights than at the start, so that every part matters
        torch.nn.init.normal_(p, std=0.3)
    plain = PlainGPT.like(model)
    x, y = torch.randint(11, (2, 3, 8))
    torch.testing.assert_close(model(x), plain(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.loss(x, y), plain.loss(x, y))
    for each in (model, plain):
        training_step(each, torch.optim.SGD(each.parameters(), lr=0.1), x, y)
    torch.testing.assert_close(model(x), plain(x), rtol=1e-3, atol=1e-3)


def test_a_token_does_not_see_what_follows():
    model = make()
    x = torch.randint(11, (1, 8))
    changed = x.clone()
    changed[0, 5] = (x[0, 5] + 1) % 11
    before, after = model(x), model(changed)
    assert torch.equal(before[0, :5], after[0, :5])
    assert not torch.equal(before[0, 5], after[0, 5])


def test_the_seed_decides_the_weights():
    first, again, other = (make(seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embed.weight"], other["embed.weight"])


def test_the_scaled_start_follows_the_width_and_is_the_one_by_itself():
    for width in (64, 256):
        model = make(GPTConfig(1000, 256, 8, 2, width))
        block, deep = model.blocks[0], math.sqrt(2 * 8)
        for weight, std in (
            (model.embed.weight, 0.1),
            (model.position.weight, 0.1),
            (model.head.weight, 0.5 / math.sqrt(width)),
            (block.attention.qkv.weight, 0.5 / math.sqrt(width)),
            (block.attention.project.weight, 0.5 / math.sqrt(width) / deep),
            (block.mlp.expand.weight, 0.5 / math.sqrt(width)),
            (block.mlp.project.weight, 0.5 / math.sqrt(4 * width) / deep),
        ):
            assert weight.std().item() == pytest.approx(std, rel=0.05)
        assert not block.attention.qkv.bias.any() and not block.mlp.project.bias.any()


def test_a_tied_matrix_starts_as_the_output_layer():
    model = make(GPTConfig(1000, 8, 2, 2, 64, tie_weights=True))
    assert model.embed.weight.std().item() == pytest.approx(0.5 / 8, rel=0.05)


def test_gpt2s_start_is_kept():
    model = make(GPTConfig(1000, 8, 8, 2, 64, init="gpt2"))
    for weight in (model.embed.weight, model.head.weight, model.blocks[0].mlp.expand.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.blocks[0].mlp.project.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    x, y = torch.randint(1000, (2, 4, 8))
    assert model.loss(x, y).item() == pytest.approx(math.log(1000), rel=0.02)


def test_loss_reductions_and_ignored_targets():
    model = make()
    x, y = torch.randint(11, (2, 3, 8))
    y[0, :4] = -100
    each = model.loss(x, y, reduction="none")
    assert each.shape == (24,) and (each[:4] == 0).all()
    torch.testing.assert_close(model.loss(x, y, reduction="sum"), each.sum())
    torch.testing.assert_close(model.loss(x, y), each.sum() / 20)


def test_flops_of_a_step_by_formula():
    batch, tokens, layers, d, v = 3, 8, 2, 16, 11
    model = make()
    x, y = torch.randint(11, (2, batch, tokens))
    matrices = 2 * batch * tokens * (layers * 12 * d * d + v * d)
    attention = layers * 2 * (2 * batch * tokens * tokens * d)
    assert count_flops(model, x) == matrices + attention
    assert count_flops(lambda: model.loss(x, y).backward()) == 3 * (matrices + attention)


def test_generate_continues_and_repeats():
    model = make()
    x = torch.randint(11, (2, 3))
    out = model.generate(x, 20, torch.Generator().manual_seed(0))
    assert out.shape == (2, 23) and torch.equal(out[:, :3], x)
    assert torch.equal(out, model.generate(x, 20, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"d_model": 10, "num_heads": 4}, "does not divide into"),
        ({"num_layers": 0}, "num_layers=0"),
        ({"init": "xavier"}, 'no init \'xavier\': use "scaled" or "gpt2"'),
    ],
)
def test_bad_sizes_are_named(sizes, words):
    with pytest.raises(ValueError, match=words):
        GPTConfig(**{"vocab_size": 11, **sizes})


def test_too_many_tokens_are_named():
    with pytest.raises(ValueError, match="more than block_size=8"):
        make()(torch.zeros(1, 9, dtype=torch.long))
