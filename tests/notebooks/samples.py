"""Small notebooks for the tests of the tools: one that is as a chapter should be, and parts of faulty ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.form import assign_ids, write_notebook
from tools.storing import source_hash

NAME = "05_sample.ipynb"
COURSE = {"chapter": "05", "questions": ["c05-q01"], "memory_mb": 200, "level": "basic", "needs": []}

SETUP = "import sys\n\nprint(sys.version_info[:2])"
SUM = "numbers = [1, 2, 3]\nprint(sum(numbers), 'in all')"
PICTURE = """from course_lib import lab

fig, ax = lab.figure()
ax.plot(numbers, [n * n for n in numbers], label="square")
lab.Picture(fig, "The square of a number grows faster than the number.")"""
RAISES = "numbers[3]"
# Loopback carries bytes; a computer outside cannot be reached: 192.0.2.0/24 is set aside for documentation (RFC 5737).
SOCKETS = """import errno
import socket

with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as caller:
    print("loopback carries", caller.send(b"abc"), "bytes")
try:
    socket.create_connection(("192.0.2.1", 9), timeout=2)
except OSError as error:
    print("outside is unreachable:", error.errno == errno.ENETUNREACH)"""
RESOLVE = """import socket

try:
    socket.getaddrinfo("pytorch.org", 443)
except OSError as error:
    print("no address:", type(error).__name__)"""
FIGURE_BY_HAND = """from IPython.display import display

mime = "application/vnd.course.figure+json"
display({"text/plain": "two bars", mime: {"bars": [1, 2]}, "image/png": "iVBORw0KGgo="}, raw=True)"""
# A panel as the course shows them: HTML with a style for the eye, and the same words as text.
PANEL = """class Panel:
    def __repr__(self):
        return "passed: 6 messages of 6"

    def _repr_html_(self):
        return "<div style='color: green'>passed: 6 messages of 6</div>"


Panel()"""


def panel(text: str = "passed: 6 messages of 6", colour: str = "green") -> dict[str, Any]:
    """What PANEL shows, with these words and this colour."""
    data = {"text/plain": text, "text/html": f"<div style='color: {colour}'>{text}</div>"}
    return {"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}}


def chapter() -> NotebookNode:
    """A notebook by the rules, not executed yet."""
    cells = [new_markdown_cell("# A sample chapter\n\nThe sum of three numbers is 6.")]
    for text, source, *tag in (
        ("What this machine has:", SETUP, "nbval-ignore-output"),
        ("Add the numbers:", SUM),
        ("The same as a picture:", PICTURE),
        ("There is no fourth number, and Python says so:", RAISES, "raises-exception"),
        ("Nothing here needs the network:", SOCKETS),
        ("Nor can a name be looked up:", RESOLVE),
    ):
        cells += [new_markdown_cell(text), new_code_cell(source, metadata={"tags": tag} if tag else {})]
    cells.append(new_markdown_cell("That is all: `6 != 7`, and $3! = 6$."))
    return new_notebook(cells=cells, metadata={"course": dict(COURSE)})


def stored(source: str, *outputs: dict[str, Any], tag: str | None = None, count: int | None = 1) -> NotebookNode:
    """A notebook of one code cell with the given stored outputs."""
    cell = new_code_cell(source, execution_count=count, outputs=[nbformat.from_dict(o) for o in outputs])
    if tag:
        cell.metadata["tags"] = [tag]
    return new_notebook(cells=[cell])


def printed(text: str) -> dict[str, Any]:
    """A stored output of `print`."""
    return {"output_type": "stream", "name": "stdout", "text": text}


def figure_by_hand(bars: list[int], png: str = "iVBORw0KGgo=") -> dict[str, Any]:
    """What FIGURE_BY_HAND shows, with these numbers in its digest."""
    data = {
        "text/plain": "two bars",
        "application/vnd.course.figure+json": {"bars": bars},
        "image/png": png,
    }
    return {"output_type": "display_data", "data": data, "metadata": {}}


def save(notebook: NotebookNode, path: Path, **more: Any) -> Path:
    """Write a sample with ids and the note of its source, as the storing tool does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assign_ids(notebook, path.stem.split("_")[0])
    notebook.metadata["stored_outputs"] = {"source": source_hash(notebook)}
    notebook.metadata.update(more)
    write_notebook(notebook, path)
    return path
