"""Read a typed number with its unit, and tell whether it is the answer: "150 MB" and "0.15 GB" are the same."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from course_lib.lab.measure import rounded

TOLERANCE = 0.05  # relative: what the reader recalls, or works out in the head, is right within 5 %
LONGEST = 200  # characters of a typed number

_DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_DIMENSIONS: dict[str, dict[str, float]] = {
    "data": {
        **{f"{prefix}B": scale for prefix, scale in (_DECIMAL | _BINARY).items()},
        **{f"{prefix}bit": scale / 8 for prefix, scale in _DECIMAL.items()},
        **dict.fromkeys(("byte", "bytes", "字节"), 1.0),
        **{"kilobytes": 1e3, "megabytes": 1e6, "gigabytes": 1e9, "terabytes": 1e12},
    },
    "time": {
        **{"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "秒": 1.0},
        **{
            "ms": 1e-3,
            "milliseconds": 1e-3,
            "毫秒": 1e-3,
            "us": 1e-6,
            "µs": 1e-6,
            "μs": 1e-6,
            "微秒": 1e-6,
            "ns": 1e-9,
        },
        **{"min": 60.0, "minute": 60.0, "minutes": 60.0, "分钟": 60.0},
        **{"h": 3600.0, "hour": 3600.0, "hours": 3600.0, "小时": 3600.0},
        **{"day": 86400.0, "days": 86400.0, "天": 86400.0},
    },
    "work": {f"{prefix}{word}": scale for prefix, scale in _DECIMAL.items() for word in ("FLOP", "FLOPs", "FLOPS")},
    "a share": {"%": 0.01, "percent": 0.01, "per cent": 0.01},
}
_RATES = {"data": "data per second", "work": "work per second"}
_UNITS: dict[str, tuple[str, float]] = {
    name: (dimension, scale) for dimension, units in _DIMENSIONS.items() for name, scale in units.items()
}
_UNITS |= {
    f"{name}{per}": (_RATES[dimension], scale)
    for name, (dimension, scale) in list(_UNITS.items())
    if dimension in _RATES
    for per in ("/s", " per second")
}
_UNITS |= {f"{prefix}bps": ("data per second", scale / 8) for prefix, scale in _DECIMAL.items() if prefix}
_CASELESS = {name.casefold(): name for name in reversed(_UNITS) if len(name) > 4}

_SCALE_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "万": 1e4, "亿": 1e8, "万亿": 1e12}
_RATIO = ("x", "\u00d7", "times", "fold", "倍")  # "1.5x" is a plain ratio
_SHORT_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}  # "8k tokens", "7B parameters"
_NUMBER = re.compile(
    r"(?:about|around|roughly|approximately|nearly|约|大约|~|≈|=|\s)*"
    r"([+-]?(?:\d{1,3}(?:[,_]\d{3})+|\d+)?(?:\.\d*)?(?:\s*(?:[eE]|[x\u00d7*·]\s*10\s*(?:\^|\*\*))\s*[+-]?\d+)?)"
    r"(?:\s*/\s*(\d+(?:\.\d+)?))?\s*(.*?)[.。!?]?",
    re.DOTALL | re.IGNORECASE,
)


class Unread(ValueError):
    """What was typed is no number in a unit that fits; the text is one sentence for the reader."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a typed number is right, and one sentence that says so."""

    right: bool
    sentence: str


def unit_of(text: str) -> str:
    """The unit with which `text` begins, in its own spelling: " days on 256 …" has "days"; "" where there is none."""
    match = re.match(r"\s*(%|per cent\b|[A-Za-zµμ]+(?:/s\b| per second\b)?|[一-鿿]{1,2})", text)
    for spelling in (match[1], match[1].partition("/")[0].partition(" ")[0], match[1][:1]) if match else ():
        if spelling in _UNITS and (len(spelling) > 1 or spelling == match[1] or not spelling.isascii()):
            return spelling
    return ""


def read_quantity(text: str) -> tuple[float, str]:
    """A typed number and what stands behind it: "about 0.15 GB" is (0.15, "GB"), "3/2 K" is (1.5, "K").

    Unread where there is no number.
    """
    if len(text) > LONGEST:
        raise Unread(f"That is {len(text):,} characters long: type one number, with its unit if it has one.")
    given = text.strip().replace("\N{MINUS SIGN}", "-")
    if not given:
        raise Unread("There is no number yet: type one, with its unit if it has one, such as 20, 2.5e4 or 20 MB.")
    given = re.sub(r"^(\D*\d+),(\d{1,2}|\d{4,})(?![\d,])", r"\1.\2", given)  # 1,5 is 1.5; 1,500 is 1500
    match = _NUMBER.fullmatch(given)
    number, divisor, rest = match.groups() if match else ("", None, "")
    plain = re.sub(r"[,_\s]", "", re.sub(r"\s*[x\u00d7*·]\s*10\s*(?:\^|\*\*)\s*", "e", number))
    try:
        value = float(plain)
        if divisor is not None:
            value = value / float(divisor) if float(divisor) else math.inf
    except ValueError:
        shown = given if len(given) <= 60 else f"{given[:60]}…"
        raise Unread(f"{shown!r} does not begin with a number: type one such as 20, 2.5e4 or 20 MB.") from None
    word, _, behind = rest.strip().partition(" ")
    for scale in sorted(_SCALE_WORDS, key=len, reverse=True):
        if word.casefold() == scale or (not scale.isascii() and word.startswith(scale)):
            value, rest = value * _SCALE_WORDS[scale], f"{word[len(scale) :]} {behind}"
            break
    if not math.isfinite(value):
        raise Unread(f"{given[:60]!r} is not a finite number: type one such as 20, 2.5e4 or 20 MB.")
    return value, rest.strip()


def judge(text: str, answer: float, unit: str = "", about: str = "", tolerance: float = TOLERANCE) -> Judged:
    """Compare a typed number with `answer`, which is in `unit`; another unit of the same dimension is converted.

    about: the sentence that the number stands in; words of it may follow the number ("16 bytes per parameter").
    tolerance: relative. Unread, with one sentence, where the number cannot be read or its unit does not fit.
    """
    value, given = read_quantity(text)
    wanted = _UNITS.get(unit)
    value, given = _short_scale(value, given, about, wanted)
    if wanted is None and given in _RATIO:
        given = ""
    own = _named(given)
    if own is not None and wanted is None and _in(given, about):
        own = None  # the card's own words, such as "FLOP per byte"
    if own is None and given and not _in(given, f"{unit} {about}"):
        raise Unread(_misfit(given, unit, "was not expected after the number"))
    if own is not None:
        if wanted is None or own[0] != wanted[0]:
            raise Unread(_misfit(given, unit, f"measures {own[0]}, and the answer does not"))
        value *= own[1] / wanted[1]
    per = re.search(rf"_\s*{re.escape(unit)}((?:/| per )\w+)", about) if unit else None  # "____ FLOP per byte"
    shown = f"{rounded(answer, 4)} {unit}{per[1] if per else ''}".rstrip()
    if math.isclose(value, answer, rel_tol=tolerance, abs_tol=1e-12):
        exact = math.isclose(value, answer, rel_tol=1e-9)
        return Judged(True, f"Right: {shown}." if exact else f"Right, within {tolerance * 100:g} %: {shown}.")
    return Judged(False, f"Not within {tolerance * 100:g} %: it is {shown}{_distance(value, answer)}.")


def _short_scale(value: float, given: str, about: str, wanted: tuple[str, float] | None) -> tuple[float, str]:
    """Read "8k tokens" as 8,000; a letter that is a word of the sentence, or bytes where data is asked, is a unit."""
    letter, _, rest = given.partition(" ")
    unit = letter in re.findall(r"\w+", about) or (letter == "B" and wanted is not None and "data" in wanted[0])
    if letter not in _SHORT_SCALES or unit:
        return value, given
    return value * _SHORT_SCALES[letter], rest.strip()


def _distance(value: float, answer: float) -> str:
    if value * answer <= 0:
        return ""
    factor = max(value / answer, answer / value)
    size = f"{rounded(100 * abs(value / answer - 1), 2)} %" if factor < 1.5 else f"{rounded(factor, 2)} times"
    return f", and yours is {size} too {'large' if value > answer else 'small'}"


def _named(given: str) -> tuple[str, float] | None:
    """The dimension and scale of the unit that `given` is or begins with; None where it is none."""
    for name in (given, unit_of(given), given.partition(" ")[0]):
        if found := _UNITS.get(name) or _UNITS.get(_CASELESS.get(name.casefold(), "")):
            return found
    return None


def _in(given: str, about: str) -> bool:
    """Whether every word of `given` stands in `about`."""
    words = re.findall(r"[\w%]+", about.casefold())
    return all(
        word in words or (not word.isascii() and word in about) for word in re.findall(r"[\w%]+", given.casefold())
    )


def _misfit(given: str, unit: str, fault: str) -> str:
    shown = given if len(given) <= 40 else f"{given[:40]}…"
    wanted = f"in {unit}, or a unit that converts to it" if unit else "without a unit"
    return f"{shown!r} {fault}: give the number {wanted}."
