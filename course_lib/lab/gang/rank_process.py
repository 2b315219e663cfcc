"""One rank: a fresh process that runs the function once and leaves by `os._exit`.

Its main thread runs the reader's function; its control thread answers the supervisor ("where do you stand?") and
leaves, with all it started, when the supervisor's end of the socket closes: a killed kernel leaves no rank behind.
"""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import linecache
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from course_lib.lab import spans
from course_lib.lab.gang import payload, where

REPORT_EVERY = 0.1  # seconds between two reports of one rank that travel
MESSAGE_LIMIT = 4000  # characters of an exception's text, or of one reported value


@dataclass(frozen=True)
class RankSpec:
    """What a rank must know before it unpickles anything of the reader's."""

    rank: int
    world_size: int
    folder: str  # private to the run: the payload, the FileStore, results
    backend: str
    device: str
    threads: int
    preload: tuple[str, ...]


class _Rank:
    def __init__(self, spec: RankSpec, control: Connection, not_preloaded: list[str]) -> None:
        self.spec = spec
        self.not_preloaded = not_preloaded
        self.control = control
        self.sending = threading.Lock()
        self.go = threading.Event()
        self.leave = threading.Event()
        self.state = "starting"
        self.calls_before = 0
        self.reported = 0.0
        self.recorder = spans.Recorder(spec.rank, 0.0, self.on_report)
        self.observer = where.Observer(threading.main_thread().ident or 0)

    def send(self, *message: Any) -> None:
        with self.sending:
            self.control.send(message)

    def on_report(self, step: int, total: int, values: dict[str, Any]) -> None:
        now = time.perf_counter()
        if now - self.reported >= REPORT_EVERY or step >= total:
            self.reported = now
            self.send("report", step, total, {name: _plain(value) for name, value in values.items()})

    def stand(self) -> where.Stand:
        calls = where.calls_so_far()
        frames, call, waiting = self.observer.look() if self.state == "running" else ((), None, False)
        return where.Stand(
            state=self.state,
            frames=frames,
            call=call,
            waiting=waiting,
            span=self.recorder.where(),
            progress=calls + self.recorder.events,
            calls=calls - self.calls_before,
            group_destroyed=self.state != "starting" and not where.group_alive(),
        )

    def listen(self) -> None:
        """Serve the supervisor until it says leave, or is gone."""
        try:
            while True:
                what, *values = self.control.recv()
                if what == "go":
                    self.recorder.origin = values[0]
                    self.go.set()
                elif what == "stand":
                    self.send("stand", self.stand())
                elif what == "leave":
                    return self.leave.set()
        except (EOFError, OSError):
            shutil.rmtree(self.spec.folder, ignore_errors=True)
            os.killpg(0, signal.SIGKILL)  # this rank and what it started; the kernel is gone

    def run(self) -> None:
        """Run the function once; everything that can go wrong in it ends in one message."""
        folder = Path(self.spec.folder)
        try:
            fn, args, kwargs = payload.load(folder / "payload.pkl")
            _adopt(fn)
        except BaseException as error:
            return self.send("error", _failure(error, "could not unpickle the function"))
        try:
            _join(self.spec)
        except BaseException as error:
            return self.send("error", _failure(error, "could not join the process group"))
        self.calls_before = where.calls_so_far()
        self.send("ready", self.not_preloaded)
        self.go.wait()
        self.state = "running"
        with spans.recording(self.recorder):
            try:
                result = fn(self.spec.rank, *args, **kwargs)
            except BaseException as error:
                return self.send("error", _failure(error))
            finally:
                _flush()
        end = time.perf_counter() - self.recorder.origin
        self.state = "returned"
        try:
            payload.dump((result, self.recorder.spans), folder / f"result_{self.spec.rank}.pkl")
        except payload.PayloadTooBig:
            return self.send("unsent", f"more than {payload.LIMIT / 2**30:g} GiB", type(result).__name__)
        except Exception as error:
            return self.send("unsent", f"{type(error).__name__}: {error}", type(result).__name__)
        self.send("done", end, _peak_pss(), self.stand())


def rank_main(spec: RankSpec, control: Connection, output: Connection) -> NoReturn:
    """Be one rank of a run; never returns."""
    not_preloaded = [name for name in spec.preload if name not in sys.modules]
    os.setsid()  # Jupyter interrupts the kernel's process group: a rank is not in it, and ends with all it started
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    crash = open(Path(spec.folder) / f"crash_{spec.rank}.txt", "w")  # noqa: SIM115
    faulthandler.enable(crash)
    faulthandler.register(signal.SIGUSR1, crash)
    _set_up(spec)
    rank = _Rank(spec, control, not_preloaded)
    thread = threading.Thread(target=rank.listen, name="gang control", daemon=True)
    thread.start()
    with contextlib.suppress(BrokenPipeError):  # the supervisor is gone: the control thread ends this process
        rank.run()
    rank.leave.wait()  # a finished rank keeps its connections open until all have finished
    _flush()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)  # processes that the function started: data loader workers
    os._exit(0)


def _set_up(spec: RankSpec) -> None:
    """Put on the kernel's environment, path and sources, then this rank's own settings."""
    kernel = payload.load(Path(spec.folder) / "kernel.pkl")
    os.environ.clear()
    os.environ.update(kernel["environ"])
    sys.path[:] = kernel["sys_path"]
    linecache.cache.update(kernel["sources"])
    # A process of the fork server would start its own (data loader workers) through a second fork server: 2 s each.
    multiprocessing.set_start_method(kernel["start_method"], force=True)
    os.environ.update(
        RANK=str(spec.rank),
        LOCAL_RANK=str(spec.rank),
        WORLD_SIZE=str(spec.world_size),
        LOCAL_WORLD_SIZE=str(spec.world_size),
        OMP_NUM_THREADS=str(spec.threads),
        GLOO_SOCKET_IFNAME="lo0" if sys.platform == "darwin" else "lo",
        COURSE_DEVICE=spec.device,
        COURSE_GANG_RANK=str(spec.rank),
    )
    if spec.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the rank computes on the CPU; a context on the GPU would cost memory
    import torch

    torch.set_num_threads(spec.threads)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # the fork server's state would be the same in every rank and every run


def _join(spec: RankSpec) -> None:
    """Make the default process group over a FileStore, which opens no port."""
    from datetime import timedelta

    import torch
    import torch.distributed as dist

    forever = timedelta(days=7)  # the supervisor watches for progress; torch's own time limit would only blur the cause
    device = torch.device(spec.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _quiet():
        dist.init_process_group(
            spec.backend,
            store=dist.FileStore(str(Path(spec.folder) / "store"), spec.world_size),
            rank=spec.rank,
            world_size=spec.world_size,
            timeout=forever,
            device_id=device if spec.backend == "nccl" else None,
        )


class _quiet:
    """Drop what gloo prints while it connects."""

    def __enter__(self) -> None:
        _flush()
        self.saved = [os.dup(stream) for stream in (1, 2)]
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(null, stream)
        os.close(null)

    def __exit__(self, *exc: object) -> None:
        for stream, saved in zip((1, 2), self.saved, strict=True):
            os.dup2(saved, stream)
            os.close(saved)


def _adopt(fn: Any) -> None:
    """Let ranks send each other objects of the notebook's classes, which pickle looks up by name in `__main__`."""
    names = getattr(inspect.unwrap(fn), "__globals__", {})
    if names.get("__name__") == "__main__":
        vars(sys.modules["__main__"]).update({name: value for name, value in names.items() if name[:2] != "__"})


def _failure(error: BaseException, during: str | None = None) -> dict[str, Any]:
    """Describe an exception so that it can travel whatever its type is."""
    text = str(error)[:MESSAGE_LIMIT]
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    cause = error.__cause__
    return {
        "type": type(error).__name__,
        "message": text + notes,
        "frames": where.frames_of_exception(error),
        "exit": error.code if isinstance(error, SystemExit) else None,
        "is_exit": isinstance(error, SystemExit),
        "during": during,
        "from": f"{type(cause).__name__}: {cause}" if cause is not None else None,
        "group_destroyed": during is None and not where.group_alive(),
    }


def _plain(value: Any) -> Any:
    """Turn a reported value into a number or text, so that no tensor travels with a report."""
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "size", None) is not None:
        try:
            return item()
        except (RuntimeError, ValueError):
            return str(value)
    return value if isinstance(value, (int, float, bool)) else str(value)[:MESSAGE_LIMIT]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


def _peak_pss() -> int:
    """Return the high-water of this process's memory in bytes, shared pages divided among those who share them.

    Linux keeps no peak of PSS, so it is PSS now plus what the resident set has fallen since its own peak.
    """
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        fallen = int(fields["VmHWM"].split()[0]) - int(fields["VmRSS"].split()[0])
        for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return (int(line.split()[1]) + max(0, fallen)) * 1024
    except (OSError, KeyError, ValueError):
        pass
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
