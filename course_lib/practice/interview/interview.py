"""A mock interview without a screen: which prompt is next, what a reply is worth, what is recorded.

Every reply is an event of the progress before the next prompt is shown, and the state is read from these events. So an
interview that was interrupted, by Ctrl-C or by a kernel that died, goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from course_lib.practice.cards.deck import Card, numbers_of
from course_lib.practice.cards.numbers import Unread
from course_lib.practice.cards.schedule import DECK_VERSION, RATINGS, suggest
from course_lib.practice.cards.session import judged_number
from course_lib.practice.desk.wording import minutes
from course_lib.practice.interview import coverage as mock_coverage
from course_lib.practice.interview.plan import KEPT, VERSION, Plan, keep_whole
from course_lib.practice.interview.result import Result
from course_lib.practice.knowledge.questions import Answer
from course_lib.practice.record.progress import Progress

SKIP = "skip"
ANSWER_S = 180  # seconds for the first answer: what an interviewer listens to
JUDGEMENTS = ("yes", "partly", "no")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked now. kind: "answer", "number", "follow-up", "judge" or "points"; ask: how to reply."""

    kind: str
    text: str
    ask: str


class Interview:
    """An interview in progress: show `prompt`, hand the reply to `reply`, until `prompt` is None.

    clock: seconds, monotonic; progress: None records nothing (a rehearsal).
    """

    def __init__(self, plan: Plan, progress: Progress | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan, self.progress, self.clock = plan, progress, clock
        self.results: list[Result] = []
        self.draft = ""
        self._spent = self._opened = 0.0  # seconds up to the last event, and to the last reply
        self._since = clock()

    @property
    def elapsed(self) -> float:
        """Seconds that were spent on it, over all sittings."""
        return self._spent + self.clock() - self._since

    @property
    def over(self) -> bool:
        """Whether the time is used up: the present question is finished, none is opened."""
        return self.elapsed >= 60 * self.plan.minutes

    @property
    def current(self) -> Result | None:
        """The question that is being asked, opened if need be; None after the last one or when the time is over."""
        for result in self.results:
            if result.stage() != "done":
                return result
        if len(self.results) == len(self.plan.questions) or (self.results and self.over):
            return None
        self.results.append(Result(self.plan.questions[len(self.results)]))
        return self.results[-1]

    @property
    def prompt(self) -> Prompt | None:
        """What to ask now; None when the interview is over."""
        result = self.current
        if result is None:
            return None
        language, kind = self.plan.language, result.stage()
        if kind == "answer":
            wording = result.record.wording(result.question)
            emphasis = f" {wording.emphasis[language]}" if wording.emphasis else ""
            return Prompt(kind, wording.text[language] + emphasis, f"Your answer, about {ANSWER_S // 60} minutes")
        if kind == "number":
            front = _card(result).front
            return Prompt(kind, front.get(language, front["en"]), "The number, with its unit if it has one")
        if kind in ("follow-up", "judge"):
            follow_up = result.answer.follow_ups[_open(result)]
            if kind == "follow-up":
                return Prompt(kind, follow_up.question, "Your answer to the follow-up")
            return Prompt(kind, f"An answer: {follow_up.answer}", "Was this what you said: yes, partly or no")
        points = result.answer.must_say[language]
        marks = ["seems said" if i in result.suggested else "not found" for i in range(1, len(points) + 1)]
        listed = [f"{i}. [{mark}] {point}" for i, (mark, point) in enumerate(zip(marks, points, strict=True), start=1)]
        guess = " ".join(map(str, result.suggested)) or "none"
        ask = f"Which did you say: numbers, all or none (Enter: {guess})"
        return Prompt(kind, "\n".join(["Must say, with what your words suggest; you decide:", *listed]), ask)

    def reply(self, text: str) -> list[str]:
        """Take a reply and return what to tell the reader; one that cannot be used leaves the prompt as it is."""
        result = self.current
        if result is None:
            return ["The interview is over."]
        data: dict[str, Any] | None
        told: list[str]
        data, told = getattr(self, f"_{result.stage().replace('-', '_')}")(result, text)
        if data is not None:
            self._keep(result, data)
        return told

    def keep_draft(self, text: str) -> None:
        """Keep what was typed and not yet sent; a resumed interview begins with it."""
        result = self.current
        if text.strip() and result is not None and self.progress is not None:
            self._record(f"{result.question}/draft", {"act": "draft", "text": text[:KEPT]})

    def _keep(self, result: Result, data: dict[str, Any]) -> None:
        act = data["act"]
        self._record(result.question if act == "points" else f"{result.question}/{act}", data)
        result.apply(data)
        self._opened, self.draft = self._spent, ""

    def _record(self, key: str, data: dict[str, Any]) -> None:
        self._spent, self._since = self.elapsed, self.clock()
        about = {"session": self.plan.session, "version": VERSION, "spent": round(self._spent, 1)}
        if self.progress is not None:
            self.progress.record("mock", key, **data, **about)

    def _answer(self, result: Result, text: str) -> tuple[dict[str, Any] | None, list[str]]:
        words = text.strip()
        if not words:
            return None, [f"Nothing was typed: type your answer, or {SKIP} to pass on this question."]
        seconds = round(self.elapsed - self._opened, 1)
        data = {"act": "answer", "text": "", "seconds": seconds, "suggested": [], "number_card": None, "planned": []}
        if words.casefold() == SKIP:
            self._keep(result, data)
            return self._points(result, "none")
        text, told = keep_whole(words, self.plan.session, result.question) if self.progress else (words[:KEPT], [])
        mistakes = [m.says for m in result.answer.mistakes] if self.plan.language == "en" else []
        found = mock_coverage.suggest(words, result.answer.must_say[self.plan.language], mistakes)
        data |= {"text": text, "suggested": [each.number for each in found if each.covered]}
        if not self.over:
            data |= {"number_card": self._number_card(result)}
            data |= {"planned": _follow_ups(result.answer, [each for each in found if not each.covered])}
        told.append(f"{_length(words)} in {minutes(seconds)}; {minutes(ANSWER_S)} are usual.")
        return data, told

    def _number_card(self, result: Result) -> str | None:
        """The number card in the interview's language, if any, that was asked least often; of equals the first."""
        events = self.progress.events("mock") if self.progress is not None else []
        asked = [event.data.get("number_card") for event in events]
        cards = sorted(_numbers(result), key=lambda card: (self.plan.language not in card.front, asked.count(card.id)))
        return cards[0].id if cards else None

    def _number(self, result: Result, text: str) -> tuple[dict[str, Any] | None, list[str]]:
        card = _card(result)
        assert card.number is not None
        if text.strip().casefold() == SKIP:
            told = f"Skipped: it is {f'{card.number.shown} {card.number.unit}'.rstrip()}."
            return {"act": "number", "text": "", "right": False, "told": told}, [told]
        try:
            right, told = judged_number(card, text)
        except Unread as problem:
            return None, [f"{problem} Or {SKIP} to pass."]
        return {"act": "number", "text": text.strip(), "right": right, "told": told}, [told]

    def _follow_up(self, result: Result, text: str) -> tuple[dict[str, Any] | None, list[str]]:
        words = text.strip()
        if not words:
            return None, [f"Nothing was typed: type your answer, or {SKIP} to pass on the follow-up."]
        data = {"act": "follow-up", "follow_up": _open(result)}
        if words.casefold() == SKIP:
            self._keep(result, data | {"text": ""})
            told = f"An answer: {result.answer.follow_ups[data['follow_up']].answer}"
            return {"act": "judge", "follow_up": data["follow_up"], "judged": "no"}, [told]
        name = f"{result.question}-follow-up-{data['follow_up'] + 1}"
        text, told_all = keep_whole(words, self.plan.session, name) if self.progress else (words[:KEPT], [])
        return data | {"text": text}, told_all

    def _judge(self, result: Result, text: str) -> tuple[dict[str, Any] | None, list[str]]:
        said = [word for word in JUDGEMENTS if text.strip() and word.startswith(text.strip().casefold())]
        if not said:
            return None, ["Type yes, partly or no, or the first letter."]
        return {"act": "judge", "follow_up": _open(result), "judged": said[0]}, []

    def _points(self, result: Result, text: str) -> tuple[dict[str, Any] | None, list[str]]:
        count = len(result.answer.must_say.en)
        words = text.replace(",", " ").casefold().split()
        if not words:
            said = set(result.suggested)
        elif words in (["all"], ["none"]):
            said = set(range(1, count + 1)) if words == ["all"] else set()
        elif all(word.isdecimal() and 1 <= int(word) <= count for word in words):
            said = {int(word) for word in words}
        else:
            return None, [f"Type numbers from 1 to {count} with blanks between them, all or none."]
        share = len(said) / count
        of_card = {"card": result.record.id, "deck": DECK_VERSION, "rating": RATINGS[suggest(share)], "share": share}
        told = f"{len(said)} of {count} points said. The 30-second answer: {result.answer.short[self.plan.language]}"
        return {"act": "points", "said": sorted(said), **of_card}, [told]


def rehearse(question_id: str, replies: list[str], seconds: float = 100.0, language: str = "en") -> Interview:
    """An interview of one question over canned replies, each of which takes `seconds`; nothing is recorded."""
    waiting, now = list(replies), [0.0]
    plan = Plan("rehearsal", 30.0, language, (question_id,), datetime.now(UTC))
    interview = Interview(plan, None, clock=lambda: now[0])
    while waiting and interview.prompt is not None:
        now[0] += seconds
        interview.reply(waiting.pop(0))
    return interview


def _numbers(result: Result) -> list[Card]:
    """Number cards of the question; one that the 30-second answer states first."""
    return list(numbers_of(result.record))


def _card(result: Result) -> Card:
    return next(card for card in _numbers(result) if card.id == result.number_card)


def _open(result: Result) -> int:
    """The follow-up that is being asked."""
    return next(i for i in result.planned if "judged" not in result.follow_ups.get(i, {}))


def _follow_ups(answer: Answer, missed: list[mock_coverage.Suggested]) -> list[int]:
    """Both follow-ups after an answer that covers half of the points, else the one nearer to what was missed."""
    if len(missed) <= len(answer.must_say.en) / 2:
        return list(range(len(answer.follow_ups)))
    near = [
        sum(each.score for each in mock_coverage.suggest(f"{f.question} {f.answer}", [m.point for m in missed]))
        for f in answer.follow_ups
    ]
    return [near.index(max(near))] if near else []


def _length(words: str) -> str:
    """How long an answer is: words, or characters where it is Chinese."""
    chinese = mock_coverage.language_of(words) == "zh"
    return f"{len(''.join(words.split())):,} characters" if chinese else f"{len(words.split()):,} words"
