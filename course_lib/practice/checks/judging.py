"""Judging one answer to one exercise: trial by trial, until the first that fails. Nothing is shown or recorded here."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from course_lib.practice.checks import answer as answers
from course_lib.practice.checks.exercise import Answer, Exercise, Trial
from course_lib.practice.checks.in_rank import Seen
from course_lib.practice.checks.limits import Stopped, run_trial
from course_lib.practice.checks.verdict import Finding, failed

SHOWN_LINES = 12


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

    Never calls the answer in this process, and never the reference.
    """
    if answers.is_untouched(answer):
        return Verdict("not attempted")
    problem = answers.mismatch(exercise, answer)
    if problem is not None:
        return Verdict("failed", [failed(problem)])
    library = answers.forbidden_names(exercise, answer)
    if library:
        return Verdict("failed", [_used_library(library)])
    verdict = Verdict("passed")
    kept: dict[str, Finding] = {}
    for trial in exercise.trials(random.Random(secrets.randbits(32) if seed is None else seed)):
        verdict.status = _try(exercise, answer, trial, verdict, kept)
        if verdict.status != "passed":
            break
    verdict.findings = list(kept.values())
    return verdict


def _try(exercise: Exercise, answer: Answer, trial: Trial, verdict: Verdict, kept: dict[str, Finding]) -> str:
    """Run one trial, add its findings, and return the verdict so far."""
    outcome = run_trial(exercise, answer, trial)
    if isinstance(outcome, Stopped):
        if outcome.cause == "interrupt":
            return "note"
        why = exercise.explain_stop(trial, f"{outcome.head}\n{outcome.where}")
        kept["stopped"] = failed(_on(trial, outcome.head), why)
        verdict.where = outcome.where
        return "failed"
    _note_printed(outcome, verdict)
    if any(seen.not_written for seen in outcome):
        return "not attempted"
    with _one_thread():
        for found in _findings(exercise, trial, outcome):
            text = found.text if found.ok or found.key.startswith("cost") else _on(trial, found.text)
            kept[found.key] = Finding(found.ok, text, found.why)
            if not found.ok:
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
