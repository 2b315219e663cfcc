"""Exercise 06.scaled_lr: the linear scaling rule with gradual warm-up.

Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (arXiv 1706.02677), section 2.
"""

from __future__ import annotations

from course_lib.practice.checks.exercise import traps
from course_lib.practice.checks.forms.arguments import real, whole
from course_lib.practice.checks.forms.by_cases import by_cases


def scaled_lr(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    """Rate of the linear scaling rule with gradual warm-up at ``step``, from 0."""
    raise NotImplementedError


def reference(step: int, base_lr: float, world_size: int, warmup_steps: int) -> float:
    """Rate of the linear scaling rule with gradual warm-up at ``step``, from 0."""
    done = min(step / warmup_steps, 1.0) if warmup_steps else 1.0
    return base_lr * (1 + done * (world_size - 1))


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


EXERCISE = by_cases(
    id="06.scaled_lr",
    title="Linear scaling with warm-up",
    difficulty=1,
    minutes=10,
    place=5,
    task="""
Data parallelism on n ranks makes the batch n times as large. The linear scaling rule then takes n times the learning
rate, reached gradually: the rate climbs in a straight line from `base_lr` at step 0 to `base_lr * world_size` at step
`warmup_steps` and stays there. `warmup_steps` may be 0: then it is there from the first step on. The rule's source
trained ImageNet at batch 8,192 with 3.2, from 0.1 at batch 256.
""",
    stub=scaled_lr,
    reference=reference,
    arguments={
        "step": whole(0, 2_000),
        "base_lr": real(0.001, 0.5),
        "world_size": whole(1, 64),
        "warmup_steps": whole(0, 2_000),
    },
    examples=[(step, 0.1, 32, 2_000) for step in (0, 500, 1_000, 1_999, 2_000, 2_001, 20_000)],
    passes="From base_lr at step 0 in a straight line to base_lr·world_size, then flat; right for one rank and without "
    "warm-up too.",
    otherwise="The rate is a straight line from (0, base_lr) to (warmup_steps, base_lr·world_size), then flat.",
    wrong=traps("""
        starts at zero: base_lr * (1 + done * (world_size - 1)) => base_lr * done * world_size
            The warm-up starts at the rate that is known to work for one rank, not at zero.
        never stops climbing: min(step / warmup_steps, 1.0) if warmup_steps else 1.0 => step / max(warmup_steps, 1)
            The rate goes on climbing after the warm-up; it must stay at base_lr·world_size.
        counts from one: step / warmup_steps => (step + 1) / warmup_steps
            Steps count from 0: the first step has not climbed yet. Is there a + 1 too many?
        arrives a step early: warmup_steps, 1.0) if warmup_steps => (warmup_steps - 1), 1.0) if warmup_steps > 1
            The line ends at step warmup_steps, one later: there is a - 1 too many.
        takes the square root: (world_size - 1) => (world_size**0.5 - 1)
            That is the square root rule. With n times the batch, linear scaling takes n times the rate.
        divides by no warmup: if warmup_steps else 1.0 =>
            warmup_steps = 0 means no warm-up: do not divide by it.
        keeps a step of warmup: warmup_steps, 1.0) if warmup_steps else 1.0 => max(warmup_steps, 1), 1.0)
            Without warm-up step 0 already has the whole rate: dividing by 1 delays it.
        jumps: min(step / warmup_steps, 1.0) if warmup_steps else 1.0 => step >= warmup_steps
            The rate stays low and then jumps; a gradual warm-up climbs by the same amount at every
            step.
        forgets the warmup: min(step / warmup_steps, 1.0) if warmup_steps else 1.0 => 1.0
            There is no warm-up: a rate of world_size times the old one at step 0 makes training
            diverge.
    """),
    cheats=traps("""
        types the example in: base_lr * (1 + done * (world_size - 1)) => 0.1 * (1 + 31 * min(step / 2_000, 1.0))
            It is right for base_lr = 0.1 on 32 ranks and wrong for other values: a number typed in is
            not a rule.
    """),
    alternatives=(_by_cases, _by_weights),
    budget="no communication: every rank computes the same rate from the step alone",
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
)
