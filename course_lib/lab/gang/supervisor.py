"""The supervisor of one run, in the thread that called `Gang.run`: one selector over sockets, pipes and processes.

The first failure wins. The other ranks are then asked where they stand, and all are killed; nothing of a failed run is
used again. The loop never polls: it wakes on an event or at the next deadline.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import selectors
import signal
import time
import weakref
from pathlib import Path
from typing import Any

from course_lib.lab.gang import words
from course_lib.lab.gang.errors import Cause, GangError
from course_lib.lab.gang.handle import RankHandle
from course_lib.lab.gang.output import Output
from course_lib.lab.gang.progress import ProgressBar
from course_lib.lab.gang.watchdog import Seen, Watchdog
from course_lib.lab.gang.where import Stand

START_LIMIT = 120.0  # seconds in which the ranks must be up, or `timeout` if that is longer
ANSWER_LIMIT = 1.0  # seconds for a rank to say where it stands
PEER_GRACE = 1.0  # seconds to look for the cause behind "connection closed by peer"
_PEER_LOST = re.compile(
    r"closed by peer|reset by peer|broken pipe|socket closed|remote process exited|gloo.transport", re.IGNORECASE
)


class Fault(Exception):
    """A failure of the run, before the other ranks have been asked."""

    def __init__(self, cause: Cause, rank: int | None, lines: list[str]) -> None:
        super().__init__(lines[0])
        self.cause: Cause = cause
        self.rank = rank
        self.lines = lines


_living: weakref.WeakSet[Supervisor] = weakref.WeakSet()


def _stop_all() -> None:
    """Let no rank outlive an interpreter that exits during a run in another thread."""
    for supervisor in list(_living):
        for handle in supervisor.ranks:
            handle.kill()


atexit.register(_stop_all)


class Supervisor:
    """Watches the ranks of one run until all have returned, or one fault ends it.

    `interrupted` is a file descriptor that becomes readable when the cell is interrupted.
    """

    def __init__(
        self, folder: Path, *, timeout: float, straggler: float, limit: float | None, output: Output, interrupted: int
    ) -> None:
        self.ranks: list[RankHandle] = []
        self.not_preloaded: list[str] = []  # modules that the fork server failed to import
        self.origin = time.perf_counter()  # when the function began, once it has
        self.output = output
        _living.add(self)
        self._folder = folder
        self._timeout = timeout
        self._straggler = straggler
        self._limit = limit
        self._bar = ProgressBar()
        self._watchdog: Watchdog | None = None
        self._start_limit = max(timeout, START_LIMIT)
        self._suspects: list[tuple[int, dict[str, Any]]] = []  # ranks that lost a peer
        self._suspects_until = float("inf")
        self._interrupted = interrupted
        self._selector = selectors.DefaultSelector()
        self._selector.register(interrupted, selectors.EVENT_READ, ("interrupt", None))

    def add(self, handle: RankHandle) -> None:
        """Watch one more rank."""
        self.ranks.append(handle)
        self._selector.register(handle.output.fileno(), selectors.EVENT_READ, ("output", handle))
        self._selector.register(handle.control, selectors.EVENT_READ, ("control", handle))
        self._selector.register(handle.process.sentinel, selectors.EVENT_READ, ("process", handle))

    def watch(self) -> None:
        """Return when every rank has returned; raise GangError for any fault. Either way no process is left."""
        try:
            while any(handle.state != "returned" for handle in self.ranks):
                self._turn(self._deadline())
                self._check_time()
        except Fault as fault:
            raise self._fail(fault) from None
        for handle in self.ranks:
            handle.send("leave")
        self._finish()

    def stop(self) -> None:
        """Kill every rank with the processes it started, and let go of everything."""
        for handle in self.ranks:
            handle.kill()
        self._finish()

    # --- events ---------------------------------------------------------------------------------------------------

    def _turn(self, deadline: float) -> None:
        """Wait for events until the deadline and handle them: what ranks say comes before their deaths."""
        wait = max(0.0, deadline - time.perf_counter())
        events = [key.data for key, _ in self._selector.select(None if wait == float("inf") else wait)]
        order = ("output", "control", "process", "interrupt")
        for kind, handle in sorted(events, key=lambda event: order.index(event[0])):
            if kind == "output":
                self._read_output(handle)
            elif kind == "control":
                self._read_control(handle)
            elif kind == "process":
                self._died(handle)
            else:
                os.read(self._interrupted, 64)
                raise Fault("interrupt", None, [words.INTERRUPTED])

    def _read_output(self, handle: RankHandle) -> None:
        data = handle.read_output()
        if data:
            self.output.feed(handle.rank, data)
        elif data == b"":
            self._unregister(handle.output.fileno())

    def _read_control(self, handle: RankHandle) -> None:
        try:
            while handle.control.poll():
                self._take(handle, *handle.control.recv())
        except (EOFError, OSError):  # the process is ending: its exit says how
            self._unregister(handle.control)

    def _unregister(self, channel: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(channel)

    def _take(self, handle: RankHandle, what: str, *values: Any) -> None:
        """Take one message of a rank."""
        if what == "stand":
            handle.stand, handle.asked = values[0], False
        elif what == "report":
            self._bar.update(handle.rank, *values)
        elif what == "ready":
            handle.state, self.not_preloaded = "ready", values[0]
            if all(other.state == "ready" for other in self.ranks):
                self._go()
        elif what == "done":
            handle.state = "returned"
            handle.end, handle.peak_memory, handle.stand = values
        elif what == "error":
            handle.state = "failed"
            self._raised(handle, values[0])
        elif what == "unsent":
            handle.state = "failed"
            raise Fault("payload", handle.rank, words.unsent(handle.rank, *values))

    def _go(self) -> None:
        """All ranks have joined their group: start the function on all of them, on one clock."""
        self.origin = time.perf_counter()
        self._watchdog = Watchdog(timeout=self._timeout, straggler=self._straggler, limit=self._limit, now=self.origin)
        for handle in self.ranks:
            handle.state = "running"
            handle.send("go", self.origin)

    def _raised(self, handle: RankHandle, failure: dict[str, Any]) -> None:
        """Take a rank's exception as the fault, unless it tells only of a lost peer: then look who was lost."""
        cut_off = bool(_PEER_LOST.search(failure["message"])) and len(self.ranks) > 1
        handle.stand = Stand("cut off" if cut_off else "raised", failure["frames"])
        if cut_off:
            self._suspects.append((handle.rank, failure))
            self._suspects_until = min(self._suspects_until, time.perf_counter() + PEER_GRACE)
            return
        raise Fault("exit" if failure["is_exit"] else "exception", handle.rank, words.raised(handle.rank, failure))

    def _died(self, handle: RankHandle) -> None:
        """Say how a process ended; what it said and printed before comes first."""
        self._unregister(handle.process.sentinel)
        self._read_control(handle)
        self._read_output(handle)
        if handle.state == "failed":
            return
        handle.state, handle.stand = "dead", Stand("dead")
        handle.process.join()
        frames = words.frames_of_crash(self._folder / f"crash_{handle.rank}.txt")
        last = [line for line in self.output.text(handle.rank).splitlines() if line.strip()][-3:]
        cause, lines = words.died(handle.rank, handle.process.exitcode or 0, frames, last)
        raise Fault(cause, handle.rank, lines)

    # --- time -----------------------------------------------------------------------------------------------------

    def _deadline(self) -> float:
        watched = self._watchdog.deadline() if self._watchdog else self.origin + self._start_limit
        return min(watched, self._suspects_until)

    def _check_time(self) -> None:
        now = time.perf_counter()
        left = any(handle.stand is not None and handle.stand.group_destroyed for handle in self.ranks)
        if self._suspects and (left or now >= self._suspects_until):
            self._judge_suspects()
        if self._watchdog is None:
            if now >= self.origin + self._start_limit:
                raise Fault("no progress", None, [f"the ranks did not start in {self._start_limit:g} s"])
            return
        stands = [handle.stand or Stand("running") for handle in self.ranks]
        seen = [
            Seen(handle.state == "returned", stand.progress, stand.waiting)
            for handle, stand in zip(self.ranks, stands, strict=True)
        ]
        verdict = self._watchdog.look(now, seen, self.output.received)
        if verdict == "ask":
            for handle in self.ranks:
                if handle.state == "running":
                    handle.ask()
        elif verdict == "limit":
            raise Fault("limit", None, [f"the run was still going after limit={self._limit:g} s"])
        elif verdict is not None:
            self._ask_all()
            current = {handle.rank: handle.stand for handle in self.ranks}
            if verdict == "mismatch":
                rank, lines = words.mismatch(current)
                raise Fault("mismatch", rank, lines)
            raise Fault("no progress", None, words.no_progress(self._timeout, current))

    def _judge_suspects(self) -> None:
        """Some ranks lost a peer: a death or an exception beside it is the cause, then a rank that left its group."""
        self._suspects_until = float("inf")
        found = self._ask_all()
        if found is not None:
            raise found
        for handle in self.ranks:
            if handle.state != "failed" and handle.stand is not None and handle.stand.group_destroyed:
                raise Fault("mismatch", handle.rank, words.left_group(handle.rank))
        rank, failure = self._suspects[0]
        raise Fault("exception", rank, words.raised(rank, failure))

    # --- the end --------------------------------------------------------------------------------------------------

    def _ask_all(self) -> Fault | None:
        """Ask the living ranks where they stand, wait a moment for the answers; return a fault seen meanwhile."""
        found: Fault | None = None
        for handle in self.ranks:
            if handle.living:
                handle.stand, handle.asked = None, False
                handle.ask()
        deadline = time.perf_counter() + ANSWER_LIMIT
        while any(handle.living and handle.stand is None for handle in self.ranks):
            if time.perf_counter() >= deadline:
                self._dump_silent()
                break
            try:
                self._turn(deadline)
            except Fault as fault:
                found = found or fault
        return found

    def _dump_silent(self) -> None:
        """A rank that does not answer may hold Python's lock in C code: faulthandler can still say where."""
        silent = [handle for handle in self.ranks if handle.living and handle.stand is None]
        for handle in silent:
            with contextlib.suppress(OSError):
                os.kill(handle.process.pid or 0, signal.SIGUSR1)
        time.sleep(0.1)
        for handle in silent:
            frames = words.frames_of_crash(self._folder / f"crash_{handle.rank}.txt")
            handle.stand = Stand("running", frames) if frames else None

    def _fail(self, fault: Fault) -> GangError:
        """Ask the others where they stand, stop every rank, and return the error."""
        if fault.cause not in ("mismatch", "no progress"):  # those two have just asked
            self._ask_all()
        whole_run = fault.rank is None or fault.cause == "mismatch"
        stands = {handle.rank: handle.stand for handle in self.ranks if whole_run or handle.rank != fault.rank}
        lines = [*fault.lines, *words.others(stands, all_ranks=whole_run)]
        self.stop()
        output = {handle.rank: self.output.text(handle.rank) for handle in self.ranks}
        return GangError("\n".join(lines), rank=fault.rank, cause=fault.cause, output=output)

    def _finish(self) -> None:
        """Wait until every process is gone, show the rest of the output, close what was open."""
        self._selector.close()
        for handle in self.ranks:
            handle.process.join()
            while data := handle.read_output():
                self.output.feed(handle.rank, data)
            handle.close()
        self._bar.close()
        self.output.close()
