"""Make or update a notebook from a jupytext py:percent file, keeping the outputs of cells that did not change."""

from __future__ import annotations

from pathlib import Path

import nbformat

from tools.form import assign_ids, chapter_of, write_notebook


def update_from_percent(source: Path, target: Path) -> str:
    """Write `target` from the percent file `source`; return one line that says what was kept.

    Text, order, tags and metadata come from the file; ids, and the outputs of code cells whose text is the same, come
    from the notebook that is there. A changed cell loses its outputs. Metadata of the notebook that the file does not
    set (its header may set `course:` under `jupyter:`) stays.

    Raises:
        ValueError: The file is missing, is no py:percent file, or the target is no .ipynb.
    """
    import jupytext
    from jupytext.combine import combine_inputs_with_outputs, same_content

    if target.suffix != ".ipynb":
        raise ValueError(f"The second file must end in .ipynb, not '{target.name}': give the percent file first.")
    if not source.is_file():
        raise ValueError(f"There is no file {source}. Make one with `jupytext --to py:percent {target.name}`.")
    notebook = jupytext.read(source, fmt="py:percent")
    if not any(line.startswith("# %%") for line in source.read_text(encoding="utf-8").splitlines()):
        raise ValueError(f"{source} has no `# %%` line: write it in jupytext's py:percent format.")
    kept = 0
    if target.exists():
        old = nbformat.read(target, as_version=4)
        before = {cell["id"]: cell for cell in old.cells if "id" in cell}
        own = dict(notebook.metadata)
        notebook = combine_inputs_with_outputs(notebook, old, fmt="py:percent")
        notebook.metadata = nbformat.from_dict({**old.metadata, **own})
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            was = before.get(cell.get("id", ""))
            if was is not None and was.cell_type == "code" and same_content(was.source, cell.source):
                kept += 1
            else:
                cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("jupytext", None)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    assign_ids(notebook, chapter_of(target))
    code = sum(cell.cell_type == "code" for cell in notebook.cells)
    write_notebook(notebook, target)
    return f"{target.name}: {len(notebook.cells)} cells, {kept} of {code} code cells kept their outputs."
