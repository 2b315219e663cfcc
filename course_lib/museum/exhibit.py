"""What an exhibit is: a wrong program, the measurement that gives it away, and the repair that the measurement accepts.

The measurement is the exhibit's own and takes the program as its argument. The same one judges the wrong program, the
repaired one and the reader's.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import math
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from course_lib.lab.measure import rounded
from course_lib.practice.desk.panel import Panel, Row
from course_lib.practice.knowledge.curriculum import Chapter

LIMIT_S = 30.0  # for the reader's program; every measurement here takes less than 10 s


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `x in Range(0, 1)`."""

    low: float = -math.inf
    high: float = math.inf

    def __contains__(self, x: float) -> bool:
        return self.low <= x <= self.high

    def __str__(self) -> str:
        if self.low == self.high:
            return f"exactly {rounded(self.low)}"
        if self.high == math.inf:
            return f"at least {rounded(self.low)}"
        if self.low == -math.inf:
            return f"at most {rounded(self.high)}"
        return f"{rounded(self.low)} to {rounded(self.high)}"


def near(value: float, relative: float = 1e-6) -> Range:
    """The range `value` ± `relative` of it."""
    return Range(value - abs(value) * relative, value + abs(value) * relative)


@dataclass(frozen=True)
class Finding:
    """What a measurement saw of one program.

    number, unit: the number that gives the program away; sentence: what was seen, with numbers rounded so that they
    are the same on every run of one machine; still_wrong: another fault that was seen, empty if none; others: further
    numbers by name.
    """

    number: float
    unit: str
    sentence: str
    still_wrong: str = ""
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One wrong answer.

    number: "1" to "25" for code, "E1" to "E13" for numbers; title: what it is about, without naming the fault;
    fault_name: the name of the fault, shown once it is found; chapters: where it hangs; questions: ids of the interview
    questions whose circulating answers have the fault; claim: what is said; quantity: what the number is.
    wrong, repaired: the programs; measure: runs one and returns its Finding; fault, healed: ranges of the number.
    faulty, fine: lines of `wrong` to choose from, each by a piece of text that only that line has, with the reason.
    source: where the right value or the claim was read; "quoted, not verified" where it was not. ranks: how many ranks
    the measurement starts, 0 if none.
    """

    number: str
    title: str
    fault_name: str
    chapters: tuple[Chapter, ...]
    questions: tuple[str, ...]
    claim: str
    quantity: str
    wrong: Callable[..., Any]
    repaired: Callable[..., Any]
    measure: Callable[[Callable[..., Any]], Finding]
    fault: Range
    healed: Range
    faulty: Mapping[str, str]
    fine: Mapping[str, str]
    why_it_passes_review: str
    repair: str
    source: str = ""
    ranks: int = 0

    @property
    def slug(self) -> str:
        """The name of the exhibit's file."""
        return self.wrong.__module__.rpartition(".")[2]

    @property
    def heading(self) -> str:
        """Number, title and chapter in one line."""
        chapters = " and ".join(self.chapters)
        return f"Exhibit {self.number}: {self.title} (chapter{'s' * (len(self.chapters) > 1)} {chapters})"

    @property
    def num_faulty(self) -> int:
        """How many lines to choose from are at fault."""
        return len(self.faulty)

    @property
    def wrong_source(self) -> str:
        """The wrong program as it stands in its file."""
        return source_of(self.wrong)

    @property
    def repaired_source(self) -> str:
        """The repaired program as it stands in its file."""
        return source_of(self.repaired)

    def choices(self) -> dict[int, tuple[bool, str]]:
        """The lines to choose from: number of the line in `wrong_source`, from 1, to (is it at fault, the reason)."""
        lines = self.wrong_source.splitlines()
        found: dict[int, tuple[bool, str]] = {}
        for at_fault, reasons in ((True, self.faulty), (False, self.fine)):
            for text, reason in reasons.items():
                numbers = [i for i, line in enumerate(lines, start=1) if text in line]
                if len(numbers) != 1:
                    raise ValueError(f"Exhibit {self.number}: {text!r} is on {len(numbers)} lines and must be on one.")
                found[numbers[0]] = (at_fault, reason)
        return dict(sorted(found.items()))

    def run(self, program: Callable[..., Any]) -> Finding:
        """Measure `program`, printing nothing and leaving torch's random numbers as they were."""
        with _quietly():
            return self.measure(program)

    def _run_apart(self, program: Callable[..., Any]) -> Finding:
        """Measure the reader's program in a process of its own: an endless loop or an exit ends there."""
        from course_lib.lab import Gang

        if self.ranks:
            return self.run(program)  # it starts ranks itself
        with _quietly():
            return Gang(1, timeout=LIMIT_S, backend="gloo").run(_in_a_rank, self.slug, program, limit=LIMIT_S)[0]

    def verdict(self, finding: Finding) -> str:
        """ "repaired", "fault" (the number is in the fault's range), or "neither"."""
        if finding.number in self.healed and not finding.still_wrong:
            return "repaired"
        return "fault" if finding.number in self.fault else "neither"

    def check_repair(self, program: Callable[..., Any]) -> Panel:
        """Judge the reader's own program; never raises."""
        from course_lib.lab import GangError

        title = f"Your repair of exhibit {self.number}, {self.title}"
        signature = str(inspect.signature(self.wrong)).replace("'", "")
        expected = f"It is called like the wrong one: {self.wrong.__name__}{signature}."
        if not callable(program):
            return Panel(title, [Row("failed", f"This is a {type(program).__name__}, not a function.", expected)])
        try:
            finding = self._run_apart(program)
        except KeyboardInterrupt:
            return Panel(title, [Row("failed", "You stopped it.", "Does a loop in it end?")])
        except GangError as error:
            if error.cause in ("limit", "no progress"):
                return Panel(
                    title, [Row("failed", "It did not end in time and was stopped.", "Does a loop in it end?")]
                )
            return Panel(title, [Row("failed", _first_line(error), expected)])
        except (Exception, SystemExit) as error:
            return Panel(title, [Row("failed", f"It raised {type(error).__name__}: {_first_line(error)}", expected)])
        if not isinstance(finding.number, (int, float)):
            return Panel(title, [Row("failed", "It returned something that could not be measured.", expected)])
        verdict = self.verdict(finding)
        wanted = f"{self.quantity[0].upper()}{self.quantity[1:]} must be {self.healed}."
        if verdict == "repaired":
            named = f"{self.fault_name}. The repair in the museum: {self.repair}"
            return Panel(title, [Row("passed", finding.sentence)], footer=named)
        rows = []
        if finding.number not in self.healed:
            still = "The fault is still there. " if verdict == "fault" else ""
            rows.append(Row("failed", finding.sentence, f"{still}{wanted}"))
        if finding.still_wrong:
            rows.append(Row("failed", finding.still_wrong))
        return Panel(title, rows, footer="Change the program and check it again.")


def _in_a_rank(rank: int, slug: str, program: Callable[..., Any]) -> Finding:
    return import_module(f"{__package__}.{slug}").EXHIBIT.run(program)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def source_of(program: Callable[..., Any]) -> str:
    """The source of a function, without the indentation that all its lines share."""
    return textwrap.dedent(inspect.getsource(program)).rstrip()


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """No printed line, no warning, and the reader's random state untouched."""
    torch = sys.modules.get("torch")
    with contextlib.ExitStack() as stack:
        if torch is not None:
            stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield
