"""The rules of timeout, straggler and limit, on a clock made by the test."""

from itertools import pairwise

from course_lib.lab.gang.watchdog import Seen, Watchdog

BUSY = Seen(returned=False, progress=1, waiting=False)
STUCK = Seen(returned=False, progress=1, waiting=True)
DONE = Seen(returned=True, progress=1, waiting=False)


def first(dog, ranks_at, printed_at=lambda now: 0, until=100.0):
    """Look every 0.1 s; return the first verdict that is not "ask", with its time."""
    for tick in range(round(until * 10)):
        now = tick / 10
        verdict = dog.look(now, ranks_at(now), printed_at(now))
        if verdict not in (None, "ask"):
            return verdict, now
    return None, until


def dog(timeout=10.0, straggler=3.0, limit=None):
    return Watchdog(timeout=timeout, straggler=straggler, limit=limit, now=0.0)


def test_no_progress_ends_the_run_after_timeout():
    assert first(dog(), lambda now: [BUSY, STUCK]) == ("no progress", 10.0)


def test_progress_or_print_of_any_rank_keeps_the_run_alive():
    def moving(now):
        return [STUCK, Seen(returned=False, progress=int(now / 9), waiting=True)]

    assert first(dog(), moving) == (None, 100.0)
    assert first(dog(), lambda now: [BUSY, BUSY], lambda now: int(now / 9)) == (None, 100.0)


def test_the_clock_starts_again_at_each_progress():
    assert first(dog(), lambda now: [Seen(False, min(int(now), 5), False)]) == ("no progress", 15.0)


def test_limit_caps_a_run_that_makes_progress():
    assert first(dog(limit=7.0), lambda now: [Seen(False, int(now * 10), False)]) == ("limit", 7.0)


def test_a_skipped_collective_is_a_mismatch_after_straggler():
    assert first(dog(), lambda now: [DONE if now >= 2 else BUSY, STUCK]) == ("mismatch", 5.0)


def test_no_mismatch_while_one_unfinished_rank_still_works():
    assert first(dog(timeout=50), lambda now: [DONE, STUCK, BUSY]) == ("no progress", 50.0)


def test_no_mismatch_while_nobody_has_returned():
    assert first(dog(timeout=50), lambda now: [STUCK, STUCK]) == ("no progress", 50.0)


def test_no_mismatch_while_the_waiting_ranks_get_further():
    def subgroup(now):
        return [DONE, Seen(False, int(now), True), Seen(False, int(now), True)]

    assert first(dog(), subgroup, until=60.0) == (None, 60.0)


def test_a_straggler_clock_starts_again_when_a_rank_works_in_between():
    def ranks(now):
        return [DONE, BUSY if 2 <= now < 2.2 else STUCK]

    assert first(dog(), ranks) == ("mismatch", 5.2)


def test_ranks_are_asked_several_times_within_timeout_and_straggler_and_never_later_than_the_deadline():
    for ranks, most in (([BUSY, BUSY], 10.0 / 8), ([DONE, STUCK], 3.0 / 8)):
        watchdog, now, asked = dog(), 0.0, []
        while now < 2.9:
            if watchdog.look(now, ranks, 0) == "ask":
                asked.append(now)
            assert watchdog.deadline() > now
            now = watchdog.deadline()
        gaps = [later - earlier for earlier, later in pairwise(asked)]
        assert asked and max([asked[0], *gaps]) <= most + 1e-9


def test_a_time_in_which_nobody_looked_is_left_out():
    watchdog = dog()
    watchdog.look(0.0, [DONE, STUCK], 0)
    watchdog.forgive(20.0)
    assert watchdog.deadline() >= 20.0
    assert watchdog.look(20.1, [DONE, STUCK], 0) in (None, "ask")
    assert watchdog.look(23.1, [DONE, STUCK], 0) == "mismatch"
    watchdog = dog()
    watchdog.look(0.0, [BUSY, STUCK], 0)
    watchdog.forgive(20.0)
    assert watchdog.look(29.0, [BUSY, STUCK], 0) in (None, "ask")
    assert watchdog.look(30.1, [BUSY, STUCK], 0) == "no progress"


def test_a_rank_that_got_further_since_the_last_look_speaks_against_a_verdict():
    watchdog = dog()
    watchdog.look(0.0, [BUSY, STUCK], 0)
    assert not watchdog.moved([BUSY, STUCK], 0)
    assert watchdog.moved([BUSY, Seen(False, 2, True)], 0)
    assert watchdog.moved([DONE, STUCK], 0)
    assert watchdog.moved([BUSY, STUCK], 5)
