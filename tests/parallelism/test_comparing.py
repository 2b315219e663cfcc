"""Words about strategies side by side follow from the rounds and spans that they describe."""

from course_lib.lab.spans import Span, Timeline
from course_lib.parallelism.comparing import comparison, last_step_picture, ready_meanwhile, waits_left
from course_lib.parallelism.rounds import Round

RUNS = {
    "each": [Round(9, 90, 2.0, 8.0, 0.0), Round(9, 90, 1.0, 4.0, 0.0)],
    "one": [Round(1, 90, 1.0, 1.0, 0.5)],
    "silent": [Round(0, 0, 1.0, 0.0, None)],
}


def test_shares_are_those_of_the_least_rounds():
    assert waits_left(RUNS, "each", "one") == "Of the wait of 'each' are left: one, 25 %."


def test_a_row_is_one_round():
    rows = repr(comparison(RUNS, fixed="model")).splitlines()
    assert rows[2].split() == ["each", "9", "1,000", "4,000", "5,000", "0"]
    assert rows[4].split() == ["silent", "-", "1,000", "0", "1,000", "-"]


def test_the_picture_counts_the_starts_inside_the_last_backward_pass():
    spans = [Span(r, "forward", t, t + 1) for r in (0, 1) for t in (0, 10)]
    spans += [Span(r, "backward", t + 1, t + 5) for r in (0, 1) for t in (0, 10)]
    spans += [Span(0, "all_reduce", t, t + 1) for t in (2, 12, 14, 15.5)] + [Span(1, "all_reduce", 12, 13)]
    words = last_step_picture(Timeline(spans)).caption
    assert "2 of rank 0's 3 all-reduces" in words


def test_gradients_that_become_ready_during_a_message_of_their_rank_are_counted():
    spans = [Span(0, "all_reduce", 2, 5), *(Span(0, "gradient", t, t) for t in (1, 3, 4, 6)), Span(1, "gradient", 3, 3)]
    assert ready_meanwhile(Timeline(spans)) == 2
