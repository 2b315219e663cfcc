"""What the sweeps compute: what a bucket size leaves, captions that follow from the data."""

import pytest

from course_lib.parallelism.costs import Link
from course_lib.parallelism.sweeps import buckets_picture, exposed_seconds, in_words, parameters_picture, tokens_picture


def test_too_many_and_too_few_buckets_both_lose():
    link = Link(alpha_s=0.005, bytes_per_s=1000)  # two ranks: 2 messages, .01 s, and all bytes once
    left = {n: exposed_seconds([1000 // n] * n, 1.0, 2, link) for n in (1, 10, 1000)}
    assert left[1] == pytest.approx(1.01)  # ready at the end, then latency and all bytes
    assert left[10] == pytest.approx(0.2)  # first ready at .1 s, ten times .11 s without a gap
    assert left[1000] == pytest.approx(10.001)  # first ready at .001 s, a thousand times .011 s


def test_the_last_bucket_always_sticks_out():
    assert exposed_seconds([1, 1], 1.0, 2, Link(0.0, 1e9)) == pytest.approx(1e-9, rel=1e-6)


MEASURED = {"backward": (2.0, 8.0), "all-reduce": (1.0, 3.0)}
COMPUTED = {"4NT/F": (1.0, 8.0), "bytes/B": (0.5, 4.0), "latency + bytes/B": (0.9, 4.4)}


def test_captions_say_what_was_drawn():
    words = buckets_picture((10_000, 2_000_000, 9_000_000), [3, 1, 2], [2, 3, 1], (7, 4, 1)).caption
    assert "from 7 messages to 1" in words and "least at 9 MB as measured, at 2 MB by the model" in words
    words = parameters_picture((1000, 8000), MEASURED, COMPUTED, 256).caption
    assert "with 8 times the parameters the backward pass takes 4 times" in words and "all-reduce 3 times" in words
    words = tokens_picture((64, 128), (2.0, 1.0), (1.5, 0.7)).caption
    assert "rule falls from 2.00 to 1.00" in words and "from 1.50 to 0.70" in words
    words = in_words(77e9, Link(1e-4, 2e9), (4_000, 1_600_000), (0.0005, 0.002))
    assert "latency takes half of the time at 400 kB" in words and "0.5 ms for 0.004 MB, 2 ms for 1.6 MB" in words
