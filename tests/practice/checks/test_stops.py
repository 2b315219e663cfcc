"""What is said when ranks die in C code, and when a function's source is another's text."""

from __future__ import annotations

import linecache

from course_lib.practice.checks import answer, finding
from course_lib.practice.checks.exercise import Trial
from course_lib.practice.checks.stopped import Stopped


def test_a_crash_in_a_message_is_explained_like_a_partner_that_is_missing():
    exercise = finding.by_id("06.tree_broadcast")
    trial = Trial("on 3 ranks", world_size=3)
    said = exercise.explain_stop(trial, Stopped("killed", "Rank 1 was killed by SIGSEGV"))
    assert "3 is no power of two" in said and "below n" in said
    assert exercise.explain_stop(trial, Stopped("killed", "Rank 1 was killed by SIGKILL")) == ""


def test_the_text_of_another_function_is_not_taken_for_the_answer(monkeypatch):
    cell = {}
    exec("def scaled_lr(step):\n    raise NotImplementedError", cell)
    text = "def other(step):\n    return step\n"
    monkeypatch.setitem(linecache.cache, "<string>", (len(text), None, text.splitlines(True), "<string>"))
    assert answer.syntax(cell["scaled_lr"]) is None
