"""Which must-say points a typed answer seems to cover: words against words, no language model.

A point counts as covered when enough of its weight is found within two neighbouring sentences of the answer. A word
weighs more the rarer it is in a frozen text and the fewer points of the same question have it. It is a suggestion: the
reader decides. How often it is right is measured by `course_lib.practice.interview.measure`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from course_lib.practice.interview.background import background
from course_lib.practice.interview.words import Concept, clauses, windows

THRESHOLDS = {"en": 0.4, "zh": 0.3}  # chosen on the split `tune` of bank/labelled (measure --tune)
JUDGED = 20_000  # characters of an answer that are looked at: an hour of speech
WRONG_AT = 0.75  # share of a usual mistake's weight in one sentence from which that sentence states it
Clauses = list[list[Concept]]


@dataclass(frozen=True, slots=True)
class Suggested:
    """The suggestion for one point. number: from 1; score: the share of the point's weight that was found."""

    number: int
    point: str
    score: float
    covered: bool


def suggest(
    answer: str, points: Sequence[str], mistakes: Sequence[str] = (), threshold: float | None = None
) -> list[Suggested]:
    """One suggestion per point, in order.

    mistakes: usual wrong statements; a sentence of the answer that makes one counts for nothing. points and answer are
    in one language, English or Chinese; of an enormous answer the first 20,000 characters count.
    """
    language = language_of(" ".join(points))
    limit = THRESHOLDS[language] if threshold is None else threshold
    said = _without_mistakes(answer[:JUDGED], mistakes)
    runs = windows(said)
    scores = [_score(point, points, runs) for point in points]
    return [
        Suggested(i, point, round(score, 3), score >= limit)
        for i, (point, score) in enumerate(zip(points, scores, strict=True), start=1)
    ]


def language_of(text: str) -> str:
    """ "zh" where at least a tenth of the characters are Chinese, else "en"."""
    return "zh" if len(re.findall(r"[一-鿿]", text)) > 0.1 * max(1, len(text)) else "en"


def _score(point: str, points: Sequence[str], runs: Sequence[Clauses]) -> float:
    shared = Counter(name for other in points for name in {c.name for part in clauses(other) for c in part})
    parts = clauses(point)
    best = max((_found(parts, run, shared) for run in runs), default=0.0)
    return max(0.0, best)


def _found(parts: Clauses, run: Clauses, shared: Counter[str]) -> float:
    """The share of a point's weight in one window: its words, less what contradicts it."""
    said = {(concept.name, concept.negated) for part in run for concept in part}
    total = hit = 0.0
    plain_part = any(not c.negated for part in parts for c in part)
    for part in parts:
        # "is no evidence" is the point itself; ", not outputs" behind it is a contrast.
        core_negation = any(c.negated for c in part) and not (part[0].negated and plain_part)
        clause_total = clause_hit = 0.0
        negation_met = False
        contrast_met = any((c.name, True) in said for c in part if c.negated)
        for concept in dict.fromkeys(part):
            weight = _weight(concept.name) / shared[concept.name]
            plain, denied = (concept.name, False) in said, (concept.name, True) in said
            if concept.negated and not core_negation:  # a contrast: said it may be, contradicted it must not be
                clause_hit += weight if denied else -0.7 * weight if plain and not contrast_met else 0.0
                clause_total += weight if denied else 0.0
                continue
            clause_total += weight
            same = denied if concept.negated else plain
            clause_hit += weight if same else 0.5 * weight if plain or denied else 0.0
            negation_met |= concept.negated and denied
        if core_negation and not negation_met and not any(negated for _, negated in said):
            clause_hit *= 0.4
        total, hit = total + clause_total, hit + clause_hit
    return hit / total if total else 0.0


def _without_mistakes(answer: str, mistakes: Sequence[str]) -> str:
    """The answer without the sentences that state one of the usual mistakes."""
    if not mistakes:
        return answer
    kept = []
    for sentence in re.split(r"(?<=[.!?])\s+|(?<=[。！？])", answer):  # noqa: RUF001
        said = [concept for part in clauses(sentence) for concept in part]
        if not any(_states(said, mistake) for mistake in mistakes):
            kept.append(sentence)
    return " ".join(kept)


def _states(said: list[Concept], mistake: str) -> bool:
    wrong = {concept for part in clauses(mistake) for concept in part}
    total = sum(_weight(concept.name) for concept in wrong)
    here = set(said)
    return len(wrong) > 2 and sum(_weight(c.name) for c in wrong if c in here) >= WRONG_AT * total


@lru_cache(maxsize=10_000)
def _weight(name: str) -> float:
    """Inverse document frequency in the frozen background: rare words weigh more, numbers and formulas most."""
    common = background()
    weight = math.log((1 + common.sentences) / (1 + common.seen[name])) / math.log(1 + common.sentences)
    return 0.25 + weight * (1.5 if name.startswith("formula") or name[0].isdecimal() else 1.0)
