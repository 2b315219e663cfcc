"""One rank: a fresh process that runs the function once and leaves by `os._exit`.

Its main thread runs the reader's function; its control thread answers the supervisor ("where do you stand?") and
leaves, with all it started, when the supervisor's end of the socket closes: a killed kernel leaves no rank behind.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
from course_lib.lab.gang import failure, family, flight, payload, streams, where

REPORT_EVERY = 0.1  # seconds between two reports of one rank that travel
SEND_LIMIT = 300.0  # seconds in which a rank that makes its result ready, and writes nothing, counts as making progress


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
        self.sending_since = 0.0
        self.written = 0  # bytes of the result
        self.recorder = spans.Recorder(spec.rank, 0.0, self.on_report)
        self.observer = where.Observer(threading.main_thread().ident or 0)

    def send(self, *message: Any) -> None:
        with self.sending:
            self.control.send(message)

    def on_report(self, step: int, total: int, values: dict[str, Any]) -> None:
        now = time.perf_counter()
        if now - self.reported >= REPORT_EVERY or step >= total:
            self.reported = now
            shown = {name: failure.plain(value) for name, value in values.items()}
            self.send("report", failure.plain(step), failure.plain(total), shown)

    def stand(self, with_record: bool = False) -> where.Stand:
        calls = where.calls_so_far()
        working = self.state in ("running", "sending")
        frames, call, waiting = self.observer.look() if working else ((), None, False)
        sending = self.written
        if self.state == "sending" and not waiting:  # a slow disk, or a large object that is still being taken apart
            sending += int(10 * min(time.perf_counter() - self.sending_since, SEND_LIMIT))
        return where.Stand(
            state=self.state,
            frames=frames,
            call=call,
            waiting=waiting,
            span=self.recorder.where(),
            progress=calls + self.recorder.events + sending,
            calls=calls - self.calls_before,
            group_destroyed=self.state != "starting" and not where.group_alive(),
            record=flight.record() if with_record else (),
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
                    self.send("stand", self.stand(*values))
                elif what == "leave":
                    return self.leave.set()
        except (EOFError, OSError):
            shutil.rmtree(self.spec.folder, ignore_errors=True)
            family.kill(os.getpid())  # this rank and what it started; the kernel is gone

    def run(self) -> None:
        """Run the function once; everything that can go wrong in it ends in one message."""
        folder = Path(self.spec.folder)
        try:
            fn, args, kwargs = payload.load(folder / "payload.pkl")
            _adopt(fn)
        except BaseException as error:
            return self.send("error", failure.describe(error, failure.UNPICKLING))
        try:
            _join(self.spec)
        except BaseException as error:
            return self.send("error", failure.describe(error, "could not join the process group"))
        self.calls_before = where.calls_so_far()
        self.send("ready", self.not_preloaded)
        self.go.wait()
        self.state = "running"
        with spans.recording(self.recorder):
            try:
                result = fn(self.spec.rank, *args, **kwargs)
            except BaseException as error:
                streams.flush()  # before the message: the supervisor may kill this process as soon as it has that
                return self.send("error", failure.describe(error), flight.record())
        streams.flush()
        end = time.perf_counter() - self.recorder.origin
        self.send_result(result, end)

    def send_result(self, result: Any, end: float) -> None:
        """Write the result and what was seen of this rank; say so, or why not."""
        folder, rank = Path(self.spec.folder), self.spec.rank
        self.sending_since, self.state = time.perf_counter(), "sending"
        try:
            payload.dump(result, folder / f"result_{rank}.pkl", on_write=self.wrote)
            payload.dump((self.plain_spans(), flight.record()), folder / f"seen_{rank}.pkl", on_write=self.wrote)
        except payload.PayloadTooBig:
            unsent: tuple[str, str] = (f"more than {payload.LIMIT / 2**30:g} GiB", "")
        except OSError as error:
            unsent = (failure.text_of(error), error.strerror or type(error).__name__)
        except BaseException as error:
            unsent = (f"{type(error).__name__}: {failure.text_of(error)}", "")
        else:
            self.state = "returned"
            return self.send("done", end, _peak_pss(), self.stand())
        self.state = "returned"
        self.send("unsent", *unsent, type(result).__name__, self.stand())

    def wrote(self, size: int) -> None:
        self.written = size

    def plain_spans(self) -> list[spans.Span]:
        """Return the spans with labels that travel, whatever the reader hung on them."""
        return [
            dataclasses.replace(span, labels={name: failure.label(value) for name, value in span.labels.items()})
            for span in self.recorder.spans
        ]


def rank_main(spec: RankSpec, control: Connection, output: Connection) -> NoReturn:
    """Be one rank of a run; never returns."""
    not_preloaded = [name for name in spec.preload if name not in sys.modules]
    os.setsid()  # Jupyter interrupts the kernel's process group: a rank is not in it, and ends with all it started
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    streams.take_over(output)
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
    streams.flush()
    family.leave()  # with the processes that the function started: data loader workers
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
        TORCH_FR_BUFFER_SIZE=kernel["environ"].get("TORCH_FR_BUFFER_SIZE", str(flight.KEPT)),
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
    with streams.quiet():
        dist.init_process_group(
            spec.backend,
            store=dist.FileStore(str(Path(spec.folder) / "store"), spec.world_size),
            rank=spec.rank,
            world_size=spec.world_size,
            timeout=forever,
            device_id=device if spec.backend == "nccl" else None,
        )


def _adopt(fn: Any) -> None:
    """Let ranks send each other objects of the notebook's classes, which pickle looks up by name in `__main__`."""
    names = getattr(inspect.unwrap(fn), "__globals__", {})
    if names.get("__name__") == "__main__":
        vars(sys.modules["__main__"]).update({name: value for name, value in names.items() if name[:2] != "__"})


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
