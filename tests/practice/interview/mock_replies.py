"""What tests of the mock interview and the quiz share: a clock, a plan, replies typed by nobody, and hands."""

from datetime import UTC, datetime
from pathlib import Path

from course_lib.practice.interview.plan import Plan

ROOT = Path(__file__).parents[3]
NOW = datetime.now(UTC)
GOOD = (
    "One server receives and sends (n-1)K, its link is the bottleneck and grows with n. A ring is a reduce-scatter "
    "followed by an all-gather over n chunks with all links busy."
)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def plan(*ids, minutes=30.0, language="en"):
    return Plan("s1", minutes, language, ids or ("c06-q01",), NOW)


def typed(*words):
    words = iter(words)

    def ask(prompt):
        word = next(words, EOFError)
        if isinstance(word, type):
            raise word
        return word

    return ask


def kinds(interview, replies):
    seen = []
    for reply in replies:
        seen.append(interview.prompt.kind)
        interview.reply(reply)
    return seen


def everything(box):
    """Every widget inside a box, at any depth."""
    for child in box.children:
        yield child
        yield from everything(child) if hasattr(child, "children") else ()


def press(box, name):
    """Click the first button of this name."""
    next(child for child in everything(box) if getattr(child, "description", "") == name).click()
