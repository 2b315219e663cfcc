"""A wrong answer that is the reference with one text replaced: what is wrong stands there alone, and nothing twice.

    wrong=traps('''
        takes the shorter: max( => min(
            That is the shorter of both. The product is done when both are done.
        knows one type only: bytes_per_element * ( => 4 * (
            bytes_per_element is not always 4.
        sends it twice: dist.send(tensor, rank + 1) => …; dist.send(tensor, rank + 1)
            One message is enough.
    ''')

The old text must stand in the reference exactly once, or the exercise does not load; … in the new one is the old.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

Answer = Callable[..., Any]
_written: dict[Any, str] = {}  # by what was made here, its source


@dataclass(frozen=True)
class Wrong:
    """An answer that must be rejected, and words of the sentence that rejects it."""

    code: Answer
    message: str

    @property
    def name(self) -> str:
        """The code's name in words."""
        return self.code.__name__.strip("_").replace("_", " ")


@dataclass(frozen=True)
class Changed:
    """A wrong answer: the reference with texts replaced.

    name: what it does, in words; changes: (old, new), one or more; message: words of the sentence that rejects it; of:
    another function or class of the exercise's file than the reference.
    """

    name: str
    changes: tuple[tuple[str, str], ...]
    message: str
    of: Answer | None = None


def traps(table: str, of: Answer | None = None) -> tuple[Changed, ...]:
    """Read a table of wrong answers, each a line `name: old => new` and, further in, the words that reject it.

    A line `and: old => new` below changes another text too; … in a new text stands for the old. Raises ValueError for
    what is no such line.
    """
    found: list[Changed] = []
    for line in filter(str.strip, textwrap.dedent(table).splitlines()):
        if not line.startswith(" "):
            name, colon, written = line.partition(": ")
            old, arrow, new = written.partition(" =>")
            change = old, new.strip().replace("…", old)
            if not (colon and arrow and old) or (name == "and" and not found):
                raise ValueError(f"{line!r}: a wrong answer is written `name: old => new`, its words below, indented.")
            if name == "and":
                found[-1] = replace(found[-1], changes=(*found[-1].changes, change))
            else:
                found.append(Changed(name, (change,), "", of))
        elif not found:
            raise ValueError(f"{line.strip()!r}: words without a wrong answer above them.")
        else:
            found[-1] = replace(found[-1], message=f"{found[-1].message} {line.strip()}".strip())
    if silent := next((one for one in found if not one.message), None):
        raise ValueError(f"{silent.name!r}: say below it, indented, the words that reject it.")
    return tuple(found)


def resolved(reference: Answer, wrong: Iterable[Wrong | Changed]) -> tuple[Wrong, ...]:
    """Return wrong answers with the code of those that are given as a change."""
    return tuple(
        Wrong(variant(one.of or reference, one.name, *one.changes), one.message) if isinstance(one, Changed) else one
        for one in wrong
    )


def variant(code: Answer, name: str, *replacements: Sequence[str]) -> Answer:
    """Return a function or class with texts of its source replaced; name: what it does, in words.

    Raises ValueError where a text does not stand there exactly once.
    """
    source = textwrap.dedent(inspect.getsource(code))
    for old, new in replacements:
        if source.count(old) != 1:
            raise ValueError(
                f"{name!r}: {old!r} stands {source.count(old)} times in {code.__name__}, and must stand there once."
            )
        source = source.replace(old, new)
    first = inspect.getsourcelines(code)[1]
    made: dict[str, Any] = {}
    # The same file and lines, so that an exception in it is shown where the reference stands.
    compiled = compile("\n" * (first - 1) + source, inspect.getsourcefile(code) or "<changed>", "exec")
    exec(compiled, vars(sys.modules[code.__module__]), made)
    answer = made[code.__name__]
    answer.__name__ = f"_{name.replace(' ', '_')}"  # and the qualified name stays that of the source
    _written[answer] = source
    return answer


def source_of(answer: Answer) -> str:
    """Return an answer's source, as `inspect.getsource` does, also of one that was made here."""
    try:
        return _written[answer]
    except (KeyError, TypeError):
        return inspect.getsource(answer)
