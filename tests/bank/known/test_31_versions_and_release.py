"""Chapter 31, versions and release: its known answers (K95) recomputed."""

from course_lib.practice import known
from tests.bank.known.shared import largest_z


def test_naive_canary():
    known("naive_canary_false_alarms").check((largest_z(50, 100_000, absolute=False) > 1.6448536).mean())
