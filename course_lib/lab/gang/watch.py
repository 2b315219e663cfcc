"""A worker of `course run` says when the job hangs: no supervisor sees all ranks there, so the ranks see each other.

Each rank writes down in the job's store where it stands, once a second. A rank that waits inside torch.distributed
reads what the others wrote: if none gets further, and each waits or has returned, one of them says so, with every
rank's line. torch's own time limit would come after 30 minutes, without a word before.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time
from typing import Any

from course_lib.lab import spans
from course_lib.lab.gang import where, words

EVERY = 1.0  # seconds between two looks, at most
WORD_AFTER = 10.0  # seconds without progress of any rank before the first word
END_AFTER = 300.0  # seconds before a job is ended in which a rank has returned, and the others wait for it


class Watch:
    """One rank's part: its own stand in the store, and a look at the others' when it waits."""

    def __init__(self, store: Any, rank: int, world_size: int) -> None:
        self._store = store.clone()  # a connection of its own: the process group's may be busy waiting
        self._rank = rank
        self._world_size = world_size
        self._recorder = spans.Recorder(rank, time.perf_counter())
        self._observer = where.Observer(threading.main_thread().ident or 0)
        self._state = "running"
        self._seen: dict[int, tuple[where.Stand, float]] = {}  # each rank's last stand, and since when it is that
        self._said = float("-inf")
        self._end_after = float(os.environ.get("COURSE_RUN_TIMEOUT", END_AFTER))
        self._word_after = min(WORD_AFTER, self._end_after / 3)
        self._before = where.calls_so_far()
        self._thread = threading.Thread(target=self._run, name="course run watch", daemon=True)

    def __enter__(self) -> Watch:
        self._recording = spans.recording(self._recorder)
        self._recording.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._recording.__exit__(*exc)

    def wait_for_all(self) -> None:
        """Return when every rank has returned: a collective here could pair with one that another rank still makes."""
        self._state = "returned"
        self._tell(self._look())
        names = [f"course/returned/{rank}" for rank in range(self._world_size)]
        mine = self._store.clone()
        mine.set(names[self._rank], "1")
        try:
            while not mine.check(names):
                time.sleep(0.05)
            mine.add("course/left", 1)
            while self._rank == 0 and mine.add("course/left", 0) < self._world_size:  # rank 0 keeps the store
                time.sleep(0.02)
        except RuntimeError:  # the rank that keeps the store has left: all have returned
            return

    def _look(self) -> where.Stand:
        frames, call, waiting = self._observer.look() if self._state == "running" else ((), None, False)
        calls = where.calls_so_far()
        return where.Stand(
            state=self._state,
            frames=frames,
            call=call,
            waiting=waiting,
            span=self._recorder.where(),
            progress=calls + self._recorder.events,
            calls=calls - self._before,
        )

    def _run(self) -> None:
        every = min(EVERY, self._word_after / 4)
        try:
            while True:
                mine = self._look()
                self._tell(mine)
                if mine.waiting:
                    self._judge()
                time.sleep(every)
        except RuntimeError:  # the store is gone: the job ends
            return

    def _tell(self, stand: where.Stand) -> None:
        if self._take(self._rank, stand):
            self._store.set(f"course/stand/{self._rank}", json.dumps(dataclasses.asdict(stand)))

    def _take(self, rank: int, stand: where.Stand) -> bool:
        """Note a rank's stand; say whether it has moved since it was last seen."""
        before = self._seen.get(rank)
        now = time.monotonic()
        moved = before is None or before[0] != stand
        self._seen[rank] = (stand, now if moved or before is None else before[1])
        return moved

    def _judge(self) -> None:
        for rank in range(self._world_size):
            name = f"course/stand/{rank}"
            if rank != self._rank and self._store.check([name]):
                self._take(rank, _stand(self._store.get(name)))
        stands: dict[int, where.Stand | None] = {rank: stand for rank, (stand, _) in sorted(self._seen.items())}
        waiting = [rank for rank, (stand, _) in self._seen.items() if stand.waiting]
        returned = [rank for rank, (stand, _) in self._seen.items() if stand.state == "returned"]
        quiet = time.monotonic() - max(since for _, since in self._seen.values())
        if len(waiting) + len(returned) < self._world_size or quiet < self._word_after or self._rank != min(waiting):
            return
        over = bool(returned) and quiet >= self._end_after
        if over or time.monotonic() - self._said >= self._end_after:
            self._said = time.monotonic()
            head = words.mismatch(stands)[1] if returned else words.no_progress(quiet, stands)
            then = [f"the job is ended after {quiet:.0f} s"] if over else [f"this is so for {quiet:.0f} s"]
            lines = [*head, *words.others(stands, all_ranks=True), *(f"    {line}" for line in then)]
            print("course run: " + "\n".join(lines), file=sys.stderr, flush=True)
        if over:
            os._exit(1)


def _stand(text: bytes) -> where.Stand:
    """Read a stand back. It is JSON and no pickle: the store of a job on several machines asks nobody who he is."""
    fields = json.loads(text)
    frames = tuple(where.Frame(**frame) for frame in fields.pop("frames"))
    return where.Stand(**{**fields, "frames": frames, "record": ()})
