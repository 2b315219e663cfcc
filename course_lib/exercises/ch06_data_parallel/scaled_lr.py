"""Exercise 06.scaled_lr: the linear scaling rule with gradual warm-up.

Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (arXiv 1706.02677), section 2.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

from course_lib.practice.checks.exercise import Exercise, Trial, Wrong
from course_lib.practice.checks.verdict import Finding, failed, kind, passed

EXAMPLE = (0.1, 32, 2_000)  # base_lr, world_size, warmup_steps: 0.1 at batch 256 becomes 3.2 at batch 8,192


def scaled_lr(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    """Learning rate of the linear scaling rule with gradual warm-up at ``step`` (0-based)."""
    raise NotImplementedError


def reference(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    """Learning rate of the linear scaling rule with gradual warm-up at ``step`` (0-based)."""
    done = min(step / warmup_steps, 1.0) if warmup_steps else 1.0
    return base_lr * (1 + done * (world_size - 1))


def trials(rng: random.Random) -> list[Trial]:
    """The paper's own setting, then rates and lengths that nobody can have typed in."""
    settings = [EXAMPLE]
    settings += [(rng.uniform(0.01, 0.5), n, 2 * rng.randint(20, 400)) for n in (8, 2, 1, 64)]
    return [Trial("", 1, {"settings": [list(one) for one in settings]})]


def drive(answer: Callable[..., Any], rank: int, settings: list[list[Any]]) -> dict[str, Any]:
    """Ask for steps before, at and after the end of the warm-up; last without warm-up."""
    rows = []
    for base_lr, world_size, warmup_steps in settings:
        steps = (0, warmup_steps // 2, warmup_steps, warmup_steps + 1, 10 * warmup_steps, warmup_steps // 4)
        rows += [
            [step, base_lr, world_size, warmup_steps, answer(step, base_lr, world_size, warmup_steps)] for step in steps
        ]
    rows.append([0, 0.1, 4, 0, answer(0, 0.1, 4, 0)])
    rows.append([5, 0.1, 4, 0, answer(5, 0.1, 4, 0)])
    return {"rows": rows}


def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
    """Compare with the rule at each asked step, and name the mistake by the first step that is off."""
    rows = seen[0]["rows"]
    example = len(rows[: rows.index(next(row for row in rows if tuple(row[1:4]) != EXAMPLE))])
    for number, (step, base_lr, n, warmup, got) in enumerate(rows):
        if type(got) not in (float, int):
            yield failed(f"scaled_lr returned {kind(got)}; expected float.")
            return
        top = base_lr * n
        expected = top if step >= warmup else base_lr + (top - base_lr) * step / warmup
        if math.isclose(got, expected, rel_tol=1e-9):
            continue
        yield failed(*_say(step, base_lr, n, warmup, got, expected, number >= example))
        return
    yield passed("Step 0 gives base_lr, half-way is half-way, and from warmup_steps on it is base_lr·world_size.")
    yield passed("Right for one rank and without warm-up too; 0.1 at batch 256 becomes 3.2 at batch 8,192.")


def _say(
    step: int, base_lr: float, n: int, warmup: int, got: float, expected: float, beyond_the_example: bool
) -> tuple[str, str]:
    top = base_lr * n
    found = (
        f"Step {step} of a warm-up of {warmup} steps from {base_lr:.4g} to {top:.4g}: {got:.4g}, not {expected:.4g}."
    )
    if beyond_the_example and warmup:
        return found, (
            "It is right for base_lr = 0.1 on 32 ranks and wrong for other values: a number typed in is not a rule."
        )
    if step == 0 and warmup and math.isclose(got, 0.0, abs_tol=1e-12):
        return found, "The warm-up starts at the rate that is known to work for one rank, not at zero."
    if step == 0 and warmup and math.isclose(got, base_lr + (top - base_lr) / warmup, rel_tol=1e-9):
        return found, "Steps count from 0: the first step has not climbed yet. Is there a + 1 too many?"
    if step == 0 and math.isclose(got, top, rel_tol=1e-9):
        return found, "There is no warm-up: a rate of world_size times the old one at step 0 makes training diverge."
    if step > warmup and got > top:
        return found, "The rate goes on climbing after the warm-up; it must stay at base_lr·world_size."
    if step >= warmup and math.isclose(got, base_lr * math.sqrt(n), rel_tol=1e-9):
        return found, "That is the square root rule. With n times the batch, linear scaling takes n times the rate."
    if 0 < step < warmup and math.isclose(got, base_lr, rel_tol=1e-9):
        return found, "The rate stays low and then jumps; a gradual warm-up climbs by the same amount at every step."
    return found, "The rate is a straight line from (0, base_lr) to (warmup_steps, base_lr·world_size), then flat."


def explain_stop(trial: Trial, error: str) -> str:
    """Say what usually stands behind an exception."""
    return "warmup_steps = 0 means no warm-up: do not divide by it." if "ZeroDivision" in error else ""


def _starts_at_zero(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    return base_lr * world_size * min(1.0, step / max(warmup_steps, 1))


def _never_stops_climbing(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    return base_lr + base_lr * (world_size - 1) * step / max(warmup_steps, 1)


def _counts_from_one(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    return reference(step + 1, base_lr, world_size, warmup_steps)


def _takes_the_square_root(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    done = min(1.0, step / max(warmup_steps, 1))
    return (
        base_lr + (base_lr * world_size**0.5 - base_lr) * done
        if step >= warmup_steps
        else reference(step, base_lr, world_size, warmup_steps)
    )


def _divides_by_no_warmup(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    return base_lr * (1 + (world_size - 1) * min(1.0, step / warmup_steps))


def _jumps(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    return base_lr if step < warmup_steps else base_lr * world_size


def _forgets_the_warmup(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    return base_lr * world_size


def _by_cases(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    """Write it as two cases and one increment."""
    top = base_lr * world_size
    if step >= warmup_steps:
        return top
    return base_lr + step * ((top - base_lr) / warmup_steps)


def _by_weights(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    """Write it as a weighted mean of both ends."""
    left = max(0, warmup_steps - step)
    span = max(1, warmup_steps)
    return (left * base_lr + (span - left) * base_lr * world_size) / span


def _typed_in(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    return {0: 0.1, 500: 0.1 + 3.1 / 4, 1_000: 1.65}.get(step, 3.2)


EXERCISE = Exercise(
    id="06.scaled_lr",
    title="Linear scaling with warm-up",
    difficulty=1,
    minutes=10,
    place=5,
    budget="no communication: every rank computes the same rate from the step alone",
    task="""
Data parallelism on n ranks makes the batch n times as large. The linear scaling rule then takes n times the learning
rate, reached gradually: the rate climbs in a straight line from `base_lr` at step 0 to `base_lr * world_size` at step
`warmup_steps` and stays there. `warmup_steps` may be 0. The rule's source trained ImageNet at batch 8,192 with 3.2,
from 0.1 at batch 256.
""",
    stub=scaled_lr,
    reference=reference,
    trials=trials,
    drive=drive,
    judge=judge,
    explain_stop=explain_stop,
    limit=5.0,
    hints=(
        "Draw the rate over the steps for 4 ranks and a warm-up of 10 steps. Which two points fix the line, and "
        "where does it stop being one?",
        "Compute first which share of the warm-up is done, a number between 0 and 1; the rate follows from it alone.",
        "The share is min(step / warmup_steps, 1), and 1 where there is no warm-up. The rate is base_lr plus that "
        "share of the way to base_lr * world_size.",
    ),
    explanation="One step over n·B examples replaces n steps over B each; if the gradient changes little over those n "
    "steps, n times the rate lands at the same place. Early in training it changes a lot, hence the warm-up. The "
    "rule ends where the batch passes the critical batch size: 8,192 still worked for ResNet-50, larger ones lost "
    "accuracy. For Adam many scale by the square root instead.",
    wrong=(
        Wrong(_starts_at_zero, "not at zero"),
        Wrong(_never_stops_climbing, "goes on climbing"),
        Wrong(_counts_from_one, "a + 1 too many"),
        Wrong(_takes_the_square_root, "square root rule"),
        Wrong(_divides_by_no_warmup, "do not divide by it"),
        Wrong(_jumps, "and then jumps"),
        Wrong(_forgets_the_warmup, "There is no warm-up"),
    ),
    alternatives=(_by_cases, _by_weights),
    cheats=(Wrong(_typed_in, "a number typed in is not a rule"),),
)
