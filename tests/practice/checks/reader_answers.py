"""What tests of `check` hand in, as a reader would define it in a cell."""

import os

from course_lib.practice import check
from course_lib.practice.checks import finding, judging


def named(name):
    """Give a function the name of an exercise, as `def NAME` in a cell does."""

    def rename(function):
        function.__name__ = function.__qualname__ = name
        return function

    return rename


def right(step, base_lr, world_size, warmup_steps):
    done = min(1.0, step / max(warmup_steps, 1)) if warmup_steps else 1.0
    return base_lr + done * (world_size - 1) * base_lr


@named("scaled_lr")
def right_scaled_lr(step, base_lr, world_size, warmup_steps):
    return right(step, base_lr, world_size, warmup_steps)


def judged(function, words, name="scaled_lr"):
    """Check a function, expect the words in a failure, and expect that the next check passes."""
    panel = check(named(name)(function))
    text = " ".join(repr(panel).split())
    said = " ".join(f"{row.text} {row.detail}" for row in panel.rows if row.status == "failed")  # not the source shown
    assert words in said, text
    assert check(right_scaled_lr).status == "passed"
    return text


def children():
    """Process ids below this one that are alive, the fork server's own helpers among them."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    environment = file.read()
            except OSError:
                continue
            if b"COURSE_TEST_MARK=" + str(os.getpid()).encode() in environment:
                found.add(int(entry))
    return found


def verdict(exercise_id, answer):
    """Judge an answer to an exercise, whatever its name."""
    exercise = finding.by_id(exercise_id)
    answer.__name__ = exercise.name
    return judging.judge(exercise, answer)


def rejected(exercise_id, answer, words):
    """Expect that an answer fails with these words."""
    found = verdict(exercise_id, answer)
    assert found.status == "failed" and words in found.failures, (found.status, found.failures, found.where)


def accepted(exercise_id, answer):
    """Expect that an answer passes."""
    found = verdict(exercise_id, answer)
    assert found.status == "passed", (found.failures, found.where)
