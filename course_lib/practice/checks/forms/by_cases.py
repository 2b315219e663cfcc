"""Exercises on plain functions: the reference says what is right, and a wrong program that agrees says why it is not.

    EXERCISE = by_cases(
        id="00.least_seconds", …, stub=least_seconds, reference=reference,
        arguments={"m": whole(1, 4096), …}, examples=[(512, 512, …)],
        wrong=(Wrong(_adds_both, "Both go on at the same time: the longer one decides."), …),
    )

One process makes all calls: the examples, calls drawn for the arguments, at their ends and beside them (arguments.py),
and all once more in another order. Before each, the global generators of torch, numpy and Python are set differently.
An answer may not change what it is given, nor draw from those generators or seed them, nor communicate.
"""

from __future__ import annotations

import copy
import inspect
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from course_lib.practice.checks.exercise import Answer, Changed, Exercise, Trial, Wrong, resolved
from course_lib.practice.checks.forms.agreement import agree, written
from course_lib.practice.checks.forms.arguments import Argument, again, calls
from course_lib.practice.checks.verdict import Finding, failed, kind, passed

Judge = Callable[[list[list[Any]], list[Any]], Iterable[Finding]]


def by_cases(
    *,
    stub: Answer,
    reference: Answer,
    wrong: Sequence[Wrong | Changed],
    passes: str,
    otherwise: str = "",
    arguments: Mapping[str, Argument] | None = None,
    examples: Sequence[Sequence[Any]] = (),
    make_calls: Callable[[random.Random], list[list[Any]]] | None = None,
    expected: Answer | None = None,
    properties: Judge | None = None,
    arithmetic: bool = False,
    unequal: str = "A result must depend on the arguments alone, and not on what was called before.",
    tolerance: float = 1e-9,
    cheats: Sequence[Wrong | Changed] = (),
    limit: float = 5.0,
    **rest: Any,
) -> Exercise:
    """Return an exercise on a plain function.

    arguments: by name in the stub's order, what they may be; examples: calls that are always made, first; make_calls:
    instead of both, the calls (each with all its ranks, say). passes: what is said of a right answer. otherwise: the
    advice where no wrong program agrees. expected: what the reference's result is compared with, by default itself.
    properties: where more than one result is right, the judge of (calls, results) instead of a comparison; unequal: why
    equal calls must give equal results there. arithmetic: the task asks what a product of matrices costs, so none may
    be run. tolerance: relative, for floats. rest: as for Exercise.
    """
    wrong, cheats = resolved(reference, wrong), resolved(reference, cheats)
    programs = wrong + cheats
    by_default = [p for p in inspect.signature(stub).parameters.values() if p.default is not p.empty]

    def trials(rng: random.Random) -> list[Trial]:
        made = make_calls(rng) if make_calls else [list(example) for example in examples]
        if arguments is not None:
            made += calls(arguments, len(by_default), rng)
        given = {"calls": again(made, rng), "noise": rng.randrange(2**31), "name": stub.__name__}
        return [Trial("", 1, given | {"arithmetic": arithmetic})]

    def judge(trial: Trial, seen: list[Any]) -> Iterator[Finding]:
        asked, results, changed = trial.given["calls"], seen[0]["results"], seen[0]["changed"]
        if seen[0]["ran"]:
            yield failed(
                f"{written(stub, asked[seen[0]['ran'][0]])} {seen[0]['ran'][1]}.",
                "The result follows from the arguments alone: nothing of these sizes is made or run, small or large.",
            )
        if changed:
            said = f"{written(stub, asked[changed[0][0]])} changed its argument {changed[0][1]}."
            yield failed(said, "What is handed over belongs to the caller: work on a copy.")
            return
        if properties is not None:
            yield from properties(asked, results)
            yield from _equal(stub, asked, results, unequal)
        else:
            fault = _first_fault(stub, asked, results, expected or reference, programs, tolerance)
            if fault is not None:
                yield Finding(False, fault[0], fault[1] or otherwise, key=fault[0])
                return
        yield from _beside(stub, asked, seen[0]["drew"], seen[0]["sent"])
        yield passed(passes)

    return Exercise(
        stub=stub,
        reference=reference,
        wrong=wrong,
        cheats=cheats,
        trials=trials,
        drive=drive,
        judge=judge,
        explain_stop=partial(_explain_stop, stub, programs),
        limit=limit,
        **rest,
    )


def drive(
    answer: Callable[..., Any], rank: int, calls: list[list[Any]], noise: int, name: str, arithmetic: bool = False
) -> dict[str, Any]:
    """Make all calls, and note what else they do.

    changed: (number of the call, place of the argument); drew: (number of the call, whose global generator was used);
    sent: how many collectives, sends and receives were called; ran: (number of the call, what it did that arithmetic
    alone does not), where it then ended.
    """
    from course_lib.lab.gang.where import calls_so_far
    from course_lib.practice.checks.elsewhere import equal
    from course_lib.practice.checks.forms.arithmetic import NotArithmetic, only_arithmetic
    from course_lib.practice.checks.plain import plain

    results, changed, drew, sent = [], [], [], calls_so_far()
    for number, call in enumerate(calls):
        _disturb(noise + number)
        before_all = _generators()
        given = copy.deepcopy(call)
        try:
            with only_arithmetic() if arithmetic else nullcontext():
                got = answer(*given)
        except NotArithmetic as stopped:
            return {"results": results, "changed": [], "drew": [], "sent": 0, "ran": [number, str(stopped)]}
        except Exception as error:
            error.add_note(f"In the call {_written(name, call)}.")
            raise
        results.append(plain(got))
        changed += [
            [number, place + 1]
            for place, (before, after) in enumerate(zip(call, given, strict=True))
            if not equal(plain(before), plain(after))
        ]
        drew += [[number, name] for name, state in _generators().items() if before_all.get(name, state) != state]
    return {"results": results, "changed": changed, "drew": drew, "sent": calls_so_far() - sent, "ran": []}


def _disturb(seed: int) -> None:
    """Set the global generators, so that a result which depends on them shows it."""
    random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes milliseconds: it notes where it was called
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)


def _generators() -> dict[str, Any]:
    """Return the state of the global generators that are loaded, by the name of their library."""
    states: dict[str, Any] = {"Python": random.getstate()}
    if torch := sys.modules.get("torch"):
        states["torch"] = torch.default_generator.get_state().numpy().tobytes()
    if numpy := sys.modules.get("numpy"):
        _, keys, *rest = numpy.random.get_state()
        states["numpy"] = (keys.tobytes(), *rest)
    return states


def _beside(stub: Answer, asked: list[list[Any]], drew: list[list[Any]], sent: int) -> Iterator[Finding]:
    """Yield a failure for what a function of its arguments alone does not do."""
    if drew:
        number, name = drew[0]
        yield failed(
            f"{written(stub, asked[number])} changed the state of {name}'s global generator.",
            "Other code draws from it too: where every rank seeds it alike, dropout and data augmentation repeat. Seed "
            "a generator of your own.",
        )
    if sent:
        yield failed(
            f"Your code communicates: {sent:,} collectives, sends and receives in {len(asked):,} calls.",
            "The result follows from the arguments alone; a message costs its latency, and every rank must join in.",
        )


def _written(name: str, call: Sequence[Any]) -> str:
    return f"{name}({', '.join(map(repr, call))})"


def _first_fault(
    stub: Answer,
    asked: list[list[Any]],
    results: list[Any],
    expected: Answer,
    programs: Sequence[Wrong],
    tolerance: float,
) -> tuple[str, str] | None:
    """Return what is wrong and why for the first call that is off, or None."""
    wanted = _values(expected, asked)
    if fault := next((want for want in wanted if isinstance(want, Exception)), None):
        raise fault  # the reference cannot do what the exercise asks: a fault of the course
    off = [n for n, got in enumerate(results) if not agree(got, wanted[n], tolerance)]
    if not off:
        return None
    call, got, want = asked[off[0]], results[off[0]], wanted[off[0]]
    if kind(got) != kind(want) and not (type(want) is float and type(got) is int):
        none = " A function without a return statement returns None." if got is None else ""
        return f"{stub.__name__} returned {kind(got)}; expected {kind(want)}.{none}", ""
    if asked.index(call) not in off:
        text = f"{written(stub, call)} is right at first, and gives another result when it is called again."
        return (
            text,
            "Something is kept between calls: a global, a default that is changed, a cache whose key is too small.",
        )
    given = [(program, _values(program.code, asked)) for program in programs]
    if type(want) is int:  # a float of its size is another mistake, which has been named above
        given = [(program, values) for program, values in given if type(values[off[0]]) is not float]
    return written(stub, call, got, want), _why(asked, results, off, given, tolerance)


def _why(
    asked: list[list[Any]],
    results: list[Any],
    off: list[int],
    given: Sequence[tuple[Wrong, list[Any]]],
    tolerance: float,
) -> str:
    """Return the words of the wrong program that gives the answer's results: all of them, or all that are off."""
    fine = [n for n in range(len(asked)) if n not in set(off)]
    for places in (range(len(asked)), off):
        for program, values in given:
            # Right in most of the calls in which the program is wrong is another mistake, which only meets it there.
            own = sum(not agree(results[n], values[n], tolerance) for n in fine)
            if own <= len(off) and all(agree(results[n], values[n], tolerance) for n in places):
                return program.message
    return ""


def _values(code: Answer, asked: Sequence[list[Any]]) -> list[Any]:
    """Return a course function's value for each call, computed once for equal calls."""
    kept: dict[str, Any] = {}
    for call in asked:
        if repr(call) not in kept:
            kept[repr(call)] = _value(code, call)
    return [kept[repr(call)] for call in asked]


def _value(code: Answer, call: list[Any]) -> Any:
    try:
        return code(*copy.deepcopy(call))
    except Exception as error:
        return error


def _equal(stub: Answer, asked: list[list[Any]], results: list[Any], why: str) -> Iterator[Finding]:
    first: dict[str, Any] = {}
    for call, got in zip(asked, results, strict=True):
        if not agree(first.setdefault(repr(call), got), got, 0.0):
            yield failed(f"{written(stub, call)} gave another result when it was called again.", why)
            return


def _explain_stop(stub: Answer, programs: Sequence[Wrong], trial: Trial, stopped: Any) -> str:
    """Return the words of a wrong program that raises the same in the same call."""
    for program in programs:
        for call in trial.given["calls"]:
            error = _value(program.code, call)
            if isinstance(error, Exception):
                if (
                    type(error).__name__ in stopped.head
                    and f"In the call {_written(stub.__name__, call)}." in stopped.head
                ):
                    return program.message
                break
    return ""
