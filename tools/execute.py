"""Execute notebooks and store their outputs: `python -m tools.execute 06`.

Outputs are stored on one profile (Python 3.11, CPU, one thread), the one on which the tests compare them. A notebook is
written only when every cell went through; otherwise it stays as it was, and the run is kept under build/outputs/.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tools.form import absolute_paths, assign_ids, chapter_of, output_text, tidy, write_notebook
from tools.memory import MemorySampler
from tools.network import cut
from tools.percent import update_from_percent
from tools.storing import PROFILE, ROOT, chapter_files, environment, on_storing_python, source_hash, stored_hash

CELL_TIMEOUT_S = 120


@dataclass
class Run:
    """One execution of a notebook: seconds by cell, peak memory in bytes, and what went wrong (None when nothing)."""

    seconds: float
    cells: list[tuple[float, int, str]]
    peak: int
    largest: int
    measure: str
    error: str | None


def execute(notebook: NotebookNode, folder: Path, *, timeout: int = CELL_TIMEOUT_S) -> Run:
    """Execute a notebook in place in a fresh kernel, with `folder` as working directory."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    began: dict[int, float] = {}
    spent: list[tuple[float, int, str]] = []

    def start(cell: NotebookNode, cell_index: int, **_: object) -> None:
        began[cell_index] = time.monotonic()

    def stop(cell: NotebookNode, cell_index: int, **_: object) -> None:
        spent.append((time.monotonic() - began[cell_index], cell_index, cell.get("id", "")))

    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=bool(notebook.metadata.get("course", {}).get("widget_state")),
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=start,
        on_cell_executed=stop,
        # The kernel talks over loopback only; the default setting prints a warning at each start.
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    error, sampler, begin = None, None, time.monotonic()
    try:
        with client.setup_kernel():
            manager: Any = client.km
            sampler = MemorySampler(manager.provisioner.pid)
            with sampler:
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
                client.set_widgets_metadata()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
        at = max(began, default=0)
        error = f"cell {at} ({notebook.cells[at].get('id', '')}): {str(problem).strip()}"
    peak, largest, measure = (sampler.peak, sampler.largest, sampler.measure) if sampler else (0, 0, "PSS")
    return Run(time.monotonic() - begin, spent, peak, largest, measure, error)


def store(path: Path) -> bool:
    """Execute one notebook and store its outputs; print what it cost. Return whether it was written."""
    notebook = nbformat.read(path, as_version=4)
    chapter = chapter_of(path)
    assign_ids(notebook, chapter)
    run = execute(notebook, path.parent)
    tidy(notebook, chapter)
    memory = f"{run.peak / 1e6:.0f} MB {run.measure} (largest process {run.largest / 1e6:.0f} MB)"
    print(f"{path.stem}: {len(run.cells)} cells in {run.seconds:.1f} s, peak memory {memory}", flush=True)
    for seconds, index, name in sorted(run.cells, reverse=True)[:5]:
        print(f"    {seconds:6.2f} s  cell {index} ({name})")
    problems = [run.error] if run.error else []
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            for place in absolute_paths(output_text(output)):
                problems.append(
                    f"cell {index} ({cell['id']}) prints a path of this machine: {place}. Print a relative path."
                )
    if problems:
        kept = ROOT / "build" / "outputs" / path.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_notebook(notebook, kept)
        print("\n".join(problems), file=sys.stderr)
        print(
            f"{path.stem}: not written. The run, as far as it came, is in build/outputs/{path.name}.", file=sys.stderr
        )
        return False
    notebook.metadata["stored_outputs"] = {"profile": PROFILE, "source": source_hash(notebook)}
    write_notebook(notebook, path)
    return True


def stale(path: Path) -> str | None:
    """Say why a notebook's stored outputs do not belong to its code; None when they do."""
    notebook = nbformat.read(path, as_version=4)
    noted = stored_hash(notebook)
    if noted is None:
        return "never executed by this tool"
    return None if noted == source_hash(notebook) else "code changed since the outputs were stored"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.execute", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="chapter number, path, or `all`")
    parser.add_argument(
        "--any-python", action="store_true", help="store what this Python prints, for a notebook that is not shipped"
    )
    parser.add_argument("--check", action="store_true", help="say which notebooks are stale; execute nothing")
    parser.add_argument(
        "--from-percent",
        nargs=2,
        metavar=("FILE.py", "OUT.ipynb"),
        help="make or update a notebook from a py:percent file",
    )
    args = parser.parse_args(argv)
    try:
        if args.from_percent:
            print(update_from_percent(Path(args.from_percent[0]), Path(args.from_percent[1])))
            return 0
        files = chapter_files(args.notebooks or (["all"] if args.check else []))
    except ValueError as problem:
        print(problem, file=sys.stderr)
        return 2
    if args.check:
        reasons = {path: stale(path) for path in files}
        for path, reason in reasons.items():
            print(f"{path.stem}: {reason or 'up to date'}")
        return 1 if any(reasons.values()) else 0
    if args.any_python and any(path.is_relative_to(ROOT / "notebooks") for path in files):
        parser.error("--any-python is for notebooks outside the course: the course's outputs have one profile.")
    if not files:
        parser.error("say which notebook: a chapter number, a path, or `all`.")
    if not args.any_python and not on_storing_python():
        here = ".".join(map(str, sys.version_info[:2]))
        print(
            f"Outputs are stored on {PROFILE}, and this is Python {here}: run `make outputs` with a .venv made by "
            "Python 3.11 (`rm -r .venv; make PYTHON=python3.11 outputs NB=06`).",
            file=sys.stderr,
        )
        return 2
    print(f"Network: {cut()}.", flush=True)  # as in the test run, and before any thread starts
    with tempfile.TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as scratch:
        os.environ |= (clean := environment(Path(scratch), base=os.environ))
        for name in set(os.environ) - set(clean):
            del os.environ[name]
        done = [store(path) for path in files]
    return 0 if all(done) else 1


if __name__ == "__main__":
    raise SystemExit(main())
