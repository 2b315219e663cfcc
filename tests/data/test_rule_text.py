"""The planted rule is in every window, nothing else tells the answer, and interventions do what they say."""

import pytest
import torch

from course_lib.data.rule_text import WINDOW, RuleText
from course_lib.data.text import Corpus


@pytest.fixture(scope="module")
def corpus():
    return Corpus.load()


def draw(corpus, copies=1, count=400, seed=0, **options):
    return RuleText(corpus, copies, **options).draw("held_out", count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_every_window_holds_the_key_and_two_distractors(corpus, copies):
    clues = draw(corpus, copies)
    for row, tokens in enumerate(clues.tokens):
        text, answer = corpus.decode(tokens), corpus.decode(clues.answer[row : row + 1])
        assert len(text) == WINDOW and text[-1] == "?" and text.count("?") == 1
        assert text.count("@") == text.count("@" + answer) == text.count(answer) == copies
        hashed, plain = text[clues.marked[row] + 1], text[clues.unmarked[row] + 1]
        assert text.count("#") == 1 and text[clues.marked[row]] == "#" and text[clues.unmarked[row]] == " "
        assert sum(c.isdigit() for c in text) == copies + 2 and len({answer, hashed, plain}) == 3
        assert [i for i, cause in enumerate(clues.causes[row]) if cause] == sorted(
            place for key in clues.keys[row].tolist() for place in (key, key + 1)
        )


def test_either_one_or_two_copies_stand_there(corpus):
    clues = draw(corpus, None)
    marks = (clues.tokens == corpus.encode("@")).sum(1)
    assert set(marks.tolist()) == {1, 2} and 0.4 < (marks == 2).float().mean() < 0.6
    assert torch.equal(clues.causes.sum(1), 2 * marks)


def test_place_and_text_do_not_tell_the_answer(corpus):
    clues = draw(corpus, 1, count=8000)
    for place in range(0, WINDOW - 3, 2):
        digits = clues.answer[clues.keys[:, 0] == place]
        assert 0.06 < len(digits) / 8000 < 0.12  # eleven places, equally often
        assert max(torch.bincount(digits, minlength=103)) / len(digits) < 0.19  # eight digits, equally often


def test_the_generator_decides_the_windows(corpus):
    assert torch.equal(draw(corpus, seed=3).tokens, draw(corpus, seed=3).tokens)
    assert not torch.equal(draw(corpus, seed=3).tokens, draw(corpus, seed=4).tokens)


def test_only_the_answer_counts_in_a_batch(corpus):
    x, y = RuleText(corpus).batch("train", 5, torch.Generator().manual_seed(0))
    clues = RuleText(corpus).draw("train", 5, torch.Generator().manual_seed(0))
    assert torch.equal(x, clues.tokens) and torch.equal(y[:, -1], clues.answer) and (y[:, :-1] == -100).all()


@pytest.mark.parametrize(
    ("part", "per_copy", "once"), [("mark", 1, 0), ("digit", 1, 0), ("hash", 0, 1), ("others", 0, 2)]
)
def test_removing_a_part_changes_its_characters_only(corpus, part, per_copy, once):
    for copies in (1, 2):
        clues = draw(corpus, copies)
        changed = clues.without(part) != clues.tokens
        assert (changed.sum(1) == per_copy * copies + once).all()
        assert (clues.without(part)[changed] == clues.space).all()
        assert (changed & clues.causes).any() == (part in ("mark", "digit"))


def test_a_swapped_key_changes_the_digit_and_the_answer(corpus):
    clues = draw(corpus, 2)
    new = corpus.encode("9").expand(len(clues.answer))
    swapped = clues.swapped(new)
    assert torch.equal(swapped.answer, new) and ((swapped.tokens == new[:, None]).sum(1) == 2).all()
    assert ((swapped.tokens != clues.tokens).sum(1) == 2).all()


def test_without_the_third_digit_it_is_left_out(corpus):
    clues = draw(corpus, 1, unmarked=False)
    assert all(sum(c.isdigit() for c in corpus.decode(tokens)) == 2 for tokens in clues.tokens)
    assert ((clues.without("others") != clues.tokens).sum(1) == 1).all()


def test_bad_values_are_named(corpus):
    with pytest.raises(ValueError, match="copies=3: a window holds the key 0, 1 or 2 times"):
        RuleText(corpus, 3)
    with pytest.raises(ValueError, match="no part 'key': remove any of mark, digit, hash, others"):
        draw(corpus).without("key")
    with pytest.raises(ValueError, match="windows have 24 characters"):
        RuleText(corpus).batch("train", 2, torch.Generator(), 64)
    with pytest.raises(ValueError, match="no split 'test'"):
        RuleText(corpus).draw("test", 2, torch.Generator())
