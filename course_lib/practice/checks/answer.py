"""Whose answer is it, and can it be called: what is settled before anything of the reader's runs.

Each problem is one sentence that names what was expected. Nothing here calls the reader's code.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

from course_lib.practice.checks import finding
from course_lib.practice.checks.changed import source_of
from course_lib.practice.checks.exercise import Answer, Exercise, signature_text

_OWN = "course_lib.exercises"  # where the references are


class NotAnAnswer(Exception):
    """The object cannot be judged; the text is one or two sentences for the reader."""


def exercise_of(given: Any, *, ids: bool = False, names: Mapping[str, Any] | None = None) -> Exercise:
    """Return the exercise that a function or class belongs to, by its own name or by the one it is bound to.

    ids: an id like "06.tree_broadcast" is taken too; names: the caller's variables. What a decorator, a partial or
    a class's instance hides under another name counts by the variable that holds it.
    """
    if isinstance(given, str):
        found = finding.by_id(given) or finding.by_name(given)
        if found is None:
            raise NotAnAnswer(f"There is no exercise {given!r}.{_did_you_mean(given)}")
        if not ids:
            raise NotAnAnswer(f"check takes the {_what(found)} itself, not its name: write check({found.name}).")
        return found
    name = getattr(given, "__name__", None)
    if callable(given) and (not isinstance(name, str) or finding.by_name(name) is None):
        bound = (finding.by_name(key) for key, value in (names or {}).items() if value is given)
        found = next((one for one in bound if one is not None), None)
        if found is not None:
            return found
    if not callable(given) or not isinstance(name, str):
        found = finding.by_name(type(given).__name__)
        if found is not None and found.is_class:
            raise NotAnAnswer(f"Got an object made from {found.name}; give the class itself: check({found.name}).")
        called = " If you called it, leave out the parentheses." if given is None else ""
        raise NotAnAnswer(
            f"Expected a function or class that answers an exercise, got {_describe(given)}: "
            f"write check(tree_broadcast).{called}"
        )
    if name == "<lambda>":
        raise NotAnAnswer("A lambda has no name to find its exercise by: write it with def, under the stub's name.")
    found = finding.by_name(name)
    if found is None:
        raise NotAnAnswer(f"No exercise asks for {name!r}: keep the name that the stub has.{_did_you_mean(name)}")
    return found


def mismatch(exercise: Exercise, answer: Answer) -> str | None:
    """Return what is wrong with the answer's kind or signature, or None."""
    if inspect.isclass(answer) != exercise.is_class:
        got = "a class" if inspect.isclass(answer) else "a function"
        return f"{exercise.name} is {got}; the exercise asks for a {_what(exercise)}: {exercise.signature}."
    if not _takes(answer, exercise.stub):
        return f"{exercise.name} has another signature: expected {exercise.signature}, got {signature_text(answer)}."
    for name, text in exercise.methods.items():
        method = getattr(answer, name, None)
        if not callable(method):
            return f"{exercise.name} has no method {name}: expected {text}."
        if not _takes(method, getattr(exercise.stub, name)):
            return f"{exercise.name}.{name} has another signature: expected {text}, got {name}{signature_text(method)}."
    return None


def is_untouched(answer: Answer) -> bool:
    """Say whether nothing but the stub is there: NotImplementedError, and otherwise only docstrings, pass and ..."""
    tree = syntax(answer)
    if tree is None or not any(isinstance(node, ast.Raise) for node in ast.walk(tree)):
        return False
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return bool(functions) and all(_is_empty(statement) for function in functions for statement in function.body)


def forbidden_names(exercise: Exercise, answer: Answer) -> list[str]:
    """Return the names in the answer's own source that the exercise asks to write and not to call."""
    used, last = names_in(answer), {name.rpartition(".")[2] for name in exercise.forbidden}
    return [_OWN] if _OWN in used else sorted(used & last)


def names_in(answer: Answer) -> set[str]:
    """Return the names in the answer's own source, of variables, attributes and imports; _OWN for the exercises'."""
    used: set[str] = set()
    for node in ast.walk(syntax(answer) or ast.Module([], [])):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            used.update(alias.name for alias in node.names)
            own = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if any(name.startswith(_OWN) for name in own):
                used.add(_OWN)
    return used


def syntax(answer: Answer) -> ast.Module | None:
    """Parse the answer's source, or return None where there is none to read."""
    answer = getattr(answer, "func", answer)
    try:
        tree = ast.parse(textwrap.dedent(source_of(answer)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    # Python 3.13 keeps the text of `python -c`, and gives it for whatever was made by `exec` in that process.
    return tree if _code_name(answer) in {getattr(node, "name", "<lambda>") for node in ast.walk(tree)} else None


def _code_name(answer: Answer) -> str:
    code = getattr(inspect.unwrap(answer), "__code__", None)
    return code.co_name if code is not None else getattr(answer, "__qualname__", "<lambda>").rpartition(".")[2]


def _is_empty(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Raise):
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return isinstance(statement, ast.Pass)


def _takes(answer: Answer, stub: Answer) -> bool:
    """Say whether the answer can be called as the stub can: by position, with and without the optional arguments."""
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return True  # nothing to compare: the run will tell
    wanted = list(inspect.signature(stub).parameters.values())
    required = [parameter for parameter in wanted if parameter.default is parameter.empty]
    for count in {len(wanted), len(required)}:
        try:
            signature.bind(*[None] * count)
        except TypeError:
            return False
    return True


def _what(exercise: Exercise) -> str:
    return "class" if exercise.is_class else "function"


def _describe(value: Any) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


def _did_you_mean(word: str) -> str:
    near = finding.nearest(word)
    if near is not None:
        return f" Did you mean {near}?"
    return f" The exercises are: {', '.join(finding.names())}."
