"""Numbers inside answers: where each one comes from, written beside it and rendered away for readers.

An answer carries a number as ``{{kind:source|shown}}``. The reader sees ``shown``; a test evaluates ``source``.

* ``{{known:ring_all_reduce_factor n=4|1.5}}`` reads a known answer; a scale may follow: ``{{known:key a=1 /1e9|7}}``.
* ``{{calc:2*(n-1)/n n=64|1.97}}`` evaluates a formula; names stand behind it with their values.
* ``{{evidence:sampler|128}}`` is printed by the cell of the chapter with the tag ``evidence-sampler``.
* ``{{given:64}}`` is a premise: some formula of the same record must take it in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from course_lib.practice.knowledge.known import evaluate, known

KINDS = ("known", "calc", "evidence", "given")
_MARKUP = re.compile(r"\{\{(\w+):([^{}|]*)(?:\|([^{}|]*))?\}\}")
_BINDING = re.compile(r"\s([A-Za-z]\w*)=([-+.\deE]+)(?=\s|$)")
_SCALE = re.compile(r"\s([*/])\s*([.\deE+]+)$")
_SHOWN = re.compile(r"(-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)\s*(\S+)?")
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "万": 1e4, "亿": 1e8, "万亿": 1e12}
_CODE = re.compile(r"`[^`]*`")
# Names, not quantities: bf16, H100, GPT-3, torch2, c06-q01; rank 0; chapter 07; the schedule 1F1B.
_NAMES = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:rank|step|epoch)\s+0|ranks?\s+\d\b|chapters?\s+\d+|第\s*\d+\s*章|1F1B"
    r"|[A-Za-z][\w.]*(?:[-/][\w.]+)*)",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """One number of an answer: what readers see (`shown`, `value`) and where it comes from (`kind`, `source`)."""

    kind: str
    source: str
    shown: str

    @property
    def value(self) -> float:
        """The shown number as a float: "1,120" is 1120.0, "2 million" and "200万" are 2e6."""
        return parse_shown(self.shown)

    @property
    def tolerance(self) -> float:
        """Half a unit of the last digit that is shown, and never more than 2.5 % where trailing zeros round."""
        match = _SHOWN.fullmatch(self.shown.strip())
        if match is None:
            raise ValueError(_unreadable(self.shown))
        mantissa, _, exponent = match[1].replace(",", "").partition("e")
        scale = 10.0 ** int(exponent or 0) * _SCALES.get(match[2] or "", 1.0)
        if "." in mantissa:
            return 0.5 * 10.0 ** -len(mantissa.partition(".")[2]) * scale
        zeros = len(mantissa) - len(mantissa.rstrip("0"))
        unit = 0.5 * 10.0**zeros * scale
        return max(0.5 * scale, min(unit, 0.025 * abs(self.value)))


def _unreadable(shown: str) -> str:
    return f"{shown!r} is not a number; write digits, with at most a scale word: 1.97, 1,120, 2 million, 200万."


def parse_shown(shown: str) -> float:
    """Read a shown number; ValueError where it is none."""
    match = _SHOWN.fullmatch(shown.strip())
    if match is None or (match[2] and match[2] not in _SCALES):
        raise ValueError(_unreadable(shown))
    return float(match[1].replace(",", "")) * _SCALES.get(match[2] or "", 1.0)


def plain(text: str) -> str:
    """`text` as readers see it: each ``{{kind:source|shown}}`` becomes ``shown``."""
    return _MARKUP.sub(lambda match: match[3] if match[3] is not None else match[2], text)


def find_numbers(text: str) -> Iterator[Number]:
    """Every marked number of `text`, in order."""
    for kind, source, shown in _MARKUP.findall(text):
        yield Number(kind, source.strip(), shown or source.strip())


def bare_numbers(text: str) -> list[str]:
    """Numbers of `text` that carry no source.

    Names such as H100, rank 0 or chapter 07 are no quantities, and neither is a span of code or a formula in
    backticks, provided that it holds a letter.
    """
    rest = _MARKUP.sub(" ", text)
    rest = _CODE.sub(lambda match: " " if re.search(r"[A-Za-z]", match[0]) else match[0], rest)
    return re.findall(r"\d[\d,.]*\d|\d", _NAMES.sub(" ", rest))


def split_arguments(source: str) -> tuple[str, dict[str, float]]:
    """Split ``"2*(n-1)/n n=64"`` into the expression and its named values."""
    names = {name: float(value) for name, value in _BINDING.findall(source)}
    return _BINDING.sub("", source).strip(), names


def calculate(source: str) -> float:
    """Evaluate an arithmetic formula with named values behind it: ``calculate("2*(n-1)/n n=64")`` is 1.96875.

    Plain arithmetic only, as in the known answers; anything else is a ValueError.
    """
    expression, names = split_arguments(source)
    try:
        return float(evaluate(expression, names))
    except (SyntaxError, ArithmeticError, TypeError) as error:
        raise ValueError(f"The formula {expression!r} cannot be evaluated ({error}).") from error


def premises(number: Number) -> set[float]:
    """The values that a known or calculated number takes in: its named values and its constants."""
    expression, names = split_arguments(number.source)
    constants = {float(text) for text in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?", expression)}
    return {*names.values(), *constants} if number.kind in ("known", "calc") else set()


def resolve(number: Number) -> float:
    """What the source of a known or calculated number says; ValueError or KeyError where it says nothing."""
    if number.kind == "calc":
        return calculate(number.source)
    if number.kind != "known":
        raise ValueError(f"A number of kind {number.kind!r} has no value of its own.")
    expression, names = split_arguments(number.source)
    scale = _SCALE.search(expression)
    factor = 1.0
    if scale:
        expression = expression[: scale.start()]
        factor = float(scale[2]) if scale[1] == "*" else 1 / float(scale[2])
    arguments = {name: int(value) if value.is_integer() else value for name, value in names.items()}
    return factor * float(known(expression, **arguments).value)


def number_problems(texts: list[str]) -> list[str]:
    """What is wrong with the numbers of one record's texts, one sentence each; evidence is left to the notebook."""
    problems = []
    numbers = [number for text in texts for number in find_numbers(text)]
    taken_in = set().union(*(premises(number) for number in numbers))
    for text in texts:
        for bare in bare_numbers(text):
            problems.append(
                f"the number {bare} has no source; write {{{{calc:FORMULA|{bare}}}}}, {{{{known:KEY|{bare}}}}}, "
                f"{{{{evidence:CELL|{bare}}}}} or, for a premise of a formula, {{{{given:{bare}}}}}"
            )
        if "{{" in _MARKUP.sub("", text) or "}}" in _MARKUP.sub("", text):
            problems.append("a number's markup is not closed; write {{kind:source|shown}}")
    for number in numbers:
        try:
            problems += _one_problem(number, taken_in)
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"{{{{{number.kind}:{number.source}|{number.shown}}}}}: {error}")
    return problems


def _one_problem(number: Number, taken_in: set[float]) -> Iterator[str]:
    if number.kind not in KINDS:
        yield f"{number.kind!r} is no kind of number; take one of {', '.join(KINDS)}"
    elif number.kind == "given":
        if number.value not in taken_in:
            yield f"the premise {number.shown} is used by no formula of this record; use it in one or leave it out"
    elif number.kind == "evidence":
        parse_shown(number.shown)
    else:
        value = resolve(number)
        if abs(value - number.value) > number.tolerance * (1 + 1e-9):
            yield f"{number.shown} is shown, but {number.kind}:{number.source} gives {value:.6g}; correct one of them"
