"""The course's text: a frozen excerpt of the Python reference as characters, split without leaks, with baselines.

The source repeats itself: the topic "compound" contains the text of "if", "while" and "with" again. Of the raw text,
cut as below, 36 % of the held-out windows of 50 characters stand in the training text as well, so that memory would
pass for learning. Each paragraph is therefore kept once, where it comes first; then 2 % of the windows stand in both.
"""

from __future__ import annotations

import bz2
import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

BLOCK_CHARS = 4000
HELD_OUT_EVERY = 10


@dataclass(frozen=True)
class Corpus:
    """Characters as token ids. chars: the vocabulary in code-point order; train, held_out: LongTensor (num_tokens,)."""

    chars: str
    train: Tensor
    held_out: Tensor

    @classmethod
    def load(cls) -> Corpus:
        """Load the frozen text: paragraphs once each, in blocks of 4,000 characters or a little more.

        Every tenth block is held out. The last tenth of the text would be another kind of text (sequence types, the
        statements from "while" to "yield"), and whole topics are too uneven (200 to 62,000 characters) for 10 %.
        """
        text = (files("course_lib") / "bank" / "text" / "python_reference_topics.txt").read_text(encoding="utf-8")
        return cls.from_text(text)

    @classmethod
    def from_text(cls, text: str) -> Corpus:
        """Make a corpus of any text, split as `load` says. ValueError if it is too short to hold a block out."""
        blocks = _blocks(list(_paragraphs_once(text)))
        held_out = "".join(blocks[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
        if not held_out:
            raise ValueError(
                f"The text has {len(text):,} characters and fewer than {HELD_OUT_EVERY} blocks of {BLOCK_CHARS:,}: "
                "nothing could be held out; use a longer text."
            )
        train = "".join(block for i, block in enumerate(blocks) if i % HELD_OUT_EVERY != HELD_OUT_EVERY - 1)
        chars = "".join(sorted(set(text)))
        return cls(chars, _ids(train, chars), _ids(held_out, chars))

    @property
    def vocab_size(self) -> int:
        """Number of different characters."""
        return len(self.chars)

    def encode(self, text: str) -> Tensor:
        """Token ids (len(text),) of a text. ValueError names a character that the corpus does not have."""
        unknown = sorted(set(text) - set(self.chars))
        if unknown:
            raise ValueError(
                f"The corpus has no {unknown[0]!r}: use its {self.vocab_size} characters (`corpus.chars`)."
            )
        return torch.tensor([self._ids[char] for char in text], dtype=torch.long)

    def decode(self, ids: Tensor) -> str:
        """The text of token ids (num_tokens,)."""
        return "".join(self.chars[i] for i in ids.tolist())

    def batch(
        self, split: str, batch_size: int, generator: torch.Generator, block_size: int = 64
    ) -> tuple[Tensor, Tensor]:
        """Random windows of the "train" or "held_out" split: x and, one later, y, both (batch_size, block_size)."""
        tokens = self._split(split)
        if block_size >= len(tokens):
            raise ValueError(
                f"block_size={block_size} is too long: the split {split!r} has {len(tokens):,} characters."
            )
        starts = torch.randint(len(tokens) - block_size, (batch_size, 1), generator=generator)
        windows = tokens[starts + torch.arange(block_size + 1)]
        return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()

    @cached_property
    def sha256(self) -> str:
        """A fingerprint of both splits, which stored weights and stored runs name as the text they were made on."""
        return hashlib.sha256(f"{self.decode(self.train)}|{self.decode(self.held_out)}".encode()).hexdigest()

    @cached_property
    def unigram_bits_per_char(self) -> float:
        """Held-out bits per character of a model that knows only how often each character is in the training text.

        Add-one smoothing, so that a character that the training text lacks costs a finite number of bits.
        """
        counts = Counter(self.train.tolist())
        total = len(self.train) + self.vocab_size
        return -sum(math.log2((counts[token] + 1) / total) for token in self.held_out.tolist()) / len(self.held_out)

    @cached_property
    def bz2_bits_per_char(self) -> float:
        """Bits per character of the held-out text compressed by bz2 alone, from nothing."""
        text = self.decode(self.held_out).encode()
        return 8 * len(bz2.compress(text)) / len(self.held_out)

    @cached_property
    def bz2_after_training_bits_per_char(self) -> float:
        """What the held-out text adds when bz2 compresses it behind the training text, in bits per held-out character.

        The fairer rival of a trained model: it has read the training text too (bz2 sorts blocks of 900 kB, so it sees
        all of it at once).
        """
        train, held_out = self.decode(self.train).encode(), self.decode(self.held_out).encode()
        return 8 * (len(bz2.compress(train + held_out)) - len(bz2.compress(train))) / len(self.held_out)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {char: i for i, char in enumerate(self.chars)}

    def _split(self, split: str) -> Tensor:
        if split not in ("train", "held_out"):
            raise ValueError(f'There is no split {split!r}: use "train" or "held_out".')
        return self.train if split == "train" else self.held_out


class WindowDataset(torch.utils.data.Dataset):
    """Non-overlapping windows of a token tensor, for data loaders and samplers.

    tokens: (num_tokens,). Item i is x = tokens[i·T : (i+1)·T] and y, one later, both (T,) with T = block_size; a rest
    shorter than a window is left out.
    """

    def __init__(self, tokens: Tensor, block_size: int = 64) -> None:
        if len(tokens) <= block_size:
            raise ValueError(
                f"{len(tokens):,} tokens hold no window of block_size={block_size} and the token after it."
            )
        self.tokens = tokens
        self.block_size = block_size

    def __len__(self) -> int:
        return (len(self.tokens) - 1) // self.block_size

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        if not 0 <= i < len(self):
            raise IndexError(f"window {i} of {len(self)}")
        start = i * self.block_size
        window = self.tokens[start : start + self.block_size + 1]
        return window[:-1], window[1:]


def _ids(text: str, chars: str) -> Tensor:
    """Positions in `chars`, which are sorted, of the characters of `text`; by arrays, since each rank does it anew."""
    points, vocabulary = (np.frombuffer(one.encode("utf-32-le"), dtype=np.uint32) for one in (text, chars))
    return torch.from_numpy(np.searchsorted(vocabulary, points).astype(np.int64))


def _paragraphs_once(text: str) -> list[str]:
    """The paragraphs of a text in order, each only where it stands first (compared without regard to white space)."""
    seen: dict[str, str] = {}
    for paragraph in text.split("\n\n"):
        seen.setdefault(" ".join(paragraph.split()), paragraph)
    return list(seen.values())


def _blocks(paragraphs: list[str]) -> list[str]:
    """Whole paragraphs joined into blocks of at least BLOCK_CHARS characters (the last may be shorter)."""
    blocks = [""]
    for paragraph in paragraphs:
        if len(blocks[-1]) >= BLOCK_CHARS:
            blocks.append("")
        blocks[-1] += paragraph + "\n\n"
    return blocks
