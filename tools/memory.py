"""Peak memory of a process with everything it started, sampled while it runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType

_PROC = Path("/proc")


class MemorySampler:
    """Samples the memory of a process tree from a thread; use as a context manager.

    On Linux a process counts with its PSS (its own pages and its share of the shared ones), so that ranks forked from
    one server are not counted with the server's pages each; elsewhere with its RSS through psutil. A process that was
    once seen in the tree stays in it when its parent dies. On Linux one that turned away unseen belongs to it
    by `tag`, a NAME=value of the environment that it inherited.

    Attributes:
        peak: Largest sum over the tree at one moment, in bytes.
        largest: Largest single process at any moment, in bytes.
        measure: "PSS" or "RSS".
    """

    def __init__(self, pid: int, tag: str = "", period: float = 0.2) -> None:
        self.peak = self.largest = self.samples = 0
        self.measure = "PSS" if (_PROC / "self" / "smaps_rollup").exists() else "RSS"
        self._pid, self._period, self._tag = pid, period, tag.encode()
        self._seen: dict[int, str] = {}  # pid -> start time, as a pid can be given again
        self._foreign: dict[int, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-sampler", daemon=True)

    def __enter__(self) -> MemorySampler:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop sampling; `peak` and `largest` hold."""
        self._stop.set()
        self._thread.join()

    def survivors(self, patience: float = 10.0) -> list[str]:
        """Wait up to `patience` seconds for the tree to be gone; return what is left as 'pid name' (Linux only)."""
        deadline = time.monotonic() + patience
        while True:
            table = _processes() if self.measure == "PSS" else {}
            self._find_tagged(table)
            left = [p for p, start in self._seen.items() if p in table and table[p][1] == start]
            if not left or time.monotonic() > deadline:
                return [f"{p} {table[p][2]}" for p in left]
            time.sleep(0.1)

    def _run(self) -> None:
        while True:
            begin = time.monotonic()
            sizes = self._sample()
            self.samples += 1
            self.peak = max(self.peak, sum(sizes))
            self.largest = max([self.largest, *sizes])
            # Never more than a tenth of the time goes into sampling: it holds the kernel's memory lock.
            took = time.monotonic() - begin
            if self._stop.wait(max(self._period - took, 9 * took)):
                return

    def _sample(self) -> list[int]:
        if self.measure == "RSS":
            return _tree_rss(self._pid)
        table = _processes()
        self._find_tagged(table)
        children: dict[int, list[int]] = {}
        for pid, (parent, _, _) in table.items():
            children.setdefault(parent, []).append(pid)
        todo = [self._pid, *(p for p, start in self._seen.items() if p in table and table[p][1] == start)]
        tree: dict[int, str] = {}
        while todo:
            pid = todo.pop()
            if pid in table and pid not in tree:
                tree[pid] = table[pid][1]
                todo += children.get(pid, [])
        self._seen |= tree
        return [_pss(pid) for pid in tree]

    def _find_tagged(self, table: dict[int, tuple[int, str, str]]) -> None:
        """Note each process whose environment carries the tag; every process is looked at once."""
        for pid, (_, start, _) in table.items():
            if self._tag and start not in (self._seen.get(pid), self._foreign.get(pid)):
                try:
                    carries = self._tag in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
                except OSError:  # it ended meanwhile, or belongs to somebody else
                    carries = False
                (self._seen if carries else self._foreign)[pid] = start


def _processes() -> dict[int, tuple[int, str, str]]:
    """Return parent, start time and name of every living process by pid."""
    table = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                head, _, tail = (entry / "stat").read_text().rpartition(")")
            except OSError:  # it ended meanwhile
                continue
            fields = tail.split()
            if fields[0] not in "ZX":
                table[int(entry.name)] = (int(fields[1]), fields[19], head.partition("(")[2])
    return table


def _pss(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it ended meanwhile, or belongs to somebody else
        pass
    return 0


def _tree_rss(pid: int) -> list[int]:
    import psutil

    try:
        process = psutil.Process(pid)
        tree = [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
    sizes = []
    for member in tree:
        try:
            sizes.append(member.memory_info().rss)
        except psutil.Error:  # it ended meanwhile
            continue
    return sizes
