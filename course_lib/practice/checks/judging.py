"""Judging one answer to one exercise: trial by trial, until the first that fails. Nothing is shown or recorded here."""

from __future__ import annotations

import hashlib
import inspect
import linecache
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from course_lib.practice.checks import answer as answers
from course_lib.practice.checks.changed import source_of
from course_lib.practice.checks.elsewhere import get_ready, same_elsewhere
from course_lib.practice.checks.exercise import Answer, Exercise, Trial
from course_lib.practice.checks.in_rank import Seen
from course_lib.practice.checks.limits import Stopped, run_trial
from course_lib.practice.checks.verdict import Finding, failed

SHOWN_LINES = 12
_HASH = (
    "Your code calls hash(), and hash() of text differs from process to process: what ranks put in order by it, each "
    "has in another order. Take an order that follows from the model or the rank."
)


@dataclass
class Verdict:
    """The outcome: "passed", "failed", "not attempted" or "note" (interrupted), with the findings behind it."""

    status: str
    findings: list[Finding] = field(default_factory=list)
    where: str = ""
    printed: str = ""
    printed_bytes: int = 0

    @property
    def failures(self) -> str:
        """All sentences that reject the answer, as one text."""
        return "\n".join(f"{finding.text} {finding.why}" for finding in self.findings if not finding.ok)


def judge(exercise: Exercise, answer: Answer, seed: int | None = None) -> Verdict:
    """Judge an answer with new random inputs, or with those of a seed.

    Never calls the answer in this process.
    """
    if answers.is_untouched(answer):
        return Verdict("not attempted")
    problem = answers.mismatch(exercise, answer)
    if problem is not None:
        return Verdict("failed", [failed(problem)])
    library = answers.forbidden_names(exercise, answer)
    if library:
        return Verdict("failed", [_used_library(library)])
    if exercise.everywhere:
        get_ready()  # its imports go on while the answer runs here
    verdict = Verdict("passed")
    kept: dict[str, Finding] = {}
    for trial in exercise.trials(random.Random(secrets.randbits(32) if seed is None else seed)):
        verdict.status = _try(exercise, answer, trial, verdict, kept)
        if verdict.status == "failed":
            _note_hash(answer, trial, kept)
        if verdict.status != "passed":
            break
    if verdict.status == "passed" and not any(found.ok for found in kept.values()):
        kept["nothing"] = failed("The check compared nothing, so it cannot have passed: a fault of the course.")
        verdict.status = "failed"
    verdict.findings = list(kept.values())
    return verdict


def _note_hash(answer: Answer, trial: Trial, kept: dict[str, Finding]) -> None:
    """Say of a failure on ranks that hash() is used, which each rank computes in its own way."""
    if trial.world_size > 1 and "hash" in answers.names_in(answer):
        for key, found in kept.items():
            if not found.ok:
                kept[key] = replace(found, why=_HASH)


_judged: dict[str, Verdict] = {}


def judge_once(exercise: Exercise, answer: Answer) -> Verdict:
    """Judge an answer of the course's own (a reference, a wrong answer), once per process for the same source.

    For tests and proofs that need the same judgement; a reader's answer is judged anew, with new values, each time.
    """
    key = source_key(exercise, answer)
    if key not in _judged:
        _judged[key] = judge(exercise, answer)
    return _judged[key]


def source_key(exercise: Exercise, answer: Answer) -> str:
    """Return a hash of what a judgement depends on: the exercise's file, the answer's file, and the answer's source."""
    texts = [exercise.id]
    for one in (exercise.stub, answer):
        file = inspect.getsourcefile(inspect.unwrap(one))
        texts.append("".join(linecache.getlines(file)) if file else "")
        texts.append(source_of(one))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _try(exercise: Exercise, answer: Answer, trial: Trial, verdict: Verdict, kept: dict[str, Finding]) -> str:
    """Run one trial, add its findings, and return the verdict so far."""
    outcome = run_trial(exercise, answer, trial)
    if isinstance(outcome, Stopped):
        if outcome.cause == "interrupt":
            return "note"
        kept["stopped"] = failed(_on(trial, outcome.head), exercise.explain_stop(trial, outcome))
        verdict.where = outcome.where
        return "failed"
    _note_printed(outcome, verdict)
    not_written = next((seen.not_written for seen in outcome if seen.not_written), "")
    if not_written and answers.syntax(answer) is None:
        return "not attempted"  # its source cannot be read, so this is all there is to know
    if not_written:
        kept["half"] = failed(
            f"Your code is written in part: {not_written} still raises NotImplementedError.",
            "Some way through it reaches the stub's last line: take that out, or write what is to happen there.",
        )
        return "failed"
    with _one_thread():
        for found in _findings(exercise, trial, outcome):
            text = found.text if found.ok or found.key.startswith("cost") else _on(trial, found.text)
            kept[found.key] = Finding(found.ok, text, found.why)
            if not found.ok:
                return "failed"
    if exercise.everywhere and not same_elsewhere(exercise, answer, trial, [seen.value for seen in outcome]):
        text = (
            "In another process, with another hash seed, process id and host name, the same calls gave other results."
        )
        kept["everywhere"] = failed(text, exercise.everywhere)
        return "failed"
    return "passed"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let the kernel compute expected values as the ranks do: small tensors on two busy cores wait for threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _findings(exercise: Exercise, trial: Trial, outcome: list[Seen]) -> Iterator[Finding]:
    """Yield findings one by one: a judge goes on only after what it has just said turned out well."""
    called = sorted({name for seen in outcome for name in seen.called})
    if called:
        yield _used_library(called)
    if any(seen.closed_group for seen in outcome):
        yield failed(
            "After your code had run there was no process group any more.",
            "The group belongs to whoever made it: the next collective of the caller would fail. "
            "Do not call destroy_process_group.",
        )
    yield from exercise.judge(trial, [seen.value for seen in outcome])


def _used_library(names: list[str]) -> Finding:
    return failed(
        f"Your code uses {', '.join(names)} of the library.",
        "The task is to write what it does; the library's own result proves nothing about yours.",
    )


def _note_printed(outcome: list[Seen], verdict: Verdict) -> None:
    for seen in outcome:
        if seen.printed and not verdict.printed:
            lines = seen.printed.splitlines()
            verdict.printed = "\n".join(line[:100] for line in lines[:SHOWN_LINES])
        verdict.printed_bytes += seen.printed_bytes


def _on(trial: Trial, text: str) -> str:
    """Put the trial's name before a sentence; a trial without a name is the only one."""
    if not trial.name:
        return text.replace("Rank 0 ", "Your code ", 1) if text.startswith("Rank 0 ") else text
    return f"{trial.name[:1].upper()}{trial.name[1:]}: {text}"
