"""Execute notebooks and store their outputs: `python -m tools.execute 06`.

Outputs are stored on one profile (Python 3.11, CPU, one thread), the one on which the tests compare them. A notebook is
written only when every cell went through; otherwise it stays as it was, and the run is kept under build/outputs/.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tools.memory import MemorySampler
from tools.network import cut
from tools.storing import PROFILE, ROOT, chapter_files, environment, on_storing_python, source_hash, stored_hash

ABSOLUTE_PATH = re.compile(
    r"(?<![\w.~}-])(?<!:/)/(?:work|tmp|home|root|Users|private|var/folders)(?:/|\b)"
    r"|(?<!\w)[A-Z]:\\{1,2}(?:Users|Windows|Program|[Tt]emp|[Dd]ata|[Hh]ome|[Ww]ork)"
)
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# Without the version: it would differ from machine to machine.
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
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


def tidy(notebook: NotebookNode, chapter: str) -> None:
    """Bring a notebook into the stored form: stable ids, no timings or versions, widget views only with their state."""
    assign_ids(notebook, chapter)
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    notebook.metadata["language_info"] = dict(LANGUAGE)
    keep_widgets = bool(notebook.metadata.get("course", {}).get("widget_state"))
    if not keep_widgets:
        notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled", "ExecuteTime"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # nbval does not compare tracebacks: their paths may be shortened
                output.traceback = [_shorten(line) for line in output.traceback]
        if cell.cell_type == "code" and not keep_widgets:
            # A view without its state shows as "Error displaying widget" on the web.
            cell.outputs = [o for o in cell.outputs if WIDGET_VIEW not in o.get("data", {})]
    notebook.nbformat, notebook.nbformat_minor = 4, 5


def _shorten(text: str) -> str:
    """Write paths inside the project and inside Python's own folders relative to these."""
    known = {ROOT, *(Path(p) for p in sys.path if p), Path(sys.prefix), Path(sys.base_prefix)}
    # The deepest first: site-packages may lie in a .venv inside the project.
    for folder in sorted(known, key=lambda folder: len(folder.parts), reverse=True):
        if folder != Path("/"):
            text = text.replace(f"{folder}{os.sep}", "")
    return text


def assign_ids(notebook: NotebookNode, chapter: str) -> None:
    """Give cells the ids c06-01, c06-02, …; an id of this form that a cell has stays, so that references hold."""
    pattern = re.compile(rf"c{re.escape(chapter)}-[a-z0-9][a-z0-9-]*")
    taken: set[str] = set()
    waiting = []
    for cell in notebook.cells:
        name = cell.get("id", "")
        if pattern.fullmatch(name) and name not in taken:
            taken.add(name)
        else:
            waiting.append(cell)
    number = max((int(m[1]) for name in taken if (m := re.fullmatch(r".*-(\d+)", name))), default=0)
    for cell in waiting:
        number += 1
        cell["id"] = f"c{chapter}-{number:02d}"


def chapter_of(path: Path) -> str:
    """Return the chapter number in a notebook's file name: '06' for 06_data_parallel.ipynb."""
    return path.stem.split("_")[0]


def absolute_paths(text: str) -> list[str]:
    """Return the places in a text that name a folder of one particular machine."""
    return [text[m.start() : m.start() + 40].split("\n")[0] for m in ABSOLUTE_PATH.finditer(text)]


def output_text(output: NotebookNode) -> str:
    """Return all text of one output, pictures left out."""
    parts = [output.get("text", ""), output.get("evalue", ""), *output.get("traceback", [])]
    parts += [str(body) for kind, body in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join("".join(part) for part in parts)


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in one step: a reader of the file sees the old or the new one, never half of it."""
    text = nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.stem}.", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    os.chmod(file.name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
    os.replace(file.name, path)


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
            from tools.percent import update_from_percent

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
