"""No module of the course or its tools imports, by whatever way round, a module that imports it.

An import inside a function or under TYPE_CHECKING counts as well: it hides a circle and does not cut it.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@cache
def sources() -> dict[str, str]:
    """Return the text of every module by its dotted name; a package has the name of its folder."""
    files = [path for folder in ("course_lib", "tools") for path in (ROOT / folder).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text() for path in files}


@cache
def imports(module: str, text: str, known: frozenset[str]) -> set[str]:
    """Return the modules of `known` that the text of `module` imports, wherever in it, also by a literal name."""
    package = module.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found |= {name, *(f"{name}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return {name for name in found if name in known and name != module}


def circles(texts: dict[str, str]) -> list[str]:
    """Return "a → b → a" for a shortest way from each module back to itself, each circle once."""
    known = frozenset(texts)
    arrows = {module: imports(module, text, known) for module, text in texts.items()}
    found: dict[frozenset[str], str] = {}
    for start in arrows:
        ways, seen = [[start]], set()
        while ways:
            way = ways.pop(0)
            for target in sorted(arrows[way[-1]]):
                if target == start:
                    found.setdefault(frozenset(way), " → ".join([*way, start]))
                    ways = []
                    break
                if target not in seen:
                    seen.add(target)
                    ways.append([*way, target])
    return sorted(found.values())


def test_no_module_leads_back_to_itself():
    assert len(sources()) > 150
    assert circles(sources()) == []


A = "course_lib.museum.exhibit"
B = "course_lib.museum.catalogue"


@pytest.mark.parametrize(
    "text",
    [
        f"from {B} import find",
        f"import {B}",
        "from course_lib.museum import catalogue",
        "from .catalogue import find",
        "from . import catalogue",
        "def f():\n    from course_lib.museum.catalogue import find",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from course_lib.museum.catalogue import find",
        f"from importlib import import_module\nimport_module('{B}')",
    ],
)
def test_a_planted_circle_is_seen(text):
    without = circles(sources())
    texts = sources() | {A: f"{sources()[A]}\n{text}\n"}
    (planted,) = set(circles(texts)) - set(without)
    assert planted in (f"{B} → {A} → {B}", f"{A} → {B} → {A}")


def test_a_circle_of_three_is_seen_once():
    texts = {"a": "import b", "b": "def f():\n    import c", "c": "from a import x", "d": "import a"}
    assert circles(texts) == ["a → b → c → a"]


def test_what_only_leads_down_is_none():
    assert circles({"a": "import b\nimport c", "b": "import c", "c": "'import a'\nimport os"}) == []
