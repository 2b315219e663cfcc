"""Numbers with a source: read, stripped, evaluated and, without a source, refused."""

import pytest

from course_lib.practice.knowledge.sourced_numbers import (
    Number,
    bare_numbers,
    calculate,
    find_numbers,
    number_problems,
    plain,
    resolve,
)


def test_readers_see_only_the_shown_number():
    text = "sends {{known:ring_all_reduce_factor n=4|1.5}} times, {{given:64}} ranks"
    assert plain(text) == "sends 1.5 times, 64 ranks"
    assert plain(plain(text)) == plain(text)
    assert [(n.kind, n.value) for n in find_numbers(text)] == [("known", 1.5), ("given", 64.0)]


@pytest.mark.parametrize(
    "text",
    ["an H100 with bf16", "rank 0 and rank 2", "chapter 07", "第 06 章", "1F1B", "`2(n−1)/n`", "GPT-3", "c06-q01"],  # noqa: RUF001
)
def test_names_and_formulas_are_no_bare_numbers(text):
    assert bare_numbers(text) == []


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("on 64 ranks", ["64"]),
        ("共64个rank", ["64"]),
        ("GPU数64", ["64"]),
        ("8x faster", ["8"]),
        ("about 1,120 GB", ["1,120"]),
        ("`1.5`", ["1.5"]),
        ("rank 64", ["64"]),
        ("in 2017 it was 3.2", ["2017", "3.2"]),
    ],
)
def test_bare_numbers_are_found(text, bare):
    assert bare_numbers(text) == bare


def test_formulas_are_evaluated_and_nothing_else():
    assert calculate("2*(n-1)/n n=64") == 1.96875
    assert calculate("sqrt(2*d*M) d=30 M=11134.6") == pytest.approx(817.4, abs=0.1)
    for source in ("__import__('os')", "n", "1/0", "1+", "(1).real"):
        with pytest.raises(ValueError, match=r"expression|formula"):
            calculate(source)


def test_a_known_answer_is_read_with_its_scale():
    assert resolve(Number("known", "ring_all_reduce_bytes n=4 K=1000000 /1e6", "6")) == pytest.approx(6)


@pytest.mark.parametrize(
    ("shown", "value", "tolerance"),
    [
        ("1.97", 1.97, 0.005),
        ("63", 63, 0.5),
        ("1,120", 1120, 5),
        ("20,000", 20000, 500),
        ("8 million", 8e6, 5e5),
        ("2万", 2e4, 5e3),
        ("3.15e23", 3.15e23, 5e20),
    ],
)
def test_a_shown_number_is_good_to_its_last_digit(shown, value, tolerance):
    number = Number("calc", "0", shown)
    assert (number.value, number.tolerance) == (value, pytest.approx(tolerance))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("on 64 ranks", "the number 64 has no source"),
        ("{{calc:2*(n-1)/n n=64|1.98}}", "gives 1.96875"),
        ("{{given:64}}", "used by no formula"),
        ("{{guess:64|64}}", "no kind of number"),
        ("{{known:ring_all_reduce_facto n=4|1.5}}", "is it ring_all_reduce_factor"),
        ("{{known:ring_all_reduce_factor|1.5}}", "needs n"),
        ("{{calc:1/0|1}}", "cannot be evaluated"),
        ("{{calc:1+1|two}}", "is not a number"),
        ("{{evidence:sampler|many}}", "is not a number"),
        ("{{calc:1+1|2", "not closed"),
    ],
)
def test_faults_are_named_with_a_remedy(text, says):
    assert any(says in problem for problem in number_problems([text]))


def test_a_premise_may_stand_in_another_text_of_the_record():
    assert number_problems(["on {{given:64}} ranks", "{{calc:2*(n-1)/n n=64|1.97}} times"]) == []
