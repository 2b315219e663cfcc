"""One question of a mock interview, as far as it went: what was typed, what is asked next, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from course_lib.practice.knowledge.questions import Answer, Question, question


@dataclass
class Result:
    """One question of the interview, as far as it went. suggested, said: numbers of must-say points, from 1."""

    question: str
    text: str | None = None
    seconds: float = 0.0
    suggested: list[int] = field(default_factory=list)
    said: list[int] | None = None
    number_card: str | None = None
    number: dict[str, Any] | None = None
    planned: list[int] = field(default_factory=list)
    follow_ups: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def record(self) -> Question:
        """The record of the bank."""
        return question(self.question)

    @property
    def answer(self) -> Answer:
        """What the bank knows about the question."""
        found = self.record.answer
        assert found is not None
        return found

    def stage(self) -> str:
        """The kind of the next prompt; "done" after the last."""
        if self.text is None:
            return "answer"
        if self.number_card is not None and self.number is None:
            return "number"
        for i in self.planned:
            if i not in self.follow_ups:
                return "follow-up"
            if "judged" not in self.follow_ups[i]:
                return "judge"
        return "points" if self.said is None else "done"

    def apply(self, data: Mapping[str, Any]) -> None:
        """Take in what a reply recorded."""
        match data["act"]:
            case "answer":
                self.text, self.seconds = str(data["text"]), float(data["seconds"])
                self.suggested = [int(i) for i in data["suggested"]]
                self.number_card, self.planned = data["number_card"], [int(i) for i in data["planned"]]
            case "number":
                self.number = {"typed": str(data["text"]), "right": bool(data["right"]), "told": str(data["told"])}
            case "follow-up":
                self.follow_ups[int(data["follow_up"])] = {"text": str(data["text"])}
            case "judge":
                self.follow_ups[int(data["follow_up"])]["judged"] = str(data["judged"])
            case "points":
                self.said = sorted(int(i) for i in data["said"])
