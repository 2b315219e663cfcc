"""Ranks forked from the standard library's fork server, which has torch imported once for all of them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, process, resource_tracker, util
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from course_lib.lab.gang import settings
from course_lib.lab.gang.rank_process import RankSpec, rank_main

# DistributedDataParallel imports torch._dynamo when it is first built (1 s): load it here, once.
# The freeze comes last; nothing here may touch an accelerator or start a thread.
PRELOAD = (
    "torch",
    "torch.distributed",
    "torch.distributed.distributed_c10d",
    "torch.nn.parallel.distributed",
    "torch.optim",
    "torch._dynamo",
    "cloudpickle",
    "course_lib.lab.gang.rank_process",
    "course_lib.lab.gang.freeze",
)
_ATTEMPTS = 7
_lock = threading.RLock()


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Hide the `__main__` module, so that a rank of a script does not import (and run) the script again."""
    main = sys.modules["__main__"]
    stand_in = types.ModuleType("__main__")
    sys.modules["__main__"] = stand_in
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _server_environment() -> Iterator[None]:
    """Set what the server must find when it starts: one thread for every library, and the way to this package.

    Python 3.11 hands the server no `sys.path` (cpython#117378), hence PYTHONPATH. SIGINT is blocked, because Jupyter
    interrupts the kernel's whole process group and the server ignores the signal only once its imports are done.
    """
    root = str(Path(__file__).resolve().parents[3])
    wanted = {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    before = {name: os.environ.get(name) for name in wanted}
    resource_tracker.ensure_running()  # it unblocks SIGINT when it starts, so it must start first
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _place_sockets() -> str | None:
    """Let multiprocessing make its sockets in a short folder where TMPDIR is too long; return what to say of that.

    It keeps the folder for its sockets in the process's configuration, which the ranks inherit: the workers of a
    DataLoader, here and in a rank, need sockets too. Python 3.14 does the same by itself.
    """
    short, sentence = settings.socket_folder()
    config: dict[str, Any] = process.current_process()._config  # type: ignore[attr-defined]
    now = config.get("tempdir")
    if short is None or (now is not None and len(os.fsencode(now)) <= settings.LONGEST_TMPDIR + len("/pymp-abcdefgh")):
        return None
    folder = tempfile.mkdtemp(prefix="pymp-", dir=short)
    util.Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=-100)  # as multiprocessing does
    config["tempdir"] = folder
    return sentence


def start_server() -> str | None:
    """Start the fork server if it does not run yet; returns at once, the imports go on in the server.

    Returns a sentence for the reader where TMPDIR is too long, None otherwise. Raises OSError where no folder will do.
    """
    with _lock, _hidden_main(), _server_environment():
        said = _place_sockets()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOAD))
        forkserver.ensure_running()
    return said


def fork_rank(spec: RankSpec, control: Connection, output: Connection) -> ForkServerProcess:
    """Fork one rank; `control` and `output` are the rank's ends of its socket and its output pipe.

    A server that has just been killed is noticed here, and replaced.
    """
    for attempt in range(_ATTEMPTS):
        start_server()
        with _lock, _hidden_main():
            process = multiprocessing.get_context("forkserver").Process(target=rank_main, args=(spec, control, output))
            try:
                process.start()
                return process
            except (EOFError, ConnectionError):
                if attempt == _ATTEMPTS - 1:
                    raise
        time.sleep(0.02 * 2**attempt)  # it is still dying: not yet to be waited for, no longer to be connected to
    raise AssertionError("not reached")
