"""A typed number is read with its unit, converted, and compared within the tolerance; misfits are one sentence."""

import pytest

from course_lib.practice.cards.numbers import Unread, judge, read_quantity, unit_of


@pytest.mark.parametrize(
    ("typed", "answer", "unit"),
    [
        ("150 MB", 0.15, "GB"),
        ("0.15 GB", 150, "MB"),
        ("0.15GB", 150, "MB"),
        ("2 GiB", 2.147, "GB"),
        ("8 Gbit", 1, "GB"),
        ("400 Gbps", 50, "GB/s"),
        ("50 gigabytes", 50, "GB"),
        ("115 hours", 4.8, "days"),
        ("4.8 天", 4.8, "days"),
        ("0.33", 0.33, ""),
        ("33%", 33, "%"),
        ("about 20", 20, ""),
        ("≈ 20.", 20, "ms"),
        ("3.3 x 10^24", 3.3e24, "FLOPs"),
        ("3.3e12 TFLOP", 3.3e24, "FLOPs"),
        ("8 million", 8e6, ""),
        ("200万", 2e6, ""),
        ("1,120", 1120, "GB"),
        ("\N{MINUS SIGN}2", -2, ""),
        ("1.05", 1, ""),
        ("3/2", 1.5, ""),
        ("6 / 4", 1.5, ""),
        ("1,5", 1.5, ""),
        ("7,9k", 7900, ""),
        ("1.5x", 1.5, ""),
        ("1.5 times", 1.5, ""),
        ("8k", 8000, ""),
        ("7B", 7e9, ""),
        ("16 B", 16, "bytes"),
    ],
)
def test_right_in_any_unit_that_converts(typed, answer, unit):
    assert judge(typed, answer, unit).right


@pytest.mark.parametrize(
    ("typed", "answer", "unit", "said"),
    [
        ("150 GB", 150, "MB", "yours is 1,000 times too large"),
        ("1.07", 1, "", "7 % too large"),
        ("-2", 2, "", "it is 2."),
        ("16 GiB", 16, "GB", "7.4 % too large"),
        ("0", 2, "", "it is 2."),
    ],
)
def test_wrong_says_by_how_much(typed, answer, unit, said):
    found = judge(typed, answer, unit)
    assert not found.right and said in found.sentence


@pytest.mark.parametrize(
    ("typed", "unit", "said"),
    [
        ("150 GB", "days", "'GB' measures data, and the answer does not: give the number in days"),
        ("50 GB", "GB/s", "'GB' measures data"),
        ("4 km", "days", "'km' was not expected after the number"),
        ("4 days", "", "give the number without a unit"),
        ("", "MB", "There is no number yet"),
        ("   ", "MB", "There is no number yet"),
        ("many", "MB", "'many' does not begin with a number"),
        ("1e999", "", "not a finite number"),
        ("3/0", "", "not a finite number"),
        ("9" * 1_000_000, "", "1,000,000 characters long"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(typed, unit, said):
    with pytest.raises(Unread) as caught:
        judge(typed, 4.0, unit)
    assert said in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_words_of_the_sentence_may_follow_the_number():
    about = "the machine's balance, about ____ FLOP per byte on an H100"
    assert judge("295 FLOP per byte", 295, "", about).right
    assert judge("295 FLOP/byte", 295, "FLOP", about).right
    assert judge("295", 295, "FLOP", about).sentence == "Right: 295 FLOP per byte."
    with pytest.raises(Unread):
        judge("295 bananas", 295, "", about)
    with pytest.raises(Unread):
        judge("295 b", 295, "", about)


def test_a_unit_is_found_at_the_start_of_what_follows():
    assert [
        unit_of(text) for text in (" days on 256", " %.", " GB/s of", " s in", " 天。", " K on four", " Batches")
    ] == [
        "days",
        "%",
        "GB/s",
        "s",
        "天",
        "",
        "",
    ]


def test_a_number_is_read_with_what_stands_behind_it():
    assert read_quantity("1,120.5 GB each") == (1120.5, "GB each")


def test_a_letter_scales_the_number_unless_the_sentence_uses_it():
    assert judge("7.9k tokens", 7900, "", "a rank needs ____ tokens per step").right
    assert judge("1.5 K", 1.5, "", "each rank sends ____ K on four ranks").right
    assert not judge("1.5k", 1.5, "", "each rank sends ____ K on four ranks").right
