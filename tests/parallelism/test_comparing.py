"""Words about strategies side by side follow from the rounds and spans that they describe."""

from course_lib.lab.spans import Span, Timeline
from course_lib.parallelism.comparing import comparison, last_step_picture, ready_meanwhile
from course_lib.parallelism.rounds import Round

RUNS = {
    "each": [Round(9, 90, 1, 2.0, 8.0, 10.0, 0.0, 1.0), Round(9, 90, 1, 1.0, 4.0, 5.0, 0.0, 1.0)],
    "one": [Round(1, 90, 1, 1.0, 1.0, 2.0, 0.5, 1.0)],
    "hook that waits": [Round(4, 90, None, 3.0, 0.5, 3.5, 0.0, 1.0)],
    "unseen": [Round(4, 90, None, 1.0, 0.0, 1.0, None, 1.0)],
    "silent": [Round(0, 0, 0, 1.0, 0.0, 1.0, 0.0, 1.0)],
}


def test_a_row_is_one_round_and_its_share_is_of_the_first_rows_wait():
    rows = repr(comparison(RUNS, fixed="model")).splitlines()
    assert rows[2].split() == ["each", "9", "1,000", "4,000", "100", "5,000", "0"]
    assert rows[3].split() == ["one", "1", "1,000", "1,000", "25", "2,000", "500"]
    assert rows[4].split()[3:] == ["4", "3,000", "500", "-", "3,500", "0"]
    assert rows[5].split() == ["unseen", "4", "1,000", "0", "-", "1,000", "-"]
    assert rows[6].split() == ["silent", "-", "1,000", "0", "-", "1,000", "0"]


def test_the_picture_counts_the_starts_inside_the_last_backward_pass():
    spans = [Span(r, "forward", t, t + 1) for r in (0, 1) for t in (0, 10)]
    spans += [Span(r, "backward", t + 1, t + 5) for r in (0, 1) for t in (0, 10)]
    spans += [Span(0, "all_reduce", t, t + 1) for t in (2, 12, 14, 15.5)] + [Span(1, "all_reduce", 12, 13)]
    words = last_step_picture(Timeline(spans)).caption
    assert "2 of rank 0's 3 all-reduces" in words


def test_gradients_that_become_ready_during_a_message_of_their_rank_are_counted():
    spans = [Span(0, "all_reduce", 2, 5), *(Span(0, "gradient", t, t) for t in (1, 3, 4, 6)), Span(1, "gradient", 3, 3)]
    assert ready_meanwhile(Timeline(spans)) == 2
