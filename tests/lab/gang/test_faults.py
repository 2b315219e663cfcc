"""Every fault of the list, in a real kernel: one GangError that names it, no process left, and the next cell works."""

import pytest

from tests.lab.gang.faults import FAULTS, kill_kernel, run_fault


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault(kernel, fault):
    outcome = run_fault(kernel, fault)
    assert outcome.error == "GangError", outcome.message
    for words in fault.says:
        assert words in outcome.message
    assert outcome.shown == f"GangError: {outcome.message}"  # no frame of the supervisor's
    assert "site-packages" not in outcome.message and "course_lib" not in outcome.message
    if fault.cause:
        assert (outcome.cause, outcome.rank) == (fault.cause, str(fault.rank))
    assert outcome.left == 0
    assert outcome.next_works


def test_nothing_outlives_a_killed_kernel(tmp_path):
    seconds, before = kill_kernel(tmp_path)
    assert before >= 5  # the kernel and four ranks at least
    assert seconds is not None
