"""`Gang`: run a function of the notebook on real ranks, and get back what each returned."""

from __future__ import annotations

import errno
import linecache
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from course_lib.lab.gang import failure, flight, forkserver, payload, settings, words
from course_lib.lab.gang.errors import GangError
from course_lib.lab.gang.handle import RankHandle
from course_lib.lab.gang.output import Output
from course_lib.lab.gang.rank_process import RankSpec
from course_lib.lab.gang.supervisor import Supervisor
from course_lib.lab.spans import Timeline

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR)


class GangResult(list[Any]):
    """What the ranks returned, by rank, and what was seen of the run.

    `timeline` holds the spans of all ranks, `seconds` is the time from the common start of the function until the last
    rank returned, `start_seconds` the time it took to bring the ranks up, `output` the text each rank printed,
    `peak_memory` each rank's memory in bytes (PSS: shared pages are divided among the processes that share them).
    """

    def __init__(self, results: list[Any]) -> None:
        super().__init__(results)
        self.timeline = Timeline()
        self.seconds = 0.0
        self.start_seconds = 0.0
        self.output: dict[int, str] = {}
        self.peak_memory: dict[int, int] = {}


class Gang:
    """A number of ranks that run a function together: `Gang(4).run(train, steps=200)`.

    Each `run` forks fresh processes, one per rank, joined in a default process group: gloo on the CPU, nccl with one
    GPU per rank where there are enough GPUs. `timeout` ends a run in which no rank makes progress for so many seconds;
    `straggler` is how long a rank may wait inside torch.distributed for one that has returned; `threads` is each
    rank's number of compute threads.

    When a run ends, the ranks' last 500 collectives are compared: a call for which two ranks handed over different
    sizes or dtypes is a GangError, since gloo adds up wrong numbers without a word. What cannot be noticed: the right
    sizes in another order on some rank. All processes that a rank started end with the run, but for daemons that have
    left its session and their parent.

    Raises ValueError or TypeError for arguments that make no gang.
    """

    def __init__(
        self,
        world_size: int,
        *,
        timeout: float = 30.0,
        backend: str = "auto",
        threads: int = 1,
        straggler: float = 3.0,
    ) -> None:
        settings.check_world_size(world_size)
        settings.check_threads(threads)
        settings.check_seconds("timeout", timeout)
        settings.check_seconds("straggler", straggler)
        settings.check_not_a_rank()
        said = forkserver.start_server()  # its imports go on while this process does other things
        self.world_size = world_size
        self.timeout = float(timeout)
        self.straggler = float(straggler)
        self.threads = threads
        self.backend, self._devices, where = settings.choose_backend(world_size, backend)
        self._busy = threading.Lock()
        self._warned = False
        print("\n".join(filter(None, [settings.say(world_size, where, threads), said])))

    def __repr__(self) -> str:
        return f"Gang(world_size={self.world_size}, backend={self.backend!r}, timeout={self.timeout:g})"

    def __getstate__(self) -> dict[str, Any]:
        """A function that mentions its gang takes the gang's settings along, not its lock."""
        return {name: value for name, value in self.__dict__.items() if name != "_busy"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._busy = threading.Lock()

    def run(self, fn: Callable[..., Any], *args: Any, limit: float | None = None, **kwargs: Any) -> GangResult:
        """Call `fn(rank, *args, **kwargs)` on every rank and return the results by rank.

        The default process group is initialised in each. `limit` caps the seconds that the function may take in all.
        Raises GangError, once, for any fault; then no process is left and the next run works.
        """
        settings.check_not_a_rank()
        settings.check_function(fn)
        if limit is not None:
            settings.check_seconds("limit", limit)
        if not self._busy.acquire(blocking=False):
            raise RuntimeError(
                "This gang already runs a function, started from another thread: wait for it, or make a second Gang."
            )
        folder = None
        try:
            folder = Path(tempfile.mkdtemp(prefix="gang-"))
            with _catch_interrupts() as interrupts:
                return self._run(fn, args, kwargs, limit, folder, interrupts)
        except OSError as error:
            raise GangError(words.no_start(error, error.errno in _DISK), cause="payload") from error
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            self._busy.release()

    def save(self, fn: Callable[..., Any], path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Write `fn` and its arguments to a file that `course run` hands to torchrun, on one machine or on several.

        Raises GangError if they cannot travel.
        """
        settings.check_function(fn)
        _write(Path(path), fn, args, kwargs, {"sources": _notebook_sources()})
        print(f"Saved {payload.name_of(fn)} to {Path(path).name}: run it with `course run {Path(path).name}`.")

    def _run(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        limit: float | None,
        folder: Path,
        interrupts: _Interrupts,
    ) -> GangResult:
        began = time.perf_counter()
        _write(folder / "payload.pkl", fn, args, kwargs)
        kernel = {
            "environ": dict(os.environ),
            "sys_path": list(sys.path),
            "sources": _notebook_sources(),
            "start_method": multiprocessing.get_start_method(allow_none=True),
        }
        payload.dump(kernel, folder / "kernel.pkl")
        supervisor = Supervisor(
            folder,
            timeout=self.timeout,
            straggler=self.straggler,
            limit=limit,
            output=Output(self.world_size),
            interrupted=interrupts.readable,
        )
        try:
            for rank in range(self.world_size):
                supervisor.add(self._fork(rank, folder))
            interrupts.raise_at_once = False
            supervisor.watch()
        except KeyboardInterrupt:
            supervisor.stop()
            raise GangError(words.INTERRUPTED, cause="interrupt") from None
        except GangError:
            raise
        except BaseException:
            supervisor.stop()
            raise
        self._say_slow_start(supervisor.not_preloaded)
        return self._collect(supervisor, folder, began)

    def _fork(self, rank: int, folder: Path) -> RankHandle:
        control, control_of_rank = multiprocessing.Pipe()
        output, output_of_rank = multiprocessing.Pipe(duplex=False)
        spec = RankSpec(
            rank=rank,
            world_size=self.world_size,
            folder=str(folder),
            backend=self.backend,
            device=self._devices[rank],
            threads=self.threads,
            preload=forkserver.PRELOAD,
        )
        try:
            process = forkserver.fork_rank(spec, control_of_rank, output_of_rank)
        except BaseException:
            control.close()
            output.close()
            raise
        finally:
            control_of_rank.close()
            output_of_rank.close()
        return RankHandle(rank, process, control, output)

    def _say_slow_start(self, not_preloaded: list[str]) -> None:
        if not_preloaded and not self._warned:
            self._warned = True
            print(f"The fork server could not load {', '.join(not_preloaded)}: each run starts slower than it could.")

    def _collect(self, supervisor: Supervisor, folder: Path, began: float) -> GangResult:
        handles = supervisor.ranks
        output = {handle.rank: supervisor.output.text(handle.rank) for handle in handles}
        seen = [payload.load(folder / f"seen_{handle.rank}.pkl") for handle in handles]
        unequal = flight.disagreement({rank: record for rank, (_, record) in enumerate(seen)}, self.world_size)
        if unequal is not None:
            raise GangError("\n".join(unequal[1]), rank=unequal[0], cause="mismatch", output=output)
        out = GangResult([_read(folder / f"result_{handle.rank}.pkl", handle.rank, output) for handle in handles])
        out.timeline = Timeline([span for spans, _ in seen for span in spans])
        out.seconds = max(handle.end for handle in handles)
        out.start_seconds = supervisor.origin - began
        out.output = output
        out.peak_memory = {handle.rank: handle.peak_memory for handle in handles}
        return out


def _read(path: Path, rank: int, output: dict[int, str]) -> Any:
    """Return one rank's result; a GangError says that it cannot be put together outside its rank."""
    try:
        return payload.load(path)
    except KeyboardInterrupt:
        raise GangError(words.INTERRUPTED, cause="interrupt", output=output) from None
    except BaseException as error:
        wrapped = "process group" in str(error).lower()
        reason = f"{type(error).__name__}: {failure.text_of(error)}"
        raise GangError(
            "\n".join(words.unread(rank, reason, wrapped)), rank=rank, cause="payload", output=output
        ) from None


class _Interrupts:
    """SIGINT during a run: an event for the supervisor, or a KeyboardInterrupt while the ranks are being forked."""

    def __init__(self) -> None:
        self.readable, self._writable = os.pipe()
        self.raise_at_once = True
        self.seen = 0

    def handle(self, *_: object) -> None:
        self.seen += 1
        if self.raise_at_once or self.seen > 1:
            raise KeyboardInterrupt
        os.write(self._writable, b"!")

    def close(self) -> None:
        os.close(self.readable)
        os.close(self._writable)


@contextmanager
def _catch_interrupts() -> Iterator[_Interrupts]:
    """Take SIGINT for the time of a run, so that it never falls between two steps of the supervisor."""
    interrupts = _Interrupts()
    take = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not None
    before = signal.signal(signal.SIGINT, interrupts.handle) if take else None
    try:
        yield interrupts
    finally:
        if take:
            signal.signal(signal.SIGINT, before)
        interrupts.close()


def _write(
    path: Path,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    more: dict[str, Any] | None = None,
) -> None:
    """Pickle the call; a GangError says which variable is too big or cannot be pickled."""
    job = (fn, args, kwargs) if more is None else {"call": (fn, args, kwargs), **more}
    try:
        payload.dump(job, path)
    except payload.PayloadTooBig:
        raise GangError(payload.say_too_big(fn, args, kwargs), cause="payload") from None
    except OSError:
        raise
    except Exception as error:
        raise GangError(payload.say_unpicklable(fn, args, kwargs, error), cause="payload") from None


def _notebook_sources() -> dict[str, Any]:
    """Return linecache's entries for code that is in no file: the notebook's cells (they have no modification time)."""
    return {name: entry for name, entry in linecache.cache.items() if len(entry) == 4 and entry[1] is None}
