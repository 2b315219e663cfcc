"""How well the reader's numbers are calibrated: every revealed prediction of the course against its answer."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.practice.desk.panel import Panel, Row
from course_lib.practice.desk.presence import somebody_there
from course_lib.practice.desk.wording import count
from course_lib.practice.predictions.guessing import is_number, score
from course_lib.practice.record.progress import Progress

if TYPE_CHECKING:
    from course_lib.lab.figures import Picture

ROWS = 30  # more predictions than this are drawn by chapter, so that names stay readable


@dataclass(frozen=True)
class Point:
    """One revealed prediction. score: |log10(guess / answer)|, None where either is not above zero."""

    id: str
    guess: float
    answer: float
    score: float | None


def points() -> list[Point]:
    """Return one point per prediction, in the order of the chapters; nothing where nobody is there (presence.py)."""
    found: dict[str, dict[str, Point]] = {}
    for event in Progress.open().events("reveal") if somebody_there() else []:
        guess, answer = event.data.get("guess"), event.data.get("measured")
        if is_number(guess) and is_number(answer) and not event.data.get("late"):
            point = Point(event.key, guess, answer, score(guess, answer))
            found.setdefault(event.key, {}).setdefault(event.content_hash, point)  # the first reveal is the one scored
    return [list(found[key].values())[-1] for key in sorted(found)]  # of a question that changed, its newest form


def median_factor(of: list[Point]) -> float | None:
    """Return the factor within which half of the guesses are of their answers; None where none has a score."""
    scores = [point.score for point in of if point.score is not None]
    return 10 ** statistics.median(scores) if scores else None


def calibration() -> Picture | Panel:
    """Draw guess / answer of every revealed prediction on a logarithmic axis, with the line of perfect guesses.

    Until there is one it is a panel that says "no prediction yet".
    """
    every = points()
    scored = [point for point in every if point.score is not None]
    if not scored:
        rows = [Row("note", "A guess of zero or less has no place on a logarithmic axis.")] if every else []
        return Panel("Your calibration: no prediction yet", rows)
    from course_lib.lab.figures import COLOURS, Picture, figure

    by_chapter = len(scored) > ROWS
    names = [point.id.partition(".")[0] if by_chapter else point.id for point in scored]
    lanes = sorted(set(names), reverse=True)
    ratios = [point.guess / point.answer for point in scored]
    reach = max(10.0, *(2 * max(ratio, 1 / ratio) for ratio in ratios))
    fig, ax = figure(height=1.6 + 0.32 * len(lanes))
    ax.axvline(1, color=COLOURS[1], label="perfect guess")
    ax.plot(ratios, [lanes.index(name) for name in names], "o", color=COLOURS[0], alpha=0.8)
    ax.set(xscale="log", xlim=(1 / reach, reach), ylim=(-0.6, len(lanes) - 0.4), xlabel="guess / answer (1 is perfect)")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_yticks(range(len(lanes)), lanes)
    middle = rounded(median_factor(scored), 2)
    ax.set_title(f"Half of your guesses are within a factor {middle}")
    return Picture(fig, _words(every, scored, ratios, middle))


def _words(every: list[Point], scored: list[Point], ratios: list[float], middle: str) -> str:
    high, low = sum(ratio > 1 for ratio in ratios), sum(ratio < 1 for ratio in ratios)
    widest = max(scored, key=lambda point: point.score or 0.0)
    left_out = len(every) - len(scored)
    said = [
        f"Guess divided by answer for {count(len(scored), 'prediction')}, a dot each; 1 is a perfect guess.",
        f"The median factor is {middle}; {high} too high, {low} too low, {len(scored) - high - low} exact.",
        f"The widest is {widest.id}: {rounded(widest.guess, 6)} for {rounded(widest.answer, 4)}.",
    ]
    if left_out:
        said.append(f"{count(left_out, 'prediction')} not above zero cannot be drawn.")
    return " ".join(said)
