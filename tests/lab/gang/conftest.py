"""One warm gang of each size for the tests, and a check that each test leaves nothing behind."""

import os
import tempfile
import threading

import pytest

from course_lib.lab import Gang
from tests.lab.gang.faults import SETUP
from tests.lab.gang.kernel import Kernel


@pytest.fixture(scope="session")
def gangs():
    """Return gangs by world size, with time limits that suit tests."""
    return {n: Gang(n, timeout=8.0, straggler=0.5) for n in (1, 2, 4)}


@pytest.fixture(scope="session")
def kernel(tmp_path_factory):
    """Return a kernel that has run the set-up cell of the faults."""
    kernel = Kernel(tmp_path_factory.mktemp("kernel"), COURSE_ORDERED="")
    assert "[6.0, 6.0, 6.0, 6.0]" in kernel.run(SETUP).text
    yield kernel
    kernel.close()


@pytest.fixture
def clean(tmp_path, monkeypatch, gangs):
    """Run the test with a temporary folder of its own; afterwards no file, descriptor or thread may be left."""
    gangs[1].run(_nothing)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    descriptors = len(os.listdir("/dev/fd"))
    threads = threading.active_count()
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/dev/fd")) == descriptors
    assert threading.active_count() == threads


def _nothing(rank):
    return rank
