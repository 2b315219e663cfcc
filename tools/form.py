"""The form in which a notebook is stored: ids that stay, no timings, no paths of one machine; written in one step."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools.storing import ROOT

ABSOLUTE_PATH = re.compile(
    r"(?<![\w.~}-])(?<!:/)/(?:work|tmp|home|root|Users|private|var/folders)(?:/|\b)"
    r"|(?<!\w)[A-Z]:\\{1,2}(?:Users|Windows|Program|[Tt]emp|[Dd]ata|[Hh]ome|[Ww]ork)"
)
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# Without the version: it would differ from machine to machine.
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


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
