"""The processes that a rank started: none of them may outlive the run, not even one that ignores signals.

Those in the rank's process group are found by the group, those that left it (`start_new_session=True`) by their parent.
A process whose parent has ended and that has left the group too (a daemon) can be found by neither, and stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

GRACE = 0.5  # seconds between SIGTERM and SIGKILL


def kill(pid: int) -> None:
    """Kill a rank and all it started, at once."""
    _kill_each(_descendants(pid))  # first: the rank may be this process
    for kill in (os.killpg, os.kill):  # the group exists once the rank has made it
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


def leave() -> None:
    """End what this rank started and then the rank itself: SIGTERM to all, SIGKILL to what is left. Never returns."""
    if _has_children():
        family = _descendants(os.getpid())
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
        for child in family:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGTERM)
        until = time.monotonic() + GRACE
        while _has_children() and time.monotonic() < until:
            time.sleep(0.005)
        _kill_each(family)
    os.killpg(0, signal.SIGKILL)  # grandchildren whose parent has ended are in the group still


def _has_children() -> bool:
    """Say whether this process has a child that has not ended; reap those that have."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False


def _descendants(pid: int) -> list[int]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def _kill_each(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
