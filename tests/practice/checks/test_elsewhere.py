"""The other interpreter: it runs an answer as another machine would, ends what does not end, and is replaced."""

import dataclasses
import os
import random
import signal
import time

import psutil
import pytest

from course_lib.practice.checks import elsewhere, finding
from tests.practice.checks.reader_answers import named, right


@pytest.fixture
def same(monkeypatch):
    """Judge whether an answer to 06.scaled_lr, which has given a list of results here, gives them there too."""
    exercise = dataclasses.replace(finding.by_id("06.scaled_lr"), limit=0.5)
    monkeypatch.setattr(elsewhere, "_PATIENCE", 0.5)
    trial = exercise.trials(random.Random(1))[0]

    def judged(answer):
        here = exercise.drive(exercise.reference, 0, **trial.given)
        return elsewhere.same_elsewhere(exercise, named("scaled_lr")(answer), trial, [here])

    return judged


def answer(step, base_lr, world_size, warmup_steps):
    return finding.by_id("06.scaled_lr").reference(step, base_lr, world_size, warmup_steps)


def test_one_interpreter_answers_all_ends_what_does_not_end_and_is_replaced_when_killed(same):
    def kills(*_):
        os.kill(os.getppid(), signal.SIGKILL)
        return 0.0

    def waits(*_):
        time.sleep(600)

    def differs(*call):
        return right(*call) + os.getpid()

    assert same(answer)
    first = elsewhere.get_ready()
    assert not same(waits) and not same(differs)
    assert same(answer) and elsewhere.get_ready() is first
    assert not same(kills)
    assert same(answer) and elsewhere.get_ready() is not first
    assert not [child for child in psutil.Process().children(recursive=True) if child.name().startswith("chk")]
