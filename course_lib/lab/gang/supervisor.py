"""The supervisor of one run, in the thread that called `Gang.run`: one selector over sockets, pipes and processes.

The first failure wins. The other ranks are then asked where they stand, and all are killed; nothing of a failed run is used
again. Nothing here sleeps: the loop wakes on an event or at the next deadline.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from course_lib.lab.gang import words
from course_lib.lab.gang.errors import Cause, GangError
from course_lib.lab.gang.output import Output
from course_lib.lab.gang.progress import ProgressBar
from course_lib.lab.gang.where import Stand

START_LIMIT = 60.0  # seconds in which the ranks must be up, or `timeout` if that is longer
ANSWER_LIMIT = 0.5  # seconds for a rank to say where it stands
PEER_GRACE = 0.5  # seconds to look for the cause behind "connection closed by peer"
_PEER_LOST = re.compile(r"closed by peer|reset by peer|Broken pipe|Socket closed|remote process exited", re.IGNORECASE)
_CHUNK = 1 << 20


class Fault(Exception):
    """A failure of the run, before the other ranks have been asked."""

    def __init__(self, cause: Cause, rank: int | None, lines: list[str]) -> None:
        super().__init__(lines[0])
        self.cause: Cause = cause
        self.rank = rank
        self.lines = lines


@dataclass
class RankHandle:
    """The kernel's side of one rank."""

    rank: int
    process: ForkServerProcess
    control: Connection
    output: Connection
    state: str = "starting"  # "starting", "running", "returned", "failed", "dead"
    stand: Stand | None = None
    asked: bool = False
    end: float = 0.0
    spans: list[Any] = field(default_factory=list)
    peak_memory: int = 0


class Supervisor:
    """Watches the ranks of one run until all have returned, or one fault ends it."""

    def __init__(
        self, folder: Path, *, timeout: float, straggler: float, limit: float | None, output: Output, interrupted: int
    ) -> None:
        self.folder = folder
        self.timeout = timeout
        self.straggler = straggler
        self.limit = limit
        self.output = output
        self.bar = ProgressBar()
        self.ranks: list[RankHandle] = []
        self.not_preloaded: list[str] = []
        self.origin = time.perf_counter()
        self.started = False
        self.selector = selectors.DefaultSelector()
        self.interrupted = interrupted
        self.selector.register(interrupted, selectors.EVENT_READ, ("interrupt", None))
        self.suspects: list[tuple[int, dict[str, Any]]] = []
        self.suspects_until = float("inf")
        self.last_change = time.perf_counter()
        self.mark: tuple[Any, ...] = ()
        self.next_probe = float("inf")
        self.waiting_since: tuple[float, tuple[Any, ...]] | None = None

    def add(self, handle: RankHandle) -> None:
        """Watch one more rank."""
        self.ranks.append(handle)
        os.set_blocking(handle.output.fileno(), False)
        self.selector.register(handle.control, selectors.EVENT_READ, ("control", handle))
        self.selector.register(handle.output.fileno(), selectors.EVENT_READ, ("output", handle))
        self.selector.register(handle.process.sentinel, selectors.EVENT_READ, ("process", handle))

    def watch(self) -> None:
        """Return when every rank has returned; raise GangError for any fault, with no process left."""
        try:
            while any(handle.state != "returned" for handle in self.ranks):
                self._turn(self._next_deadline())
                self._check_time()
        except Fault as fault:
            raise self.fail(fault) from None
        for handle in self.ranks:
            self._send(handle, "leave")
        self.finish()

    # --- events ---------------------------------------------------------------------------------------------------

    def _turn(self, deadline: float) -> None:
        """Wait for events until the deadline and handle them; messages before deaths, since a death may follow one."""
        wait = max(0.0, deadline - time.perf_counter())
        events = [key.data for key, _ in self.selector.select(None if wait == float("inf") else wait)]
        for kind, handle in sorted(
            events, key=lambda event: ("output", "control", "process", "interrupt").index(event[0])
        ):
            if kind == "interrupt":
                os.read(self.interrupted, 64)
                raise Fault("interrupt", None, ["the cell was interrupted; all ranks were stopped"])
            if kind == "output":
                self._read_output(handle)
            elif kind == "control":
                self._read_control(handle)
            else:
                self._died(handle)

    def _read_output(self, handle: RankHandle) -> None:
        try:
            data = os.read(handle.output.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if data:
            self.output.feed(handle.rank, data)
        else:
            self.selector.unregister(handle.output.fileno())

    def _read_control(self, handle: RankHandle) -> None:
        try:
            while handle.control.poll():
                self._message(handle, *handle.control.recv())
        except (EOFError, OSError):  # the process is ending: its sentinel says how
            with contextlib.suppress(KeyError):
                self.selector.unregister(handle.control)

    def _message(self, handle: RankHandle, what: str, *values: Any) -> None:
        if what == "stand":
            handle.stand, handle.asked = values[0], False
        elif what == "report":
            self.bar.update(handle.rank, *values)
        elif what == "ready":
            handle.state = "ready"
            self.not_preloaded = values[0]
            if all(other.state == "ready" for other in self.ranks):
                self._go()
        elif what == "done":
            handle.state = "returned"
            handle.end, handle.spans, handle.peak_memory, handle.stand = values
            self.next_probe = min(self.next_probe, time.perf_counter() + self.straggler / 4)
        elif what == "error":
            handle.state = "failed"
            self._raised(handle, values[0])
        elif what == "unsent":
            handle.state = "failed"
            reason, kind = values
            line = f"rank {handle.rank} returned something that cannot travel back ({kind}): {reason}"
            raise Fault("payload", handle.rank, [line, "    Return tensors, numbers, text or lists of them."])

    def _go(self) -> None:
        """All ranks have joined their group: start the function on all of them, on one clock."""
        self.started = True
        self.origin = self.last_change = time.perf_counter()
        self.next_probe = self.origin + self.timeout / 4
        for handle in self.ranks:
            handle.state = "running"
            self._send(handle, "go", self.origin)

    def _raised(self, handle: RankHandle, failure: dict[str, Any]) -> None:
        """Take a rank's exception as the fault, unless it tells only of a lost peer: then look who was lost."""
        if _PEER_LOST.search(failure["message"]) and len(self.ranks) > 1:
            self.suspects.append((handle.rank, failure))
            self.suspects_until = min(self.suspects_until, time.perf_counter() + PEER_GRACE)
            return
        raise Fault("exit" if failure["is_exit"] else "exception", handle.rank, words.raised(handle.rank, failure))

    def _died(self, handle: RankHandle) -> None:
        self.selector.unregister(handle.process.sentinel)
        self._read_control(handle)  # what it said before it died comes first
        self._read_output(handle)
        if any(rank == handle.rank for rank, _ in self.suspects):
            return
        handle.state = "dead"
        handle.process.join()
        frames = words.frames_of_crash(self.folder / f"crash_{handle.rank}.txt")
        last = [line for line in self.output.text(handle.rank).splitlines() if line.strip()][-3:]
        cause, lines = words.died(handle.rank, handle.process.exitcode or 0, frames, last)
        raise Fault("signal" if cause == "signal" else "exit", handle.rank, lines)

    # --- time -----------------------------------------------------------------------------------------------------

    def _next_deadline(self) -> float:
        if not self.started:
            return min(self.origin + max(self.timeout, START_LIMIT), self.suspects_until)
        limit = self.origin + self.limit if self.limit is not None else float("inf")
        return min(self.next_probe, self.last_change + self.timeout, limit, self.suspects_until)

    def _check_time(self) -> None:
        now = time.perf_counter()
        if now >= self.suspects_until:
            self._judge_suspects()
        if not self.started:
            if now >= self.origin + max(self.timeout, START_LIMIT):
                raise Fault("no progress", None, [f"the ranks did not start in {max(self.timeout, START_LIMIT):g} s"])
            return
        if self.limit is not None and now >= self.origin + self.limit:
            raise Fault("limit", None, [f"the run was still going after limit={self.limit:g} s"])
        self._note_progress(now)
        if now >= self.next_probe:
            self._probe(now)
        if now >= self.last_change + self.timeout:
            raise Fault("no progress", None, self._no_progress())

    def _note_progress(self, now: float) -> None:
        """Compare what all ranks have done with what they had done before, and look for a skipped collective."""
        unfinished = [handle for handle in self.ranks if handle.state == "running"]
        mark = (
            self.output.received,
            len(unfinished),
            *(handle.stand.progress if handle.stand else 0 for handle in self.ranks),
        )
        if mark != self.mark:
            self.mark, self.last_change = mark, now
        stuck = [handle for handle in unfinished if handle.stand is not None and handle.stand.waiting]
        if len(unfinished) == len(self.ranks) or not unfinished or len(stuck) < len(unfinished):
            self.waiting_since = None
        elif self.waiting_since is None or self.waiting_since[1] != mark:
            self.waiting_since = (now, mark)
        elif now - self.waiting_since[0] >= self.straggler:
            raise self._mismatch(stuck)

    def _probe(self, now: float) -> None:
        some_returned = any(handle.state == "returned" for handle in self.ranks)
        self.next_probe = now + (min(self.straggler, self.timeout) if some_returned else self.timeout) / 4
        for handle in self.ranks:
            if handle.state == "running" and not handle.asked:
                self._ask(handle)

    def _mismatch(self, stuck: list[RankHandle]) -> Fault:
        returned = [handle for handle in self.ranks if handle.state == "returned"]
        culprit = min(returned, key=lambda handle: handle.stand.calls if handle.stand else 0)
        names = _and([f"rank {handle.rank}" for handle in returned])
        waiting = _and([f"rank {handle.rank}" for handle in stuck])
        call = next((handle.stand.call for handle in stuck if handle.stand and handle.stand.call), "a collective")
        return Fault(
            "mismatch",
            culprit.rank,
            [
                f"collective mismatch: {names} returned, while {waiting} still wait{'s' if len(stuck) == 1 else ''} in {call}",
                "    every rank must make the same collective calls, and each receive needs its send",
            ],
        )

    def _judge_suspects(self) -> None:
        """Nobody died: a rank that destroyed its group is to blame, else the first that lost its peer."""
        self.suspects_until = float("inf")
        self._ask_all()
        for handle in self.ranks:
            if handle.stand is not None and handle.stand.group_destroyed and handle.state != "failed":
                line = f"collective mismatch: rank {handle.rank} destroyed its process group while other ranks used it"
                raise Fault("mismatch", handle.rank, [line])
        rank, failure = self.suspects[0]
        raise Fault("exception", rank, words.raised(rank, failure))

    def _no_progress(self) -> list[str]:
        self._ask_all()
        line = f"no progress for {self.timeout:g} s: no rank began or ended a collective, a send, a span or a report, or printed"
        if all(handle.stand is not None and handle.stand.waiting for handle in self.ranks):
            return [line, "    every rank waits for another: a deadlock"]
        return [
            line,
            "    a rank that computes for longer than this reports with lab.report, or the gang takes a longer timeout",
        ]

    # --- the end --------------------------------------------------------------------------------------------------

    def _ask(self, handle: RankHandle) -> None:
        handle.asked = True
        self._send(handle, "stand")

    def _ask_all(self) -> None:
        """Ask the living ranks where they stand and wait a moment for the answers."""
        living = [handle for handle in self.ranks if handle.state in ("starting", "ready", "running")]
        for handle in living:
            handle.stand = None
            self._ask(handle)
        deadline = time.perf_counter() + ANSWER_LIMIT
        while any(handle.stand is None for handle in living) and time.perf_counter() < deadline:
            with contextlib.suppress(Fault):
                self._turn(deadline)

    def _send(self, handle: RankHandle, *message: Any) -> None:
        with contextlib.suppress(OSError):
            handle.control.send(message)

    def fail(self, fault: Fault) -> GangError:
        """Ask the others where they stand, stop every rank, and return the error."""
        self._ask_all()
        self._dump_silent()
        at_fault = {fault.rank} if fault.cause not in ("mismatch",) else set()
        stands = {handle.rank: handle.stand for handle in self.ranks if handle.rank not in at_fault}
        lines = [*fault.lines, *words.others(stands)]
        self.stop()
        output = {handle.rank: self.output.text(handle.rank) for handle in self.ranks}
        return GangError("\n".join(lines), rank=fault.rank, cause=fault.cause, output=output)

    def _dump_silent(self) -> None:
        """A rank that did not answer may hold Python's lock in C code: faulthandler can still say where."""
        silent = [handle for handle in self.ranks if handle.stand is None and handle.state == "running"]
        for handle in silent:
            with contextlib.suppress(OSError):
                os.kill(handle.process.pid or 0, signal.SIGUSR1)
        if silent:
            time.sleep(0.1)
        for handle in silent:
            frames = words.frames_of_crash(self.folder / f"crash_{handle.rank}.txt")
            handle.stand = Stand("running", frames) if frames else None

    def stop(self) -> None:
        """Kill every rank that lives, with the processes it started, and let go of everything."""
        for handle in self.ranks:
            pid = handle.process.pid
            if pid and handle.process.exitcode is None:
                for kill in (os.killpg, os.kill):  # the group exists once the rank has made it
                    with contextlib.suppress(OSError):
                        kill(pid, signal.SIGKILL)
        self.finish()

    def finish(self) -> None:
        """Wait until every process is gone, show the rest of the output, close what was open."""
        for handle in self.ranks:
            handle.process.join()
            with contextlib.suppress(OSError, BlockingIOError):
                while data := os.read(handle.output.fileno(), _CHUNK):
                    self.output.feed(handle.rank, data)
        self.bar.close()
        self.output.close()
        self.close()

    def close(self) -> None:
        """Close sockets, pipes and process handles."""
        self.selector.close()
        for handle in self.ranks:
            handle.control.close()
            handle.output.close()
            handle.process.close()


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
