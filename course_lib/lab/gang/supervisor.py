"""The supervisor of one run, in the thread that called `Gang.run`: one selector over sockets, pipes and processes.

The first failure wins. The other ranks are then asked where they stand, and all are killed; nothing of a failed run is
used again. The loop never polls: it wakes on an event or at the next deadline.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from pathlib import Path
from typing import Any

from course_lib.lab.gang import flight, words
from course_lib.lab.gang.crash import frames_of_crash, frames_of_silent
from course_lib.lab.gang.errors import GangError
from course_lib.lab.gang.fault import Fault, tells_of_a_lost_peer
from course_lib.lab.gang.handle import RankHandle
from course_lib.lab.gang.output import Output
from course_lib.lab.gang.progress import ProgressBar
from course_lib.lab.gang.watchdog import Seen, Verdict, Watchdog
from course_lib.lab.gang.where import Stand

START_LIMIT = 120.0  # seconds in which the ranks must be up, or `timeout` if that is longer
ANSWER_LIMIT = 1.0  # seconds for a rank to say where it stands
PEER_GRACE = 1.0  # seconds to look for the cause behind "connection closed by peer"
RETURN_GRACE = 0.3  # seconds for the other ranks to return when one has returned what cannot travel
LATE = 0.5  # seconds: a supervisor that wakes later than this after its deadline was stopped itself


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
        began = time.perf_counter()
        wait = max(0.0, deadline - began)
        events = [key.data for key, _ in self._selector.select(None if wait == float("inf") else wait)]
        late = time.perf_counter() - began - wait
        if late > LATE and self._watchdog is not None:  # the ranks could not be seen meanwhile: no sign of a hang
            self._watchdog.forgive(late)
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

    def _read_output(self, handle: RankHandle, all_of_it: bool = False) -> None:
        while data := handle.read_output():
            self.output.feed(handle.rank, data)
            if not all_of_it:  # a rank that prints without end must not keep the others from being heard
                return
        if data == b"":
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

    def _take(self, handle: RankHandle, what: str, *said: Any) -> None:
        """Take one message of a rank."""
        values = list(said)
        if what == "stand":
            handle.take(values[0])
        elif what == "report":
            self._bar.update(handle.rank, *values)
        elif what == "ready":
            handle.state, self.not_preloaded = "ready", values[0]
            if all(other.state == "ready" for other in self.ranks):
                self._go()
        elif what == "done":
            handle.state = "returned"
            handle.end, handle.peak_memory, stand = values
            handle.take(stand)
        elif what == "error":
            handle.state = "failed"
            handle.record = values[1] if len(values) > 1 else ()
            self._raised(handle, values[0])
        elif what == "unsent":
            handle.state, handle.stand = "failed", values.pop()
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
        cut_off = tells_of_a_lost_peer(failure["message"]) and len(self.ranks) > 1
        handle.stand = Stand("cut off" if cut_off else "raised", failure["frames"])
        if cut_off:
            self._suspects.append((handle.rank, failure))
            self._suspects_until = min(self._suspects_until, time.perf_counter() + PEER_GRACE)
            return
        raise Fault(words.cause_of(failure), handle.rank, words.raised(handle.rank, failure))

    def _died(self, handle: RankHandle) -> None:
        """Say how a process ended; what it said and printed before comes first."""
        self._unregister(handle.process.sentinel)
        self._read_control(handle)
        self._read_output(handle, all_of_it=True)
        if handle.state == "failed":
            return
        handle.state, handle.stand = "dead", Stand("dead")
        handle.process.join()
        frames = frames_of_crash(self._folder / f"crash_{handle.rank}.txt")
        last = self.output.last_lines(handle.rank)
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
        verdict = self._watchdog.look(now, self._seen(), self.output.received)
        if verdict == "ask":
            for handle in self.ranks:
                if handle.state == "running":
                    handle.ask()
        elif verdict is not None:
            self._end(verdict)

    def _seen(self) -> list[Seen]:
        return [
            Seen(handle.state == "returned", handle.progress, handle.stand is not None and handle.stand.waiting)
            for handle in self.ranks
        ]

    def _end(self, verdict: Verdict) -> None:
        """End the run by the rules of time, unless what the ranks say when they are asked once more speaks against it.

        What they had said already may lie unread: the supervisor may have been stopped, or late.
        """
        if found := self._ask_all():
            raise found
        if all(handle.state == "returned" for handle in self.ranks):
            return
        if verdict == "limit":
            raise Fault("limit", None, [f"the run was still going after limit={self._limit:g} s"])
        if self._watchdog is not None and self._watchdog.moved(self._seen(), self.output.received):
            return
        current = {handle.rank: handle.stand for handle in self.ranks}
        if unequal := self._unequal():
            raise Fault("mismatch", *unequal)
        if verdict == "mismatch":
            raise Fault("mismatch", *words.mismatch(current))
        raise Fault("no progress", None, words.no_progress(self._timeout, current))

    def _unequal(self) -> tuple[int | None, list[str]] | None:
        """Return the rank and the lines for a collective in which the ranks disagree, as far as they told."""
        return flight.disagreement({handle.rank: handle.record for handle in self.ranks}, len(self.ranks))

    def _judge_suspects(self) -> None:
        """Some ranks lost a peer: a death or an exception beside it is the cause, then a rank that left its group."""
        self._suspects_until = float("inf")
        if found := self._ask_all():
            raise found
        for handle in self.ranks:
            if handle.state != "failed" and handle.stand is not None and handle.stand.group_destroyed:
                raise Fault("mismatch", handle.rank, words.left_group(handle.rank))
        rank, failure = self._suspects[0]
        raise Fault("exception", rank, words.raised(rank, failure))

    # --- the end --------------------------------------------------------------------------------------------------

    def _ask_all(self) -> Fault | None:
        """Ask the ranks where they stand, wait a moment for the answers; return a fault seen meanwhile."""
        found: Fault | None = None
        for handle in self.ranks:
            if handle.living or handle.state == "returned":  # a rank that has returned still tells its calls
                handle.stand, handle.asked = None if handle.living else handle.stand, False
                handle.ask(with_record=True)
        deadline = time.perf_counter() + ANSWER_LIMIT
        while any(handle.asked and handle.state not in ("dead", "failed") for handle in self.ranks):
            if time.perf_counter() >= deadline:
                silent = [handle for handle in self.ranks if handle.living and handle.stand is None]
                for handle, frames in zip(silent, frames_of_silent(silent, self._folder), strict=True):
                    handle.stand = Stand("running", frames) if frames else None
                break
            try:
                self._turn(deadline)
            except Fault as fault:
                found = found or fault
        return found

    def _let_return(self) -> None:
        """A result that cannot travel harms no other rank: let those that are about to return do so."""
        deadline = time.perf_counter() + RETURN_GRACE
        while any(handle.living for handle in self.ranks) and time.perf_counter() < deadline:
            with contextlib.suppress(Fault):
                self._turn(deadline)

    def _fail(self, fault: Fault) -> GangError:
        """Ask the others where they stand, stop every rank, and return the error."""
        if fault.cause == "payload":
            self._let_return()
        if fault.cause not in ("mismatch", "no progress", "limit"):  # those have just asked
            self._ask_all()
        whole_run = fault.rank is None or fault.cause == "mismatch"
        stands = {handle.rank: handle.stand for handle in self.ranks if whole_run or handle.rank != fault.rank}
        unequal = self._unequal() if fault.cause in ("exception", "signal") else None
        lines = [*fault.lines, *(unequal[1] if unequal else []), *words.others(stands, all_ranks=whole_run)]
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
