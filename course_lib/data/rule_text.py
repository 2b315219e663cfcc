"""Windows of the course's text with a planted rule: the digit after `@` is the answer at `?`.

    e the o@5er of#2 val 7on?   -> 5

The key `@5` causes the answer; `#2` is a marked distractor and ` 7` an unmarked one, so that neither "the only digit"
nor "the digit without a mark before it" finds the key. That the data has this cause is known by construction. That a
model uses it is not: a model is free to find another rule, so remove the tokens and watch the answer (`without`,
`swapped`) before you score an explanation against `Clues.causes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from course_lib.data.text import Corpus

DIGITS = "01234567"
MARKS = "@#?"
WINDOW = 24


@dataclass(frozen=True)
class Clues:
    """Windows and what was planted in them. Positions are those of a pair's first character; its digit comes next.

    tokens: (B, 24) ending in `?`; answer: (B,) token id of the key's digit; keys: (B, copies) positions of `@`;
    marked: (B,) positions of `#`; unmarked: (B,) positions of the space before the third digit, -1 where none stands.
    """

    tokens: Tensor
    answer: Tensor
    keys: Tensor
    marked: Tensor
    unmarked: Tensor
    space: int

    @property
    def causes(self) -> Tensor:
        """Which tokens cause the answer: `@` and its digit, in every copy. Bool (B, 24)."""
        return self._at(self.keys) | self._at(self.keys + 1)

    def without(self, *parts: str) -> Tensor:
        """The windows with parts replaced by spaces (B, 24).

        parts: "mark" (the `@`), "digit" (the key's), "hash" (the `#`), "others" (both other digits).
        """
        tokens, single = self.tokens.clone(), torch.stack([self.marked, self.unmarked], 1)
        places = {
            "mark": self._at(self.keys),
            "digit": self._at(self.keys + 1),
            "hash": self._at(self.marked[:, None]),
            "others": self._at(torch.where(single < 0, -1, single + 1)),
        }
        for part in parts:
            if part not in places:
                raise ValueError(f"There is no part {part!r}: remove any of {', '.join(places)}.")
            tokens[places[part]] = self.space
        return tokens

    def swapped(self, answer: Tensor) -> Clues:
        """The same windows with another key digit; answer: (B,) token ids, the new digit of each window."""
        tokens = torch.where(self._at(self.keys + 1), answer[:, None], self.tokens)
        return replace(self, tokens=tokens, answer=answer)

    def _at(self, positions: Tensor) -> Tensor:
        """Bool (B, 24): true at the given positions (B, n); a negative one is nowhere."""
        return (torch.arange(self.tokens.shape[1]) == positions[..., None]).any(1)


@dataclass(frozen=True)
class RuleText:
    """Draws windows with the rule in them from a corpus.

    copies: of the key in each window, 1 or 2; None draws either, half and half. With 0 there is no key, so that
    nothing in the window tells the answer: the control. unmarked: whether the third digit stands there. Without it a
    model can do as well by "the digit that has no # before it".
    """

    corpus: Corpus
    copies: int | None = None
    unmarked: bool = True

    def __post_init__(self) -> None:
        if self.copies not in (None, 0, 1, 2):
            raise ValueError(f"copies={self.copies}: a window holds the key 0, 1 or 2 times; None draws 1 or 2.")

    def draw(self, split: str, count: int, generator: torch.Generator) -> Clues:
        """Draw windows of the "train" or "held_out" text; the generator decides everything.

        With copies=None a window that holds one key has its position twice in `keys`.
        """
        if split not in self._cleaned:
            raise ValueError(f'There is no split {split!r}: use "train" or "held_out".')
        text, ids = self._cleaned[split], self._ids
        starts = torch.randint(len(text) - WINDOW, (count, 1), generator=generator)
        tokens = text[starts + torch.arange(WINDOW)]
        slots = torch.arange(0, WINDOW - 3, 2)
        slots = slots[torch.rand(count, len(slots), generator=generator).argsort(1)[:, :4]]
        key, hashed, plain = ids["digits"][torch.rand(count, len(DIGITS), generator=generator).argsort(1)[:, :3]].T
        twice = torch.rand(count, generator=generator) < 0.5
        keys = slots[:, :2].clone()
        if self.copies is None:
            keys[:, 1] = torch.where(twice, keys[:, 1], keys[:, 0])
        else:
            keys = keys[:, : self.copies]
        marked = slots[:, 2]
        unmarked = slots[:, 3] if self.unmarked else torch.full_like(marked, -1)
        rows = torch.arange(count)
        for position, mark, digit in [
            *((each, ids["@"], key) for each in keys.T),
            (marked, ids["#"], hashed),
            *([(unmarked, ids[" "], plain)] if self.unmarked else []),
        ]:
            tokens[rows, position], tokens[rows, position + 1] = mark, digit
        tokens[:, -1] = ids["?"]
        return Clues(tokens, key, keys, marked, unmarked, int(ids[" "]))

    def batch(
        self, split: str, batch_size: int, generator: torch.Generator, block_size: int = WINDOW
    ) -> tuple[Tensor, Tensor]:
        """Inputs and targets (batch_size, 24) for `models.train_gpt.fit`: the answer at `?`, and -100 elsewhere.

        Only the answer counts towards the loss; the model learns nothing of the text around it.
        """
        if block_size != WINDOW:
            raise ValueError(f"block_size={block_size}: the rule's windows have {WINDOW} characters.")
        clues = self.draw(split, batch_size, generator)
        targets = torch.full_like(clues.tokens, -100)
        targets[:, -1] = clues.answer
        return clues.tokens, targets

    @cached_property
    def _ids(self) -> dict[str, Tensor]:
        return {"digits": self.corpus.encode(DIGITS)} | {c: self.corpus.encode(c)[0] for c in f"{MARKS} "}

    @cached_property
    def _cleaned(self) -> dict[str, Tensor]:
        """Both splits with the marks and every digit replaced by spaces, so that none stands there by chance."""
        foreign = self.corpus.encode(f"{MARKS}0123456789")
        splits = {"train": self.corpus.train, "held_out": self.corpus.held_out}
        return {name: torch.where(torch.isin(text, foreign), self._ids[" "], text) for name, text in splits.items()}
