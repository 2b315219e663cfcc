"""The committed rule GPT uses the rule that was planted, shown by removing tokens; another one may not."""

import pytest
import torch

from course_lib.data.rule_text import DIGITS, RuleText
from course_lib.data.text import Corpus
from course_lib.models.checkpoint import load_checkpoint
from course_lib.models.rule_gpt import accuracy, answer_probability, score, train_rule_gpt


@pytest.fixture(scope="module")
def model():
    return load_checkpoint("rule_gpt")


def drawn(copies, unmarked=True):
    return RuleText(Corpus.load(), copies, unmarked).draw("held_out", 512, torch.Generator().manual_seed(5))


def chance(model, clues, *parts):
    return answer_probability(model, clues.without(*parts), clues.answer).mean().item()


def test_it_answers_held_out_windows(model):
    assert all(value > 0.99 for value in score(model, 512)["accuracy"].values())


@pytest.mark.parametrize("copies", [1, 2])
def test_the_key_causes_the_answer_and_nothing_else_does(model, copies):
    clues = drawn(copies)
    assert chance(model, clues) > 0.98
    assert chance(model, clues, "mark") < 0.5
    assert chance(model, clues, "digit") < 0.2
    assert chance(model, clues, "hash") > 0.98
    assert chance(model, clues, "others") > 0.98
    assert chance(model, clues, "mark", "others") < 0.6  # a lone digit is not the answer: the mark is needed


def test_another_key_digit_is_another_answer(model):
    clues, corpus = drawn(1), Corpus.load()
    others = corpus.encode("".join(DIGITS[(DIGITS.index(c) + 3) % 8] for c in corpus.decode(clues.answer)))
    swapped = clues.swapped(others)
    assert answer_probability(model, swapped.tokens, swapped.answer).mean() > 0.98


def test_without_a_key_nothing_tells_the_answer(model):
    clues = drawn(0)
    assert accuracy(model, clues.tokens, clues.answer) < 0.25


def test_without_the_unmarked_digit_a_model_finds_another_rule():
    model, clues = train_rule_gpt(unmarked=False, steps=100), drawn(1, unmarked=False)
    assert chance(model, clues) > 0.9
    assert chance(model, clues, "mark", "others") > 0.75  # any digit that has no # before it
