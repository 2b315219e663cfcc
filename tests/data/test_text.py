"""The frozen text is the same everywhere, its split does not leak, and its baselines are what they say."""

import bz2
import hashlib
import math
from importlib.resources import files

import pytest
import torch

from course_lib.data.text import Corpus, WindowDataset

TEXT = files("course_lib") / "bank" / "text"


@pytest.fixture(scope="module")
def corpus():
    return Corpus.load()


def test_the_frozen_text_has_not_changed():
    data = (TEXT / "python_reference_topics.txt").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "2a95af4ac93f5b719944030ce3769070ddf827d847cba42192afa8da989e5dc4"
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in (TEXT / "LICENSE-PSF.txt").read_text()
    assert f"{len(data.decode()):,} characters" in (TEXT / "README.md").read_text().replace("\n", " ")


def test_the_tokens_are_frozen_too(corpus):
    assert corpus.vocab_size == 103
    assert (len(corpus.train), len(corpus.held_out)) == (339_800, 33_434)
    # Stored weights and runs name their text by this: a new value makes every one of them stale.
    assert corpus.sha256 == "bf6d80bc2dc2f4d21c95fc8ce237e5d334193e9838153b99d88020528bb2025c"


def test_a_tenth_is_held_out_and_little_of_it_is_in_the_training_text(corpus):
    train, held_out = corpus.decode(corpus.train), corpus.decode(corpus.held_out)
    assert 0.08 < len(held_out) / (len(train) + len(held_out)) < 0.12
    known = {train[i : i + 50] for i in range(len(train) - 50)}
    leaked = sum(held_out[i : i + 50] in known for i in range(len(held_out) - 50)) / (len(held_out) - 50)
    assert leaked < 0.03
    paragraphs = {" ".join(p.split()) for p in train.split("\n\n")} - {""}
    assert not paragraphs & {" ".join(p.split()) for p in held_out.split("\n\n")}


def test_every_paragraph_of_the_source_is_kept(corpus):
    text = (TEXT / "python_reference_topics.txt").read_text(encoding="utf-8")
    kept = corpus.decode(corpus.train) + corpus.decode(corpus.held_out)
    plain = lambda t: {" ".join(p.split()) for p in t.split("\n\n")} - {""}  # noqa: E731
    assert plain(text) == plain(kept)


def test_encode_and_decode(corpus):
    text = "The “for” statement…\n"
    assert corpus.decode(corpus.encode(text)) == text
    assert corpus.encode("").shape == (0,)
    with pytest.raises(ValueError, match="no '語'"):
        corpus.encode("語")


def test_batches_are_shifted_by_one_and_repeatable(corpus):
    def draw(seed):
        return corpus.batch("train", 3, torch.Generator().manual_seed(seed), 16)

    x, y = draw(1)
    assert x.shape == y.shape == (3, 16) and x.is_contiguous() and y.is_contiguous()
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert corpus.decode(x[0]) + corpus.decode(y[0, -1:]) in corpus.decode(corpus.train)
    assert torch.equal(x, draw(1)[0]) and not torch.equal(x, draw(2)[0])
    assert not torch.equal(x, corpus.batch("held_out", 3, torch.Generator().manual_seed(1), 16)[0])


def test_a_batch_can_start_everywhere():
    small = Corpus("ab", torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1]))
    x, y = small.batch("train", 64, torch.Generator().manual_seed(0), 2)
    assert {tuple(row) for row in x.tolist()} == {(0, 1), (1, 0)} and y.shape == (64, 2)


@pytest.mark.parametrize(("split", "size", "words"), [("test", 8, "no split 'test'"), ("train", 10**6, "is too long")])
def test_bad_batches_are_named(corpus, split, size, words):
    with pytest.raises(ValueError, match=words):
        corpus.batch(split, 2, torch.Generator(), size)


def test_a_text_too_short_is_named():
    with pytest.raises(ValueError, match="nothing could be held out"):
        Corpus.from_text("too short")


def test_windows_cover_the_text_once(corpus):
    windows = WindowDataset(corpus.held_out, 64)
    assert len(windows) == (len(corpus.held_out) - 1) // 64
    assert torch.equal(torch.cat([windows[i][0] for i in range(len(windows))]), corpus.held_out[: 64 * len(windows)])
    x, y = windows[len(windows) - 1]
    assert torch.equal(x[1:], y[:-1])
    assert sum(1 for _ in windows) == len(windows)
    with pytest.raises(ValueError, match="no window"):
        WindowDataset(corpus.held_out[:64], 64)


def test_baselines(corpus):
    # Two equally frequent symbols cost one bit each.
    even = Corpus("ab", torch.tensor([0, 1] * 5000), torch.tensor([0, 1, 1, 0] * 100))
    assert even.unigram_bits_per_char == pytest.approx(1.0, abs=1e-6)
    skewed = Corpus("ab", torch.tensor([0, 0, 0, 1] * 5000), torch.tensor([0, 0, 0, 1] * 100))
    assert skewed.unigram_bits_per_char == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)), abs=1e-3)
    held_out = corpus.decode(corpus.held_out).encode()
    assert corpus.bz2_bits_per_char == 8 * len(bz2.compress(held_out)) / len(corpus.held_out)
    assert corpus.bz2_after_training_bits_per_char < corpus.bz2_bits_per_char < corpus.unigram_bits_per_char
