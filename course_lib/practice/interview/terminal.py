"""The mock interview at a terminal: an answer ends with an empty line or Ctrl-D; Ctrl-C stops and keeps everything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from course_lib.practice.cards.session import wrapped
from course_lib.practice.desk.wording import count
from course_lib.practice.interview.interview import SKIP, Interview, Prompt

Ask = Callable[[str], str]
STOPPED = "Stopped. Everything so far is kept: course mock --resume goes on here."


def run(interview: Interview, ask: Ask | None = None) -> bool:
    """Ask until the interview is over, then True; False where the reader stopped it with Ctrl-C or Ctrl-D."""
    ask = ask or _input()
    plan = interview.plan
    asked = count(len(plan.questions), "question")
    print(f"{asked} in {plan.minutes:g} minutes. An empty line ends an answer, {SKIP} passes.")
    print("Ctrl-C stops, and course mock --resume goes on.")
    shown, before = "", None
    lines: list[str] = []
    try:
        while (prompt := interview.prompt) is not None:
            current = interview.current
            if current is not None and current.question != shown:
                shown = current.question
                left = max(0.0, plan.minutes - interview.elapsed / 60)
                number = len(interview.results)
                print(f"\nQuestion {number} of {len(plan.questions)} ({shown}), {left:.0f} minutes left")
                if prompt.kind != "answer":  # resumed in the middle of a question
                    print("\n".join(wrapped(current.record.wording(shown).text[plan.language])))
            if prompt != before:  # a reply that could not be used is asked for again, without the whole prompt
                _show(prompt)
            before = prompt
            lines.clear()
            if interview.draft:
                print("You had typed this, go on from here:\n" + "\n".join(wrapped(interview.draft, indent="  ")))
                lines += interview.draft.splitlines()
                interview.draft = ""
            text = _lines(ask, lines) if prompt.kind in ("answer", "follow-up") else ask("> ")
            for sentence in interview.reply(text):
                print("\n".join(wrapped(sentence)))
    except (EOFError, KeyboardInterrupt):
        interview.keep_draft("\n".join(lines))
        print(f"\n{STOPPED}")
        return False
    if interview.over and len(interview.results) < len(plan.questions):
        print("\nThe time is over.")
    return True


def _show(prompt: Prompt) -> None:
    title = {"follow-up": "Follow-up: ", "number": "Fill in the number: "}.get(prompt.kind, "")
    print("\n" + "\n".join(wrapped(title + prompt.text)) + f"\n\n{prompt.ask}:")


def _lines(ask: Ask, lines: list[str]) -> str:
    """Read lines into `lines` until an empty one or Ctrl-D; Ctrl-D before the first line stops the interview."""
    while True:
        try:
            line = ask("> ")
        except EOFError:
            if not lines:
                raise
            print()
            break
        if not line.strip():
            break
        lines.append(line)
        if line.strip().casefold() == SKIP:
            return SKIP
    return "\n".join(lines)


def _input() -> Ask:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - lines longer than the terminal's own limit, and editing
    return input
