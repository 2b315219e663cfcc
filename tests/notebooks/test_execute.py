"""Outputs are stored by one tool, on one profile, only when every cell went through."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.notebooks import samples
from tests.notebooks.conftest import Tool
from tools import execute as tool_module
from tools.execute import main, stale
from tools.form import absolute_paths, assign_ids, tidy
from tools.storing import PROFILE, ROOT, chapter_files, environment, source_hash


def test_stored_form_has_no_timings_versions_or_random_ids(sample: Path) -> None:
    notebook = json.loads(sample.read_text())
    assert [cell["id"] for cell in notebook["cells"]] == [f"c05-{n:02d}" for n in range(1, 15)]
    assert {key for cell in notebook["cells"] for key in cell["metadata"]} <= {"tags"}
    assert set(notebook["metadata"]) == {"course", "kernelspec", "language_info", "stored_outputs"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "version" not in notebook["metadata"]["language_info"]
    assert notebook["metadata"]["stored_outputs"]["profile"] == PROFILE
    assert sample.read_text().endswith("}\n")


def test_a_run_has_one_thread_ordered_ranks_no_gpu_and_nobody_there(tmp_path: Path, tool: Tool) -> None:
    names = ["OMP_NUM_THREADS", "COURSE_ORDERED", "CUDA_VISIBLE_DEVICES", "COURSE_DEVICE", "MPLBACKEND"]
    source = (
        "import os\n"
        f"print([os.environ[n] for n in {names}])\n"
        "begin = ('HOME', 'IPYTHONDIR', 'XDG_', 'JUPYTER_', 'COURSE_DATA')\n"
        "own = [n for n in os.environ if n.startswith(begin)]\n"
        "print(sorted(n for n in own if 'mine' in os.environ[n]), 'HOME' in own, 'COURSE_DATA_DIR' in own)"
    )
    path = samples.save(new_notebook(cells=[new_code_cell(source)]), tmp_path / "07_env.ipynb")
    foreign = {"MPLBACKEND": "pdf", "OMP_NUM_THREADS": "7", "HOME": "/mine", "COURSE_DATA_DIR": "/mine/d"}
    foreign |= {"XDG_DATA_HOME": "/mine/x", "XDG_RUNTIME_DIR": "/mine/r", "IPYTHONDIR": "/mine/i"}
    foreign |= {"JUPYTER_CONFIG_DIR": "/mine/j", "JUPYTER_PATH": "/mine/p"}
    done = tool("tools.execute", "--any-python", path, **foreign)
    assert done.returncode == 0, done.stderr
    output = nbformat.read(path, as_version=4).cells[0].outputs[0].text
    assert output == "['1', '1', '', 'cpu', 'module://matplotlib_inline.backend_inline']\n[] True True\n"
    assert "07_env: 1 cells in" in done.stdout and "peak memory" in done.stdout and "(c07-01)" in done.stdout


def test_a_notebook_is_written_only_when_its_run_succeeded(tmp_path: Path, tool: Tool) -> None:
    bad = {
        "07_raises": ("print('begun')\n1 / 0", "ZeroDivisionError"),
        "08_path": ("import os\nprint(os.getcwd())", "cell 0 (c08-01) prints a path of this machine"),
        "09_dies": ("import os\nos._exit(3)", "Kernel died"),
    }
    paths = [
        samples.save(new_notebook(cells=[new_code_cell(source)]), tmp_path / f"{name}.ipynb")
        for name, (source, _) in bad.items()
    ]
    before = [path.read_bytes() for path in paths]
    done = tool("tools.execute", "--any-python", *paths)
    assert done.returncode == 1
    assert [path.read_bytes() for path in paths] == before
    assert sorted(tmp_path.iterdir()) == paths
    for path, (source, words) in zip(paths, bad.values(), strict=True):
        assert words in done.stderr and f"{path.stem}: not written" in done.stderr
        kept = ROOT / "build" / "outputs" / path.name
        assert nbformat.read(kept, as_version=4).cells[0].source == source
        kept.unlink()


def test_another_python_is_refused_with_a_sentence(sample: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tool_module, "on_storing_python", lambda: False)
    before = sample.read_bytes()
    assert main([str(sample)]) == 2
    said = capsys.readouterr().err
    assert "Outputs are stored on Python 3.11" in said and "PYTHON=python3.11" in said
    assert sample.read_bytes() == before


def test_the_courses_own_notebooks_are_stored_on_one_python_alone(capsys, monkeypatch) -> None:
    monkeypatch.setattr(tool_module, "chapter_files", lambda _: [ROOT / "notebooks" / "00_start_here.ipynb"])
    with pytest.raises(SystemExit, match="2"):
        main(["--any-python", "00"])
    assert "the course's outputs have one profile" in capsys.readouterr().err


def test_unknown_chapter_is_refused_with_a_sentence(capsys) -> None:
    assert main(["99"]) == 2
    assert "No notebook '99'. Give a chapter number, a path or `all`" in capsys.readouterr().err


def test_chapters_are_found_by_number_and_name(tmp_path: Path) -> None:
    for name in ("00_start_here.ipynb", "2_parallelism/06_data_parallel.ipynb", ".ipynb_checkpoints/06_x.ipynb"):
        (tmp_path / "notebooks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "notebooks" / name).touch()
    for wanted in ("6", "06", "06_data_parallel"):
        assert [p.name for p in chapter_files([wanted], tmp_path)] == ["06_data_parallel.ipynb"]
    assert len(chapter_files(["all", "06"], tmp_path)) == 2


def test_check_says_what_is_stale(sample: Path, tmp_path: Path, capsys) -> None:
    path = Path(shutil.copy(sample, tmp_path))
    assert main(["--check", str(path)]) == 0
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += " More words change no output."
    samples.write_notebook(notebook, path)
    assert stale(path) is None
    notebook.cells[4].source = "print(7)"
    samples.write_notebook(notebook, path)
    assert main(["--check", str(path)]) == 1
    assert "05_sample: code changed since the outputs were stored" in capsys.readouterr().out
    notebook.metadata.pop("stored_outputs")
    samples.write_notebook(notebook, path)
    assert stale(path) == "never executed by this tool"


def test_source_hash_sees_code_and_tags_only() -> None:
    def made(source: str, prose: str = "", tag: str = "a") -> str:
        cells = [new_markdown_cell(prose), new_code_cell(source, metadata={"tags": [tag]})]
        return source_hash(new_notebook(cells=cells))

    assert made("x = 1") == made("x = 1\n", prose="other")
    assert len({made("x = 1"), made("x = 2"), made("x = 1", tag="b")}) == 3


def test_ids_stay_when_cells_are_added_or_moved() -> None:
    notebook = new_notebook(cells=[new_code_cell(str(n)) for n in range(3)])
    assign_ids(notebook, "06")
    assert [c.id for c in notebook.cells] == ["c06-01", "c06-02", "c06-03"]
    notebook.cells[1].id = "c06-ring-bytes"
    notebook.cells.reverse()
    notebook.cells.insert(1, new_markdown_cell("new"))
    notebook.cells.append(nbformat.from_dict(dict(notebook.cells[0])))
    assign_ids(notebook, "06")
    assert [c.id for c in notebook.cells] == ["c06-03", "c06-04", "c06-ring-bytes", "c06-01", "c06-05"]


def test_widget_views_are_stored_only_with_their_state() -> None:
    view = {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.jupyter.widget-view+json": {}}}
    for keep, left in ((False, 1), (True, 2)):
        notebook = samples.stored("panel", view, samples.printed("4\n"))
        notebook.metadata |= {"course": {"widget_state": keep}, "widgets": {"state": {}}}
        tidy(notebook, "06")
        assert (len(notebook.cells[0].outputs), "widgets" in notebook.metadata) == (left, keep)


def test_tracebacks_name_files_of_the_project_from_its_root() -> None:
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": [f"File {ROOT}/course_lib/a.py:3"]}
    error["traceback"].append(f"File {os.path.dirname(nbformat.__path__[0])}/nbformat/x.py:1")
    notebook = samples.stored("f()", error, tag="raises-exception")
    tidy(notebook, "06")
    assert notebook.cells[0].outputs[0].traceback == ["File course_lib/a.py:3", "File nbformat/x.py:1"]


@pytest.mark.parametrize("text", ["at /home/me/x", "(/tmp)", '"/root/a"', "file:///Users/x", "C:\\Users", "=/work/a"])
def test_paths_of_a_machine_are_seen(text: str) -> None:
    assert absolute_paths(text)


@pytest.mark.parametrize(
    "text", ["https://home/tmp", "a/home/b", "/workers", "tokens/work", "{x}/tmp", "~/work", "R:\\n"]
)
def test_other_slashes_are_no_paths(text: str) -> None:
    assert absolute_paths(text) == []


PERCENT = """# ---
# jupyter:
#   course:
#     chapter: "05"
#     minutes: 9
# ---

# %% [markdown]
# # Title

# %%
print("same")

# %% tags=["nbval-ignore-output"]
print("{word}")
"""


def test_percent_file_updates_a_notebook_and_keeps_outputs_of_unchanged_cells(tmp_path: Path, capsys) -> None:
    source, target = tmp_path / "a.py", tmp_path / "05_a.ipynb"
    source.write_text(PERCENT.format(word="old"))
    assert main(["--from-percent", str(source), str(target)]) == 0
    notebook = nbformat.read(target, as_version=4)
    for count, cell in enumerate(notebook.cells[1:], 1):
        cell.execution_count, cell.outputs = count, [nbformat.from_dict(samples.printed(f"{count}\n"))]
    samples.save(notebook, target)
    assert stale(target) is None
    source.write_text(PERCENT.format(word="new").replace("# # Title", "# # Title\n\n# %%\nextra = 1"))
    capsys.readouterr()
    assert main(["--from-percent", str(source), str(target)]) == 0
    assert capsys.readouterr().out == "05_a.ipynb: 4 cells, 1 of 3 code cells kept their outputs.\n"
    notebook = nbformat.read(target, as_version=4)
    assert [cell.id for cell in notebook.cells] == ["c05-01", "c05-04", "c05-02", "c05-03"]
    assert [[o.text for o in cell.outputs] for cell in notebook.cells[1:]] == [[], ["1\n"], []]
    assert notebook.cells[3].metadata.tags == ["nbval-ignore-output"]
    assert notebook.metadata["course"] == {"chapter": "05", "minutes": 9}
    assert "jupytext" not in notebook.metadata
    assert stale(target) == "code changed since the outputs were stored"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("missing.py", "05_a.ipynb"), "There is no file"),
        (("plain.py", "05_a.ipynb"), "has no `# %%` line"),
        (("plain.py", "a.py"), "must end in .ipynb"),
    ],
)
def test_percent_mistakes_are_told_in_a_sentence(tmp_path: Path, capsys, names: tuple[str, str], words: str) -> None:
    (tmp_path / "plain.py").write_text("x = 1\n")
    assert main(["--from-percent", *(str(tmp_path / name) for name in names)]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "05_a.ipynb").exists()


def test_gpu_profile_leaves_the_accelerators_visible(tmp_path: Path) -> None:
    base = {"CUDA_VISIBLE_DEVICES": "1", "COURSE_DEVICE": "cuda", "PATH": "/bin"}
    env = environment(tmp_path, gpu=True, base=base)
    assert env["CUDA_VISIBLE_DEVICES"] == "1"
    assert "COURSE_DEVICE" not in env
    assert environment(tmp_path, base=base)["CUDA_VISIBLE_DEVICES"] == ""
