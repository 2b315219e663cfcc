"""What makes a gang: its arguments checked in one sentence each, its backend and devices chosen."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

MAX_RANKS = 8


def check_world_size(value: Any) -> None:
    """Raise TypeError or ValueError unless `value` is a number of ranks."""
    _check_whole("world_size", value)
    if value < 1:
        raise ValueError(f"A gang has at least 1 rank, not {value}: write Gang(1) to try a function alone.")
    if value > MAX_RANKS:
        raise ValueError(
            f"A gang has at most {MAX_RANKS} ranks, not {value}: use fewer, or `course run` on several machines."
        )


def check_threads(value: Any) -> None:
    """Raise TypeError or ValueError unless `value` is a number of threads that this machine can run."""
    _check_whole("threads", value)
    cores = os.cpu_count() or 1
    if not 1 <= value <= cores:
        raise ValueError(f"threads is from 1 to {cores}, the cores of this machine, not {value}.")


def check_seconds(name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless `value` is a positive number of seconds."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of seconds, not {value!r}.")
    if not value > 0:
        raise ValueError(f"{name} is a number of seconds greater than 0, not {value!r}.")


def check_not_a_rank() -> None:
    """Raise RuntimeError in a rank of a gang: its own ranks would be watched by nobody when it ends."""
    if "COURSE_GANG_RANK" in os.environ:
        raise RuntimeError("A rank cannot start a gang of its own: make the Gang in the notebook, and call run there.")


def check_function(fn: Any) -> None:
    """Raise TypeError unless `fn` can be called."""
    if not callable(fn):
        raise TypeError(
            f"Hand over the function itself, as in gang.run(train, steps=3), not {type(fn).__name__}: {fn!r}."
        )


def _check_whole(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, not {value!r}.")


def choose_backend(world_size: int, wanted: str) -> tuple[str, list[str], str]:
    """Return the backend, each rank's device, and the words for both.

    nccl takes one GPU per rank (it refuses two ranks on one GPU); with fewer GPUs the ranks compute on the CPU.
    """
    if wanted not in ("auto", "gloo", "nccl"):
        raise ValueError(f"backend is 'auto', 'gloo' or 'nccl', not {wanted!r}.")
    import torch

    if wanted == "auto" and os.environ.get("COURSE_DEVICE") == "cpu":
        return "gloo", ["cpu"] * world_size, "gloo on CPU"
    gpus = torch.cuda.device_count() if torch.distributed.is_nccl_available() else 0
    here = f"{gpus} GPU{'' if gpus == 1 else 's'}"
    if wanted == "nccl" and gpus < world_size:
        raise ValueError(
            f"nccl needs one GPU per rank and this machine has {here} for {world_size} ranks: use backend='gloo'."
        )
    if wanted != "gloo" and gpus >= world_size:
        words = f"nccl on {world_size} GPU{'' if world_size == 1 else 's'}"
        return "nccl", [f"cuda:{rank}" for rank in range(world_size)], words
    if wanted == "auto" and world_size == 1 and torch.accelerator.is_available():
        device = torch.accelerator.current_accelerator()
        if device is not None:
            return "gloo", [device.type], f"gloo on {device.type}"
    few = f" ({here} for {world_size} ranks is too few for nccl)" if gpus and wanted == "auto" else ""
    return "gloo", ["cpu"] * world_size, f"gloo on CPU{few}"


def say(world_size: int, where: str, threads: int) -> str:
    """Return the line that a new gang prints."""
    ranks = f"{world_size} rank{'' if world_size == 1 else 's'}"
    return (
        f"Gang of {ranks}: {where}, {threads} thread{'' if threads == 1 else 's'}{' each' if world_size > 1 else ''}."
    )


# What multiprocessing adds to the temporary folder for the socket of its fork server: /pymp-abcdefgh/listener-abcdefgh
_SOCKET = len("/pymp-abcdefgh/listener-abcdefgh")
LONGEST_TMPDIR = (103 if sys.platform == "darwin" else 107) - _SOCKET  # bytes; the system's limit for a socket's path


def socket_folder() -> tuple[str | None, str | None]:
    """Return the folder for the fork server's socket, and a sentence for the reader; None twice where nothing is amiss.

    The path of a socket may have 107 bytes (103 on macOS). Where TMPDIR is too long for that, a short folder that can
    be written is taken instead. Raises OSError where there is no such folder.
    """
    folder = tempfile.gettempdir()
    length = len(os.fsencode(folder))
    if length <= LONGEST_TMPDIR:
        return None, None
    too_long = f"TMPDIR has {length} characters, too many for a socket (at most {LONGEST_TMPDIR})"
    for short in (os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp"):
        if short and len(os.fsencode(short)) <= LONGEST_TMPDIR and os.access(short, os.W_OK | os.X_OK):
            return short, f"{too_long}: the gang puts its socket under {short}, all other files stay in TMPDIR."
    raise OSError(f"{too_long}, and there is no other folder that can be written: set TMPDIR to a shorter one.")


def say_tmpdir() -> str | None:
    """Return the sentence on a TMPDIR that is too long, for `course doctor`; None where it is short enough."""
    try:
        return socket_folder()[1]
    except OSError as error:
        return str(error)
