"""The standard streams of a rank: two ends of one pipe, into which every piece of text goes at once.

A process that dies by a signal or by `os._exit` writes out nothing that it holds back, so nothing is held back: the
last words before a crash, a line without an end among them, are the ones that matter.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from multiprocessing.connection import Connection


class _Unheld(io.TextIOWrapper):
    """A text stream that hands over what is written to it, whether the line has ended or not."""

    def write(self, text: str) -> int:
        written = super().write(text)
        self.flush()
        return written


def take_over(output: Connection) -> None:
    """Send this process's standard output and error into `output`, and close it."""
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    sys.stdout, sys.stderr = (
        _Unheld(io.BufferedWriter(io.FileIO(stream, "wb", closefd=False)), encoding="utf-8", errors="replace")
        for stream in (1, 2)
    )


def flush() -> None:
    """Write out what this process still holds, C's standard streams included."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


class quiet:
    """Drop what gloo prints while it connects."""

    def __enter__(self) -> None:
        flush()
        self.saved = [os.dup(stream) for stream in (1, 2)]
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(null, stream)
        os.close(null)

    def __exit__(self, *exc: object) -> None:
        for stream, saved in zip((1, 2), self.saved, strict=True):
            os.dup2(saved, stream)
            os.close(saved)
