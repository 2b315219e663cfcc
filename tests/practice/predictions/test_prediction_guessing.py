"""A guess is read as people write it, and its distance is said in words."""

import math

import pytest

from course_lib.practice.predictions.guessing import Misread, read_guess, score, verdict


@pytest.mark.parametrize(
    ("given", "unit", "value"),
    [
        (150, "MB", 150),
        (1.5e2, None, 150),
        ("1.5e2", "MB", 150),
        (" 150 MB ", "MB", 150),
        ("150MB", "MB", 150),
        ("20,000", "tokens", 20_000),
        ("20 000 tokens", "tokens", 20_000),
        ("1_000_000", None, 1_000_000),
        (".5", None, 0.5),
        ("2e4 Tokens  per gpu", "tokens per GPU", None),
        ("2e4 Tokens  per GPU", "tokens per GPU", 20_000),
        ("-3", None, -3),
        ("\N{MINUS SIGN}3", None, -3),
        ("0", "MB", 0),
    ],
)
def test_a_number_with_or_without_its_unit_is_read(given, unit, value):
    if value is None:
        with pytest.raises(Misread):
            read_guess(given, unit)
    else:
        assert read_guess(given, unit) == value


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("", "no number yet"),
        ("  ", "no number yet"),
        ("many", "'many' does not begin"),
        ("MB 150", "does not begin"),
        ("150 GB", "'GB' was not expected"),
        ("150 Mb", "'Mb' was not expected"),
        ("1,5", "',5' was not expected"),
        ("10-20", "'-20' was not expected"),
        ("1e999", "not a finite number"),
        ("e5", "does not begin"),
        (float("nan"), "nan is not a finite number"),
        (-math.inf, "not a finite number"),
        (True, "True is not a finite number"),
        (None, "None is not a finite number"),
        ([150], "is not a finite number"),
        (1j, "not a finite number"),
        (10**400, "not a finite number"),
        pytest.param(10**5000, "This int is not a finite number", id="5001 digits"),
        pytest.param("9" * 100_000, "not a finite number", id="text of 100,000 digits"),
    ],
)
def test_anything_else_is_one_short_sentence_with_an_example(given, names):
    with pytest.raises(Misread) as caught:
        read_guess(given, "MB")
    assert names in str(caught.value)
    assert "20 MB" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_an_array_of_one_is_its_number_and_of_more_is_none():
    import numpy

    assert read_guess(numpy.float32(1.5)) == 1.5
    assert read_guess(numpy.array([3])) == 3
    with pytest.raises(Misread, match="not a finite number"):
        read_guess(numpy.ones(2))


@pytest.mark.parametrize(
    ("guess", "measured", "words"),
    [
        (150, 150, "Exact. Score 0.00"),
        (150.5, 150, "Within 1 %, too high. Score 0.00"),
        (119, 100, "Within 19 %, too high. Score 0.08"),
        (126, 100, "Within 26 %, too high. Score 0.10"),
        (100, 126, "Within 26 %, too low. Score 0.10"),
        (200, 100, "Factor 2, too high. Score 0.30"),
        (100, 200, "Factor 2, too low. Score 0.30"),
        (3000, 100, "Off by a factor 30, too high. Score 1.48"),
        (1e300, 1e-300, "Off by a factor 1e300, too high. Score 600.00"),
        (-5, 10, "the guess is not above zero; they differ by 15."),
        (5, 0, "the measured value is not above zero; they differ by 5."),
        (0, 0, "neither the guess nor the measured value is above zero; they are equal."),
    ],
)
def test_the_distance_is_said_in_words(guess, measured, words):
    assert words in verdict(guess, measured)


def test_the_score_is_the_logarithm_of_the_ratio_in_either_direction():
    assert score(1000, 10) == score(10, 1000) == pytest.approx(2)
    assert score(7, 7) == 0
    assert score(0, 7) is score(7, -1) is None
