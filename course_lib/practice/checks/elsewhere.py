"""The same calls in another interpreter: another hash seed, process id and host name, as another machine has.

What a task calls equal on every machine is compared so; a fork alone would share the hash seed.
"""

from __future__ import annotations

import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from course_lib.practice.checks import leftovers
from course_lib.practice.checks.exercise import Answer, Exercise, Trial
from course_lib.practice.checks.in_rank import run, seen_of
from course_lib.practice.checks.plain import Unreadable, decode

HOST = "another-machine"
_START = 60.0  # seconds for the interpreter and torch to load on a busy machine


def same_elsewhere(exercise: Exercise, answer: Answer, trial: Trial, here: list[Any]) -> bool:
    """Run a trial of one rank again in another interpreter; say whether it gives the same plain values.

    False too where it raises there, or does not end.
    """
    from course_lib.lab.gang import payload

    mark = leftovers.new_mark()
    with tempfile.TemporaryDirectory(prefix="elsewhere-") as folder:
        call = (exercise.drive, answer, dict(trial.given), exercise.forbidden, mark)
        payload.dump(call, Path(folder) / "call.pkl")
        environment = os.environ | leftovers.environment(mark)
        environment |= {
            "PYTHONHASHSEED": str(1 + secrets.randbelow(4_294_967_295)),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), *sys.path])),
            "HOSTNAME": HOST,
            "OMP_NUM_THREADS": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, folder],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(timeout=_START + exercise.limit)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            leftovers.end_all(mark)
        try:
            there = seen_of(decode((Path(folder) / "result").read_bytes()))
        except (OSError, Unreadable):
            return False
    return equal([there.value], here)


def equal(a: Any, b: Any) -> bool:
    """Say whether two plain values are equal to the last bit, tensors among them; not-a-number equals itself."""
    import torch

    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a == b or (a != a and b != b)


def main(folder: str) -> None:
    """Be the other machine: run the call and leave its result beside it."""
    from course_lib.lab.gang import payload

    true = os.uname()
    named = type(true)((true.sysname, HOST, true.release, true.version, true.machine))
    os.uname = lambda: named
    socket.gethostname = lambda: HOST
    platform.node = lambda: HOST
    drive, answer, given, forbidden, mark = payload.load(Path(folder) / "call.pkl")
    (Path(folder) / "result").write_bytes(run(0, drive, answer, given, forbidden, mark))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
