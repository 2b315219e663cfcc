"""The solved edition: each stub gives way to the reference, which finds all that it needs in the notebook.

That a check accepts its reference and not its stub is judged once, in test_proofs; here one chapter is run through.
"""

import ast
import builtins
import copy
import dis
import types

import nbformat
import pytest
from nbclient import NotebookClient

from course_lib.practice.checks import cells, finding, solved
from course_lib.practice.desk import place

SETUP = {
    "00": "from course_lib.practice import check",
    "06": "import torch\nimport torch.distributed as dist\nfrom torch import nn\nfrom course_lib.practice import check",
}


def from_the_exercises(chapter):
    """Return a notebook of a chapter's set-up and exercises, as its author generates them."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(SETUP[chapter])]
    for kind, source in cells.cells(chapter):
        new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        notebook.cells.append(new(source))
    return notebook


def needed(notebook):
    """Keep the cells that the exercises need: imports, and those that define or check one."""
    kept = [cell for cell in notebook.cells if cell.cell_type == "code" and wanted(cell.source)]
    for cell in kept:
        tree = ast.parse(cell.source)
        if solved.stub_in(cell.source) is None and not any(is_check(node) for node in tree.body):
            imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
            cell.source = "\n".join(ast.unparse(node) for node in imports)
    notebook.cells = kept
    return notebook


def wanted(source):
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return False
    return solved.stub_in(source) is not None or any(
        isinstance(node, ast.Import | ast.ImportFrom) or is_check(node) for node in tree.body
    )


def is_check(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "check"


def titles(notebook, tmp_path, monkeypatch):
    """Run a notebook and return the first line of each panel that a check shows."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COURSE_ORDERED", "1")
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", []) if "data" in out]
    return [
        out.data["text/plain"].splitlines()[0] for out in outputs if "course-panel" in out.data.get("text/html", "")
    ]


def chapters():
    return sorted({one.id[:2] for one in finding.exercises()})


def globals_of(code):
    """Names that a compiled cell, and all that it defines, looks up outside of itself."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return names.union(*(globals_of(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))


def run_definitions(notebook):
    """Execute a solved notebook's imports and solved cells, without their checks; return names that nothing defines."""
    space, missing = {"__name__": "__main__"}, {}
    for cell in notebook.cells:
        body = [node for node in ast.parse(cell.source).body if not is_check(node)]
        code = compile(ast.Module(body, []), cell.get("id", "cell"), "exec")
        exec(code, space)
        if unknown := globals_of(code) - set(space) - set(dir(builtins)) - {"__module__", "__qualname__"}:
            missing[cell.source.splitlines()[0]] = unknown
    return missing


@pytest.mark.parametrize("chapter", chapters())
def test_the_cells_of_the_exercises_are_solved_by_their_references(chapter):
    edition = from_the_exercises(chapter)
    assert sorted(solved.solve(edition)) == sorted(one.id for one in finding.exercises(chapter))
    sources = "\n\n".join(cell.source for cell in edition.cells)
    assert all(cells.reference_source(one) in sources for one in finding.exercises(chapter))


def test_one_chapter_runs_through_as_the_readers_and_as_solved(tmp_path, monkeypatch):
    reader = from_the_exercises("00")
    edition = copy.deepcopy(reader)
    ids = solved.solve(edition)
    reader.cells += edition.cells  # one kernel for both
    found = titles(reader, tmp_path, monkeypatch)
    assert found[: len(ids)] == [title_of(one) + ": not attempted" for one in ids]
    assert found[len(ids) :] == [title_of(one) + ": passed" for one in ids]


def test_a_reference_that_needs_more_than_the_notebook_has_is_seen():
    edition = from_the_exercises("06")
    edition.cells[0].source = edition.cells[0].source.replace("import torch.distributed as dist\n", "")
    solved.solve(edition)
    edition.cells = [cell for cell in edition.cells if cell.cell_type == "code"]
    assert any("dist" in names for names in run_definitions(edition).values())


def title_of(exercise_id):
    return f"Exercise {exercise_id} · {cells.exercise(exercise_id).title}"


def notebooks_with_exercises():
    found = []
    for path in sorted(place.notebooks().rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            notebook = nbformat.read(path, as_version=4)
            if any(cell.cell_type == "code" and solved.stub_in(cell.source) for cell in notebook.cells):
                found.append(path)
    return found


@pytest.mark.parametrize("path", notebooks_with_exercises(), ids=lambda path: path.stem)
def test_a_notebook_holds_the_stubs_of_its_exercises_and_all_that_their_references_need(path):
    notebook = nbformat.read(path, as_version=4)
    sources = {one.id: cells.stub_source(one.id) for one in finding.exercises(path.stem[:2])}
    found = [(cell.source, solved.stub_in(cell.source)) for cell in notebook.cells if cell.cell_type == "code"]
    stubs = {
        stub[0].id: "\n".join(source.splitlines()[stub[1] - 1 : stub[2]]) for source, stub in found if stub is not None
    }
    assert stubs == sources, "generate the cells from the exercises: course_lib.practice.checks.cells"
    assert len(solved.solve(notebook)) == len(sources)
    assert run_definitions(needed(notebook)) == {}


def test_a_stub_in_the_middle_of_a_cell_is_replaced_alone():
    notebook = from_the_exercises("00")
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and solved.stub_in(cell.source))
    cell.source = f"before = 1\n\n\n{cell.source}\n\n\nafter = 2"
    solved.solve(notebook)
    assert cell.source.startswith("before = 1\n") and cell.source.endswith("\nafter = 2")
    assert "NotImplementedError" not in cell.source


def test_what_is_no_stub_stays_as_it_is():
    for source in (
        "%%bash\nNotImplementedError",
        "def scaled_lr(x):\n    return 1",
        "def f():\n    raise NotImplementedError",
    ):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        assert solved.solve(notebook) == [] and notebook.cells[0].source == source


def test_the_command_writes_the_edition_and_leaves_the_notebook_alone(tmp_path, monkeypatch, capsys):
    source = tmp_path / "notebooks" / "2_parallelism" / "06_data_parallel.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(from_the_exercises("06"), source)
    before = source.read_bytes()
    monkeypatch.setattr(place, "notebooks", lambda: tmp_path / "notebooks")
    out = tmp_path / "solved"
    assert solved.main(["06", "--out", str(out)]) == 0
    assert "06.tree_broadcast" in capsys.readouterr().out
    written = nbformat.read(out / "2_parallelism" / "06_data_parallel.ipynb", as_version=4)
    assert not any("NotImplementedError" in cell.source for cell in written.cells) and source.read_bytes() == before
    assert solved.main(["99", "--out", str(out)]) == 1
    assert "give a chapter's two digits" in capsys.readouterr().err
