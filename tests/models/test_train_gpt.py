"""Training repeats, learns, and its measure in bits agrees with a direct sum."""

import itertools
import math

import pytest
import torch

from course_lib.data.text import Corpus
from course_lib.lab.device import seed_all
from course_lib.models.gpt import GPT, GPTConfig
from course_lib.models.train_gpt import bits_per_char, fit, schedule, small_gpt


@pytest.fixture(scope="module")
def corpus():
    return Corpus.load()


def make(corpus):
    seed_all(0)
    return GPT(GPTConfig(corpus.vocab_size, block_size=16, num_layers=1, num_heads=1, d_model=16))


def test_a_short_run_learns_and_repeats(corpus):
    def train(seed):
        model = make(corpus)
        before = bits_per_char(model, corpus.held_out)
        losses = fit(model, corpus, steps=60, batch_size=16, lr=1e-2, generator=torch.Generator().manual_seed(seed))
        return before, losses, bits_per_char(model, corpus.held_out)

    before, losses, after = train(1)
    assert len(losses) == 60
    assert before == pytest.approx(math.log2(corpus.vocab_size), rel=0.05)
    assert after < before - 1
    assert train(1)[1] == losses
    assert train(2)[1] != losses


def test_each_step_uses_its_own_gradient_only(corpus):
    fitted, by_hand = make(corpus), make(corpus)
    losses = fit(fitted, corpus, steps=3, batch_size=4, generator=torch.Generator().manual_seed(1))
    matrices, vectors = ([p for p in by_hand.parameters() if (p.dim() >= 2) == wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(1)
    for step, loss in enumerate(losses):
        x, y = corpus.batch("train", 4, generator, 16)
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * schedule(step / 3)
        gradients = torch.autograd.grad(by_hand.loss(x, y), list(by_hand.parameters()))
        assert by_hand.loss(x, y).item() == pytest.approx(loss, rel=1e-4)
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        for parameter, gradient in zip(by_hand.parameters(), gradients, strict=True):
            parameter.grad = gradient / max(norm, 1.0)
        optimizer.step()
    for one, other in zip(fitted.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_on_step_sees_every_loss(corpus):
    seen = []
    losses = fit(make(corpus), corpus, steps=5, on_step=lambda step, loss: seen.append((step, loss)))
    assert [step for step, _ in seen] == [1, 2, 3, 4, 5]
    assert [loss for _, loss in seen] == losses


def test_a_time_ends_the_run(corpus):
    assert len(fit(make(corpus), corpus, seconds=0.2)) >= 1


@pytest.mark.parametrize("length", [{}, {"steps": 1, "seconds": 1.0}])
def test_one_length_is_needed(corpus, length):
    with pytest.raises(ValueError, match="one of the two"):
        fit(make(corpus), corpus, **length)


@pytest.mark.parametrize("bad", [{"steps": 0}, {"steps": -3}, {"seconds": 0.0}, {"steps": 3, "batch_size": 0}])
def test_a_run_that_trains_nothing_is_named(corpus, bad):
    with pytest.raises(ValueError, match="trains nothing"):
        fit(make(corpus), corpus, **bad)


def test_the_small_gpt_is_the_one_of_the_course():
    model = small_gpt(seed=3)
    assert model.num_parameters() == 117_376 and model.config.init == "scaled"
    assert torch.equal(model.embed.weight, small_gpt(3).embed.weight)
    assert not torch.equal(model.embed.weight, small_gpt(4).embed.weight)
    assert small_gpt(init="gpt2", d_model=32).config == GPTConfig(103, d_model=32, init="gpt2")


def test_the_schedule_warms_up_and_comes_down():
    shares = [schedule(i / 100) for i in range(101)]
    assert shares[0] < 0.1 and shares[5] == 1.0 and shares[100] == pytest.approx(0.1)
    assert all(a <= b for a, b in itertools.pairwise(shares[:6]))
    assert all(a >= b for a, b in itertools.pairwise(shares[5:]))


def test_the_schedule_never_multiplies_the_rate():
    edges = [0.0, 5e-324, 1e-9, 0.001, 0.002, 0.05, 0.5, 1 - 1e-16, 1.0]
    for done, warmup, final in itertools.product(edges, edges, (0.0, 0.1, 1.0)):
        assert 0 <= schedule(done, warmup, final) <= 1
    assert schedule(0, warmup=1e-9) == 1.0  # a warm-up shorter than a step is none
    assert schedule(0, warmup=0.0) == 1.0
    assert schedule(0.5, warmup=1.0) == 0.5


@pytest.mark.parametrize("bad", [{"done": -0.1}, {"done": 1.1}, {"warmup": 20}, {"final": -1}, {"done": math.nan}])
def test_a_bad_share_is_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*from 0 to 1"):
        schedule(**{"done": 0.5, **bad})


def test_bits_per_char_is_the_mean_over_every_character(corpus):
    model = make(corpus)
    tokens = corpus.held_out[:39]  # two windows of 16 and a rest of 6
    nats = [
        model.loss(tokens[None, i : i + n], tokens[None, i + 1 : i + n + 1], "sum").item()
        for i, n in ((0, 16), (16, 16), (32, 6))
    ]
    assert bits_per_char(model, tokens) == pytest.approx(sum(nats) / 38 / math.log(2), rel=1e-5)
    with pytest.raises(ValueError, match="at least 2 tokens"):
        bits_per_char(model, tokens[:1])
