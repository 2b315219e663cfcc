"""The arrows of the house: notebooks → exercises, museum → parts, practice → models, data → lab, and never back.

`lab` knows nothing of the course, no part imports another part, practice imports no part. A module's imports are read
from its syntax tree; a dotted name of the course in a string (a lazy import) counts too, save in practice, which
finds exercises and exhibits by name.
"""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "training",
    "parallelism",
    "compression",
    "serving",
    "explainability",
    "security",
    "adaptation",
    "platform",
}
# Each room and the rooms it may import besides itself.
MAY = {
    "lab": set(),
    "data": {"lab"},
    "models": {"data", "lab"},
    "practice": {"models", "data", "lab"},
    **{part: {"models", "data", "lab"} for part in PARTS},
    "exercises": {*PARTS, "practice", "models", "data", "lab"},
    "museum": {*PARTS, "practice", "models", "data", "lab"},
    "cli": {"exercises", "museum", "practice", "lab"},
    "__main__": {"cli"},
    "__init__": set(),
    "notebooks": {"exercises", "museum", *PARTS, "practice", "models", "data", "lab"},
}
# Rooms that may be named in a string, to be found at run time, though not imported.
BY_NAME = {"practice": {"exercises", "museum"}}


def imported(source: str, module: str) -> tuple[set[str], set[str]]:
    """Return the dotted course modules that `source`, the text of `module`, imports, and those it names in strings."""
    found, named = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".")[: -node.level]
                base = ".".join([*package, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named |= set(re.findall(r"^(course_lib(?:\.\w+)+)(?::\w+)?$", node.value))
    return {name for name in found if name.startswith("course_lib.")}, named


def violations(sources: dict[str, str]) -> list[str]:
    """Return "module → import" for every arrow that may not be. Keys: "course_lib.lab.device", or "notebooks.06_x"."""
    wrong = []
    for module, source in sources.items():
        names = module.split(".")
        room = "notebooks" if names[0] == "notebooks" else names[1]
        found, named = imported(source, module)
        named = {target for target in named if target.split(".")[1] not in BY_NAME.get(room, set())}
        for target in sorted(found | named):
            to = target.split(".")[1]
            known = to in MAY and to != "notebooks"
            if known and to != room and to not in MAY[room]:
                wrong.append(f"{module} → {target}")
    return wrong


def code_of(notebook: Path) -> str:
    """Return a notebook's Python, without lines for the shell and IPython's magics."""
    cells = (c for c in json.loads(notebook.read_bytes())["cells"] if c["cell_type"] == "code")
    texts = ("".join(cell["source"]) for cell in cells)
    return "\n".join(
        re.sub(r"^(\s*)[!%].*$", r"\1pass", text, flags=re.MULTILINE) for text in texts if not text.startswith("%%")
    )


def the_house() -> dict[str, str]:
    """Return the sources of every module and notebook of the course."""
    sources = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text()
        for path in (ROOT / "course_lib").rglob("*.py")
    }
    notebooks = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    return sources | {f"notebooks.{path.stem}": code_of(path) for path in notebooks}


def test_every_arrow_runs_down():
    assert violations(the_house()) == []


def test_every_room_is_on_the_plan():
    rooms = {module.split(".")[1] for module in the_house() if module.startswith("course_lib.")}
    assert rooms - set(MAY) == set()


def test_every_file_stays_under_300_lines():
    too_long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("course_lib", "tests", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) >= 300
    }
    assert too_long == {}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("course_lib.lab.device", "from course_lib.data.text import Corpus"),
        ("course_lib.lab.gang.child", "import course_lib.practice"),
        ("course_lib.lab.gang.child", "from ...models import gpt"),
        ("course_lib.lab.doctor", "def f():\n    from course_lib import practice"),
        ("course_lib.lab.__init__", "_HOME = {'known': 'course_lib.practice.knowledge.known'}"),
        ("course_lib.data.text", "from course_lib.models.gpt import GPT"),
        ("course_lib.models.gpt", "from ..parallelism import ddp"),
        ("course_lib.parallelism.ddp", "from course_lib.serving import batching"),
        ("course_lib.parallelism.ddp", "from course_lib.practice import known"),
        ("course_lib.practice.knowledge.known", "from course_lib.parallelism import ring"),
        ("course_lib.practice.check", "from course_lib.exercises import ch06"),
        ("course_lib.practice.check", "'course_lib.parallelism:ring'"),
        ("course_lib.museum.sum_without_mean", "import course_lib.exercises.ch06"),
        ("course_lib.__init__", "from course_lib.lab import Gang"),
        ("notebooks.06_data_parallel", "from course_lib.cli import main"),
    ],
)
def test_an_arrow_that_runs_up_is_seen(module, source):
    assert len(violations({module: source})) >= 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("course_lib.lab.gang.child", "from . import wire\nfrom course_lib.lab.spans import span"),
        ("course_lib.models.train_gpt", "from course_lib.data.text import Corpus\nfrom course_lib import lab"),
        ("course_lib.parallelism.ddp", "from course_lib.models.gpt import GPT"),
        ("course_lib.practice.check", "'course_lib.exercises.ch06:ring'"),
        ("course_lib.exercises.ch06.ring", "from course_lib.parallelism import ring"),
        ("notebooks.06_data_parallel", "from course_lib.practice import known\nimport torch"),
        ("course_lib.lab.device", "'''Not an import: course_lib.data is only mentioned.'''"),
    ],
)
def test_an_arrow_that_runs_down_is_not(module, source):
    assert violations({module: source}) == []


def test_the_shell_and_magics_of_a_notebook_are_not_read_as_python(tmp_path):
    cells = ["%matplotlib inline\nimport course_lib.cli", "%%bash\nls | head", "x = 1\n!ls -la"]
    notebook = tmp_path / "x.ipynb"
    notebook.write_text(json.dumps({"cells": [{"cell_type": "code", "source": [text]} for text in cells]}))
    assert violations({"notebooks.x": code_of(notebook)}) == ["notebooks.x → course_lib.cli"]
