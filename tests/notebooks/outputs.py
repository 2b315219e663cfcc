"""Guards over what is stored: outputs are there, belong to the code, and can be compared on another machine."""

from __future__ import annotations

import ast
import re

from tests.notebooks.reading import COMMENT_MARKS, Notebook, at, code_cells, compared, tags
from tools.form import absolute_paths, output_text
from tools.storing import source_hash, stored_hash

FIGURE = "application/vnd.course.figure+json"
BARE = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-f]+)?>")  # Python's own words for an object
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
MAX_PICTURE_BYTES = 60_000


def executed(notebook: Notebook, name: str) -> list[str]:
    """No cleared or never executed notebook: nbval passes it and compares nothing."""
    cells = list(code_cells(notebook))
    never = [at(name, i, c) for i, c in cells if c.get("execution_count") is None]
    if never and len(never) == len(cells):
        return [f"{name} was never executed or its outputs were cleared. Store them with `make outputs`."]
    return [f"{where} was never executed. Store its outputs with `make outputs`." for where in never]


def in_order(notebook: Notebook, name: str) -> list[str]:
    """Code cells were executed once, top to bottom."""
    counts = [c.get("execution_count") for _, c in code_cells(notebook)]
    if None in counts or counts == list(range(1, len(counts) + 1)):
        return []
    first = next(k for k, count in enumerate(counts) if count != k + 1)
    index, cell = list(code_cells(notebook))[first]
    return [f"{at(name, index, cell)} has execution count {counts[first]}, not {first + 1}. Run `make outputs`."]


def fresh(notebook: Notebook, name: str) -> list[str]:
    """Stored outputs were made from the code that stands there."""
    noted = stored_hash(notebook)
    if noted is None:
        return [f"{name} does not note which code its outputs came from. Store them with `make outputs`."]
    return [] if noted == source_hash(notebook) else [f"{name}: code changed since its outputs were stored."]


def says_what_it_prints(notebook: Notebook, name: str) -> list[str]:
    """A compared cell that prints, or ends in a value, stores an output: otherwise nothing is compared."""
    silent = [(i, c) for i, c in code_cells(notebook) if compared(c) and not c.get("outputs") and _speaks(c["source"])]
    return [f"{at(name, i, c)} prints something and stores nothing. Run `make outputs`." for i, c in silent]


def _speaks(source: str) -> bool:
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic or a shell line: cannot be told
        return False
    last = body[-1] if body else None
    quiet = (ast.Call, ast.Await, ast.Constant, ast.Yield)  # may be None, or is a text that stands for a comment
    if isinstance(last, ast.Expr) and not isinstance(last.value, quiet) and not source.rstrip().endswith(";"):
        return True
    todo: list[ast.stmt] = list(body)
    while todo:
        statement = todo.pop()
        if isinstance(statement, ast.With | ast.For):
            todo += statement.body
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
            return True
    return False


def captioned(notebook: Notebook, name: str) -> list[str]:
    """A figure has its words: as alternative text in the metadata, and as Markdown below it in the same cell."""
    found = []
    for i, cell in code_cells(notebook):
        for k, output in enumerate(cell.get("outputs", [])):
            kind = next((p for p in PICTURES if p in output.get("data", {})), None)
            if kind is None:
                continue
            words = _words(output.get("metadata", {}).get(kind, {}).get("alt", ""))
            below = [_words(o.get("data", {}).get("text/markdown", "")) for o in cell["outputs"][k + 1 :]]
            if not words:
                found.append(f"{at(name, i, cell)} shows a figure without alternative text. Show it as lab.Picture.")
            elif not any(words in text for text in below):
                found.append(f"{at(name, i, cell)} shows a figure without its caption below. Show it as lab.Picture.")
    return found


def _words(text: str) -> str:
    return " ".join(re.sub(r"[*_`]", "", text).split())


def digested(notebook: Notebook, name: str) -> list[str]:
    """A compared figure stands beside its digest: nbval compares no pictures."""
    return [
        f"{at(name, i, cell)} shows a compared figure without digest. Show it as lab.Picture, or tag a measured cell."
        for i, cell in code_cells(notebook)
        for output in cell.get("outputs", [])
        if compared(cell) and set(PICTURES) & set(output.get("data", {})) and not output["data"].get(FIGURE)
    ]


def said_in_text(notebook: Notebook, name: str) -> list[str]:
    """A compared output with HTML says the same as text: of the two, only the text is compared."""
    return [
        f"{at(name, i, cell)} shows HTML without a text that says the same. Give the object a __repr__, or a panel."
        for i, cell in code_cells(notebook)
        for output in cell.get("outputs", [])
        if compared(cell) and "text/html" in output.get("data", {}) and not _says(output["data"].get("text/plain", ""))
    ]


def _says(text: str) -> bool:
    return bool(text.strip()) and not BARE.fullmatch(text.strip())


def small_pictures(notebook: Notebook, name: str) -> list[str]:
    """No picture is over 60 kB."""
    found = []
    for i, cell in code_cells(notebook):
        for output in cell.get("outputs", []):
            for kind in set(PICTURES) & set(output.get("data", {})):
                body = output["data"][kind].strip()
                size = len(body.encode()) if kind == "image/svg+xml" else len(body.replace("\n", "")) * 3 // 4
                if size > MAX_PICTURE_BYTES:
                    found.append(
                        f"{at(name, i, cell)} stores a picture of {size:,} bytes; {MAX_PICTURE_BYTES:,} is most."
                    )
    return found


def no_machine_paths(notebook: Notebook, name: str) -> list[str]:
    """Nothing names a folder of the machine it was made on."""
    found = []
    for i, cell in enumerate(notebook["cells"]):
        texts = [cell["source"], *(output_text(output) for output in cell.get("outputs", []))]
        found += [
            f"{at(name, i, cell)} names a machine's own path: {p}" for text in texts for p in absolute_paths(text)
        ]
    return found


def errors_on_purpose(notebook: Notebook, name: str) -> list[str]:
    """A stored error carries the tag raises-exception, and the tag a stored error."""
    found = []
    for i, cell in code_cells(notebook):
        raised = any(o["output_type"] == "error" for o in cell.get("outputs", []))
        meant = "raises-exception" in tags(cell)
        if raised and not meant:
            found.append(f"{at(name, i, cell)} stores an error without the tag raises-exception.")
        elif meant and not raised and cell.get("execution_count") is not None:
            found.append(f"{at(name, i, cell)} is tagged raises-exception and raised nothing.")
    return found


def no_stderr(notebook: Notebook, name: str) -> list[str]:
    """No cell stores standard error: warnings and logs differ between machines."""
    return [
        f"{at(name, i, cell)} stores standard error: {output['text'].strip()[:80]}"
        for i, cell in code_cells(notebook)
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
    ]


def mostly_compared(notebook: Notebook, name: str) -> list[str]:
    """At least half of the code cells are compared, marked by tags alone, and none is skipped."""
    cells = list(code_cells(notebook))
    count = sum(compared(c) for _, c in cells)
    found = [f"{at(name, i, c)} is skipped by nbval. Let it run." for i, c in cells if "nbval-skip" in tags(c)]
    found += [
        f"{at(name, i, c)} has a comment for nbval. Use a tag." for i, c in cells if COMMENT_MARKS.search(c["source"])
    ]
    if 2 * count < len(cells):
        found.append(f"{name}: {count} of {len(cells)} code cells are compared; at least half must be.")
    return found
