"""The same calls in another interpreter: another hash seed, process id and host name, as another machine has.

What a task calls equal on every machine is compared so; a fork of the kernel would share the hash seed. The other
interpreter is started once, with torch imported, and forks a process for each answer; it ends with the kernel, or when
nobody has asked for ten minutes.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from course_lib.practice.checks import leftovers
from course_lib.practice.checks.exercise import Answer, Exercise, Trial
from course_lib.practice.checks.in_rank import run, seen_of
from course_lib.practice.checks.plain import Unreadable, decode
from course_lib.practice.checks.verdict import same

HOST = "another-machine"
_START = 60.0  # seconds for the interpreter and torch to load on a busy machine
_PATIENCE = 5.0  # seconds beyond the exercise's limit, which holds for the trial here
_IDLE = 600.0  # seconds without a question after which the interpreter ends
_PRELOAD = ("torch", "torch.distributed", "torch.utils.data.distributed", "course_lib.lab.gang.payload")


class _Machine:
    """The other interpreter, seen from the kernel."""

    def __init__(self) -> None:
        self._ours, theirs = Pipe()
        environment = os.environ | {
            "PYTHONHASHSEED": str(1 + secrets.randbelow(4_294_967_295)),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), *sys.path])),
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, folder: str, seconds: float) -> bool:
        """Run the call that lies in a folder until its process has ended, or end it; False where it never began."""
        pid = None
        try:
            self._ours.send_bytes(json.dumps([folder, sys.path, dict(os.environ), os.getcwd()]).encode())
            if self._ours.poll(_START):
                pid = int(self._ours.recv_bytes())
                if not self._ours.poll(seconds):
                    os.kill(pid, signal.SIGKILL)
                self._ours.recv_bytes()
                return True
        except (OSError, EOFError):
            if pid is not None:  # only the process that asks no more is left: end that too
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        self.end()
        return pid is not None

    def end(self) -> None:
        """End the interpreter; the next question starts another."""
        self._ours.close()
        self._process.kill()
        self._process.wait()


_machine: _Machine | None = None


def get_ready() -> _Machine:
    """Start the other interpreter, if it does not run; returns at once."""
    global _machine
    if _machine is None or not _machine.alive:
        _machine = _Machine()
    return _machine


def same_elsewhere(exercise: Exercise, answer: Answer, trial: Trial, here: list[Any]) -> bool:
    """Run a trial of one rank again in another interpreter; say whether it gives the same plain values.

    False too where it raises there, or does not end.
    """
    from course_lib.lab.gang import payload

    mark = leftovers.new_mark()
    with tempfile.TemporaryDirectory(prefix="elsewhere-") as folder:
        call = (exercise.drive, answer, dict(trial.given), exercise.forbidden, mark)
        payload.dump(call, Path(folder) / "call.pkl")
        try:
            if not get_ready().ask(folder, exercise.limit + _PATIENCE):
                get_ready().ask(folder, exercise.limit + _PATIENCE)  # it had just ended, idle or killed
        finally:
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
        return same(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a == b or (a != a and b != b)


def serve(questions: Connection) -> None:
    """Be the other interpreter: for each question fork a process, say its id, and say when it has ended."""
    for name in _PRELOAD:
        import_module(name)
    with suppress(EOFError, OSError):
        while questions.poll(_IDLE):
            folder, path, environment, directory = json.loads(questions.recv_bytes())
            pid = os.fork()
            if pid == 0:
                try:
                    os.setsid()
                    questions.close()
                    sys.path[:] = path
                    os.environ.clear()
                    os.environ.update(environment, HOSTNAME=HOST, OMP_NUM_THREADS="1")
                    os.chdir(directory)
                    _answer(folder)
                finally:
                    os._exit(0)
            questions.send_bytes(str(pid).encode())
            os.waitpid(pid, 0)
            questions.send_bytes(b"ended")


def _answer(folder: str) -> None:
    """Be the other machine: run the call and leave its result beside it."""
    from course_lib.lab.gang import payload

    true = os.uname()
    named = type(true)((true.sysname, HOST, true.release, true.version, true.machine))
    os.uname = lambda: named
    socket.gethostname = lambda: HOST
    platform.node = lambda: HOST
    drive, answer, given, forbidden, mark = payload.load(Path(folder) / "call.pkl")
    (Path(folder) / "result").write_bytes(run(0, drive, answer, given, forbidden, mark))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
