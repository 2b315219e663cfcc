"""Spans: who did what when, on one clock for all ranks of a machine, and the time line they make.

A span is host time: work queued on an accelerator is inside it only if the code in the span waits for it
(`lab.synchronize`). All times come from `time.perf_counter`, which is system-wide, so the ranks of one gang share it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course_lib.lab.figures import Picture


@dataclass(frozen=True)
class Span:
    """One piece of work on one rank; `start_s` and `end_s` are seconds since the run began."""

    rank: int
    name: str
    start_s: float
    end_s: float
    labels: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of the span in seconds."""
        return self.end_s - self.start_s


class Timeline:
    """The spans of one run, ordered by their start."""

    def __init__(self, spans: list[Span] | None = None) -> None:
        self._spans = spans if spans is not None else []

    @property
    def spans(self) -> list[Span]:
        """All spans, ordered by start."""
        return sorted(self._spans, key=lambda span: (span.start_s, span.rank))

    def __len__(self) -> int:
        return len(self._spans)

    def __repr__(self) -> str:
        names = list(dict.fromkeys(span.name for span in self.spans))
        ranks = len({span.rank for span in self._spans})
        return f"Timeline of {len(self)} spans on {ranks} ranks: {', '.join(names) or 'nothing recorded'}"

    def select(self, name: str | None = None, rank: int | None = None) -> Timeline:
        """Return the spans with this name and this rank; None takes all."""
        chosen = [s for s in self.spans if name in (None, s.name) and rank in (None, s.rank)]
        return Timeline(chosen)

    def seconds(self, name: str | None = None, rank: int | None = None) -> float:
        """Return the summed length in seconds of the spans with this name and rank."""
        return sum(span.seconds for span in self.select(name, rank).spans)

    def starts(self, name: str, rank: int) -> list[float]:
        """Return the start times in seconds of one rank's spans with this name, ascending."""
        return [span.start_s for span in self.select(name, rank).spans]

    def overlap(self, a: str, b: str, rank: int) -> float:
        """Return the seconds in which a span named `a` and a span named `b` were both open on this rank."""
        seconds = 0.0
        for start_a, end_a in _union(self.select(a, rank).spans):
            for start_b, end_b in _union(self.select(b, rank).spans):
                seconds += max(0.0, min(end_a, end_b) - max(start_a, start_b))
        return seconds

    def picture(self, caption: str | None = None) -> Picture:
        """Draw one lane per rank and name, one colour per name, milliseconds along the axis.

        Raises ValueError when no span was recorded.
        """
        if not self._spans:
            raise ValueError('This time line is empty: put `with lab.span("forward"):` around the work to be drawn.')
        from course_lib.lab.figures import Picture, figure

        spans = self.spans
        names = list(dict.fromkeys(span.name for span in spans))
        lanes = [(rank, name) for rank in sorted({s.rank for s in spans}) for name in names]
        lanes = [lane for lane in lanes if any((s.rank, s.name) == lane for s in spans)]
        fig, ax = figure(height=max(1.6, 0.34 * len(lanes) + 0.9))
        first = min(span.start_s for span in spans)
        for row, (rank, name) in enumerate(lanes):
            tracks = _tracks([s for s in spans if (s.rank, s.name) == (rank, name)])
            height = 0.8 / len(tracks)
            for level, track in enumerate(tracks):
                bars = [((s.start_s - first) * 1e3, s.seconds * 1e3) for s in track]
                ax.broken_barh(
                    bars,
                    (row - 0.4 + level * height, height),
                    facecolors=f"C{names.index(name)}",
                    edgecolors="white",
                    linewidth=0.5,
                )
        ax.set_yticks(range(len(lanes)), [f"rank {rank}  {name}" for rank, name in lanes])
        ax.invert_yaxis()
        ax.set_xlabel("time since the first span (ms)")
        ranks = len({span.rank for span in spans})
        words = caption or (
            f"What {ranks} rank{'s' if ranks > 1 else ''} did when, one lane for each rank and kind of work "
            f"({', '.join(names)}); the bars are measured time stamps."
        )
        return Picture(fig, words, measured=True)


def _tracks(spans: list[Span]) -> list[list[Span]]:
    """Share out spans (ordered by start) over as few rows as possible: those open at once must not hide each other."""
    tracks: list[list[Span]] = []
    for span in spans:
        free = next((track for track in tracks if track[-1].end_s <= span.start_s), None)
        if free is None:
            tracks.append([span])
        else:
            free.append(span)
    return tracks


def _union(spans: list[Span]) -> list[tuple[float, float]]:
    """Merge overlapping spans (ordered by start) into disjoint intervals."""
    merged: list[tuple[float, float]] = []
    for span in spans:
        if merged and span.start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.end_s))
        else:
            merged.append((span.start_s, span.end_s))
    return merged


class Recorder:
    """Collects the spans and reports of one process; the gang opens one in each rank."""

    def __init__(self, rank: int, origin: float, on_report: Callable[..., None] | None = None) -> None:
        self.rank = rank
        self.origin = origin
        self.on_report = on_report
        self.spans: list[Span] = []
        self.events = 0  # spans begun and ended, reports: what counts as progress
        self.open: dict[int, str] = {}
        self.last: str | None = None

    def where(self) -> str | None:
        """Say in words which span is open, or which one ended last."""
        names = list(self.open.values())
        if names:
            return f'in span "{names[-1]}"'
        return f'after span "{self.last}"' if self.last else None


_recorders: list[Recorder] = []
_lock = threading.Lock()


class OpenSpan:
    """A span that has begun: `stop()` it, or use it as a context manager."""

    __slots__ = ("_labels", "_name", "_recorders", "_start")

    def __init__(self, name: str, labels: dict[str, Any]) -> None:
        self._name = name
        self._labels = labels
        self._recorders = tuple(_recorders)
        for recorder in self._recorders:
            recorder.open[id(self)] = name
            recorder.events += 1
        self._start: float | None = time.perf_counter()

    def stop(self) -> None:
        """End the span; from any thread; a second call does nothing."""
        end, start = time.perf_counter(), self._start
        if start is None:
            return
        self._start = None
        for recorder in self._recorders:
            origin = recorder.origin
            recorder.spans.append(Span(recorder.rank, self._name, start - origin, end - origin, self._labels))
            recorder.open.pop(id(self), None)
            recorder.last = self._name
            recorder.events += 1

    def __enter__(self) -> OpenSpan:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def start_span(name: str, **labels: Any) -> OpenSpan:
    """Begin a span for asynchronous work; call `.stop()` on what this returns when the work is done."""
    return OpenSpan(name, labels)


def span(name: str, **labels: Any) -> OpenSpan:
    """Record the time of a `with` block: `with lab.span("forward", micro_batch=3): ...`.

    Inside a gang the span goes to the run's time line; elsewhere to an enclosing `collect_spans()`, if there is one.
    """
    return OpenSpan(name, labels)


def report(step: int, total: int, **values: Any) -> None:
    """Report the progress of the run, from any rank: `lab.report(step, 200, loss=loss.item())`.

    It moves the run's one progress bar and counts as progress for the gang's `timeout`. Outside a gang it does nothing.
    Raises TypeError if `step` or `total` is no number.
    """
    for name, value in (("step", step), ("total", total)):
        if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
            raise TypeError(f"lab.report takes numbers: {name} is {value!r}. Write lab.report(step, 200, loss=loss).")
    for recorder in tuple(_recorders):
        recorder.events += 1
        if recorder.on_report is not None:
            recorder.on_report(step, total, values)


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Send the spans of this process to `recorder` while the block runs."""
    with _lock:
        _recorders.append(recorder)
    try:
        yield recorder
    finally:
        with _lock:
            _recorders.remove(recorder)


@contextmanager
def collect_spans() -> Iterator[Timeline]:
    """Collect the spans of this process: `with lab.collect_spans() as timeline: ...`.

    Times count in seconds from the start of the block.
    """
    recorder = Recorder(_current_rank(), time.perf_counter())
    with recording(recorder):
        yield Timeline(recorder.spans)


def _current_rank() -> int:
    dist = sys.modules.get("torch.distributed")
    return dist.get_rank() if dist is not None and dist.is_available() and dist.is_initialized() else 0
