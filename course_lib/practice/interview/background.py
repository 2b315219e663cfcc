"""How common a word is: counts over a frozen text, so that a new answer in the bank changes no suggestion.

The counts lie in bank/background.json. They were taken from the sentences of the bank's answers; taking them again is a
decision, since every suggestion moves with them:

python -m course_lib.practice.interview.background    # counts today's bank; measure the suggestion again after it
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from course_lib.practice.interview.words import clauses
from course_lib.practice.knowledge.curriculum import bank
from course_lib.practice.knowledge.yaml_file import BankError

FILE = "background.json"


@dataclass(frozen=True)
class Background:
    """sentences: how many were counted; seen: in how many of them each word stands, by the word's stem."""

    sentences: int
    seen: Counter[str]


@lru_cache(maxsize=1)
def background() -> Background:
    """The frozen counts; BankError where the file cannot be read."""
    try:
        raw = json.loads((bank() / FILE).read_text(encoding="utf-8"))
        return Background(int(raw["sentences"]), Counter({word: int(count) for word, count in raw["seen"].items()}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BankError(
            f"bank/{FILE} cannot be read ({error}): bring it back with `git checkout course_lib/bank/{FILE}`."
        ) from error


def count(sentences: Iterable[str]) -> Background:
    """Count the sentences, and for each word those that it stands in."""
    seen: Counter[str] = Counter()
    number = 0
    for sentence in sentences:
        seen.update({concept.name for part in clauses(sentence) for concept in part})
        number += 1
    return Background(number, seen)


def sentences_of_the_bank() -> Iterator[str]:
    """Every sentence of the bank's answers, English and Chinese."""
    from course_lib.practice.cards.deck import sentences
    from course_lib.practice.knowledge.questions import questions

    for record in questions(status="answered"):
        assert record.answer is not None
        texts = [record.answer.short.en, record.answer.long, *record.answer.must_say.en]
        texts += [record.answer.short.zh, *record.answer.must_say.zh]
        yield from (each for text in texts for each in sentences(text))


def write(found: Background, path: Path) -> None:
    """Write counts in the order of the words, so that a change reads well."""
    path.write_text(
        json.dumps(
            {"sentences": found.sentences, "seen": dict(sorted(found.seen.items()))}, ensure_ascii=False, indent=0
        )
        + "\n",
        encoding="utf-8",
    )


def main() -> int:
    """Count the sentences of today's bank and write the file."""
    found = count(sentences_of_the_bank())
    write(found, bank() / FILE)
    print(f"bank/{FILE}: {len(found.seen):,} words of {found.sentences:,} sentences.")
    print("Measure what this changed: python -m course_lib.practice.interview.measure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
