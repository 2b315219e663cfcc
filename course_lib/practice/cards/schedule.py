"""When a card is due: `fsrs` replayed over the reviews that the progress keeps.

A review is one event, kind "quiz", key the card's id, with its rating; a question of a mock interview counts as one
too. No state is kept beside these events: reviews imported from another machine count in the order of their time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING

from course_lib.practice.cards.deck import KINDS, Card
from course_lib.practice.desk.wording import count
from course_lib.practice.record.progress import Event, Progress

if TYPE_CHECKING:
    import fsrs

DECK_VERSION = 1  # what a review's data mean; a review of a newer version is kept and not counted
RATINGS = {"again": 1, "hard": 2, "good": 3, "easy": 4}


@dataclass(frozen=True)
class Schedule:
    """The memory of every card that was reviewed. notes: sentences about reviews that could not be counted."""

    cards: dict[str, fsrs.Card]
    shares: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def due(self, card_id: str) -> datetime | None:
        """When the card is due, in UTC; None if it was never reviewed."""
        return self.cards[card_id].due if card_id in self.cards else None

    def recall(self, card_id: str, now: datetime) -> float:
        """The predicted probability that the card is remembered now; 0 if it was never reviewed."""
        return scheduler().get_card_retrievability(self.cards[card_id], now) if card_id in self.cards else 0.0

    def strength(self, card_id: str, now: datetime) -> float:
        """Recall times the share of must-say points that the last answer had: what is weak or forgotten is low."""
        return self.recall(card_id, now) * self.shares.get(card_id, 1.0)

    def choose(self, deck: Iterable[Card], now: datetime, only_due: bool = False) -> list[Card]:
        """Cards that are due, the longest overdue first, then, unless only_due, cards never seen.

        The latter take turns by kind, each kind in the deck's order, so that a sitting of a few cards asks all kinds.
        """
        seen = [card for card in deck if card.id in self.cards]
        overdue = sorted((card for card in seen if self.cards[card.id].due <= now), key=lambda c: self.cards[c.id].due)
        if only_due:
            return overdue
        new: dict[str, list[Card]] = {kind: [] for kind in KINDS}
        for card in deck:
            if card.id not in self.cards:
                new[card.kind].append(card)
        turns = zip_longest(*new.values())
        return overdue + [card for turn in turns for card in turn if card is not None]


def scheduler() -> fsrs.Scheduler:
    """The scheduler of every replay: default parameters, no random fuzz, so that a replay always gives the same."""
    from fsrs import Scheduler

    return Scheduler(enable_fuzzing=False)


def schedule(progress: Progress, known_cards: Iterable[str] | None = None) -> Schedule:
    """Replay all reviews. known_cards: ids of the deck; reviews of other cards are kept, and noted."""
    from fsrs import Rating

    of_fsrs = scheduler()
    found = Schedule({})
    newer = malformed = 0
    ids = None if known_cards is None else set(known_cards)
    elsewhere: set[str] = set()
    for event in _reviews(progress):
        version, rating, card_id = event.data.get("deck", 1), event.data.get("rating"), event.data.get("card")
        if isinstance(version, int) and version > DECK_VERSION:
            newer += 1
        elif not isinstance(card_id, str) or isinstance(rating, bool) or rating not in RATINGS.values():
            malformed += 1
        elif ids is not None and card_id not in ids:
            elsewhere.add(card_id)
        else:
            before = found.cards.get(card_id) or _fresh(card_id, event.time)
            found.cards[card_id] = of_fsrs.review_card(before, Rating(rating), event.time)[0]
            share = event.data.get("share")
            found.shares[card_id] = float(share) if isinstance(share, (int, float)) and 0 <= share <= 1 else 1.0
    if newer:
        found.notes.append(
            f"{count(newer, 'review')} by a newer version of the course: kept and not counted; update the course."
        )
    if malformed:
        found.notes.append(f"{count(malformed, 'review')} cannot be read: kept and not counted.")
    if elsewhere:
        found.notes.append(
            f"{count(len(elsewhere), 'reviewed card')} not in this version's deck: the reviews are kept."
        )
    return found


def record(
    progress: Progress, card: Card, rating: str, *, share: float | None = None, seconds: float | None = None
) -> datetime:
    """Keep a review and return when the card is due next.

    rating: one of RATINGS; share: of the must-say points that were said; seconds: what the answer took.
    """
    event = progress.record(
        "quiz",
        card.id,
        content_hash=card.content_hash,
        card=card.id,
        deck=DECK_VERSION,
        rating=RATINGS[rating],
        share=share,
        seconds=None if seconds is None else round(seconds, 1),
    )
    due = schedule(progress).due(card.id)
    return due if due is not None else event.time


def suggest(share: float) -> str:
    """The grade for a share of must-say points: all of them easy, from two thirds good, from one third hard."""
    return "easy" if share >= 1 else "good" if share >= 2 / 3 else "hard" if share >= 1 / 3 else "again"


def in_words(until: timedelta) -> str:
    """A time from now in words: "now", "in 10 minutes", "in 3 days"."""
    seconds = until.total_seconds()
    if seconds <= 0:
        return "now"
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 0.95 * size:
            return f"in {count(round(seconds / size), unit)}"
    return "in less than a minute"


def _reviews(progress: Progress) -> list[Event]:
    """Every event that graded a card, oldest first; museum and mock events without a rating are none."""
    mock = [event for event in progress.events("mock") if event.data.get("rating") is not None]
    return sorted([*progress.events("quiz"), *mock], key=lambda event: event.time)


def _fresh(card_id: str, time: datetime) -> fsrs.Card:
    from fsrs import Card

    return Card(int.from_bytes(hashlib.sha256(card_id.encode()).digest()[:6], "big"), due=time.astimezone(UTC))
