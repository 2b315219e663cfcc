"""Run mutants, each in its own copy and judged by the very nbval run of `make test`, and say which cell noticed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tools.chapter import Laid
from tools.mutants.listing import Mutant, changed_cell, changed_file
from tools.storing import ROOT, environment

LIMIT_S = 900
CONTROL = "unchanged"


@dataclass(frozen=True)
class Outcome:
    """What became of one run: the mutant's name, and the cell that noticed first (None where every cell passed)."""

    name: str
    noticed: str | None


def run(
    one: Laid, mutants: Sequence[Mutant], *, jobs: int, say: Callable[[str], None], root: Path = ROOT
) -> list[Outcome]:
    """Run the unchanged chapter of the project in `root`, then each mutant, `jobs` at a time.

    Raises:
        ValueError: The unchanged chapter fails too, so a failing mutant would prove nothing.
    """
    control = _run(one, None, root)
    if control.noticed:
        raise ValueError(
            f"Chapter {one.number} fails unchanged, at cell {control.noticed}: "
            f"repair it first (`make test NB={one.number}`), since every mutant would seem caught."
        )
    say("unchanged: every cell passes")

    def judged(mutant: Mutant) -> Outcome:
        outcome = _run(one, mutant, root)
        say(f"{mutant.name}: {f'caught by {outcome.noticed}' if outcome.noticed else 'survived'}")
        return outcome

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(judged, mutants))


def _run(one: Laid, mutant: Mutant | None, root: Path) -> Outcome:
    """Run the chapter from a copy in which the mutant is applied, up to the first cell that fails."""
    with tempfile.TemporaryDirectory(prefix="course-mutant-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "copy"
        notebook = nbformat.read(root / one.notebook, as_version=4)
        # All notebooks: a chapter's cells read others, for the sections that a report sends to.
        for part in ("course_lib", "notebooks"):
            shutil.copytree(
                root / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            )
        if mutant is not None and mutant.file is None:
            index, text = changed_cell(mutant, notebook)
            notebook.cells[index].source = text
        elif mutant is not None:
            (copy / str(mutant.file)).write_text(changed_file(mutant, root), encoding="utf-8")
        path = copy / one.notebook
        nbformat.write(notebook, path)
        name = mutant.name if mutant else CONTROL
        return Outcome(name, first_failure(path, notebook, copy, Path(folder)))


def first_failure(path: Path, notebook: nbformat.NotebookNode, copy: Path, folder: Path) -> str | None:
    """Run the notebook `path` on the course_lib in `copy`; return the id of the first cell that fails, or None.

    folder: where reports and a home of its own go. RuntimeError where the run ended without a result.
    """
    env = environment(folder / "scratch")
    # Kernels, and the ranks that they start, import the copy; the runner itself is found in the working directory.
    env["PYTHONPATH"] = os.pathsep.join([str(copy), *filter(None, [os.environ.get("PYTHONPATH")])])
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    out = folder / "out"
    command = [sys.executable, "-m", "tests.runner.nbval", "--first-failure", "--out", str(out), str(path)]
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"none in {LIMIT_S} s"
    if done.returncode == 0:
        return None
    rows = json.loads((out / "notebooks.json").read_text()) if (out / "notebooks.json").exists() else []
    if not rows or not rows[0]["failed"]:
        said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise RuntimeError(f"The run of {path.name} ended without a result:\n{said}")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return str(code[int(rows[0]["failed"][0].removeprefix("Cell "))]["id"])
