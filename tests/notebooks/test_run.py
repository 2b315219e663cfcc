"""`python -m tests.run` on a small project: it fails when any part fails, and its last line counts what ran."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import run
from tests.notebooks import samples
from tests.notebooks.conftest import Tool
from tests.notebooks.samples import printed, stored
from tests.runner import stages
from tests.runner.table import table
from tools.chapter import CURRICULUM, every
from tools.network import GUARDED, NAMESPACE
from tools.storing import ROOT, STORING_PYTHON

PASSES = "def test_sum():\n    assert 1 + 1 == 2\n"
STRICT = ("--python", ".".join(map(str, STORING_PYTHON)))  # the samples print the same on every Python
ENVIRONMENT = """import os


def test_progress_of_the_reader_is_out_of_reach():
    assert "course-pytest-" in os.environ["COURSE_DATA_DIR"]
    assert "COURSE_ORDERED" not in os.environ
"""
FAILS = "def test_sum():\n    assert 1 + 1 == 3\n"


def project(root: Path, test: str, four: str, code: str = "x = 1\n") -> Path:
    (root / "tests").mkdir(parents=True)
    (root / "tests" / "test_sum.py").write_text(test)
    (root / "tests" / "test_00_good.py").write_text("def test_of_chapter_00():\n    pass\n")
    shutil.copy(ROOT / "conftest.py", root)
    (root / CURRICULUM).parent.mkdir(parents=True)
    (root / CURRICULUM).write_text("0_start:\n  '00': good\n1_part:\n  '01': four\n  '02': planned\n")
    (root / "tests" / "mutants").mkdir()
    (root / "tests" / "mutants" / "00_good.yaml").write_text("[]\n")
    (root / "values.py").write_text(code)  # a `code.py` would hide the library's module, which pdb imports
    (root / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\nlint.isort.known-first-party = ['tools']\n")
    good = stored("print(2 + 2)", printed("4\n"))
    samples.save(good, root / "notebooks" / "00_good.ipynb")
    samples.save(stored("print(2 + 2)", printed(four)), root / "notebooks" / "1_part" / "01_four.ipynb")
    return root


def rows(said: str) -> dict[str, list[str]]:
    return {words[0]: words for line in said.splitlines() if (words := line.split()) and line.startswith("0")}


def test_everything_green(tmp_path: Path, tool: Tool) -> None:
    root = project(tmp_path, ENVIRONMENT + "\n\n" + PASSES, "4\n")
    done = tool("tests.run", "--root", root, *STRICT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "5 passed, 0 failed"
    found = rows(done.stdout)
    assert list(found) == ["00_good", "01_four"]
    assert [words[1:4] for words in found.values()] == [["1", "/", "1"]] * 2
    assert all(float(value) > 0 for words in found.values() for value in words[4:7])
    assert [words[-1] for words in found.values()] == ["passed", "passed"]
    assert any(f"Network: {how}." in done.stdout for how in (NAMESPACE, GUARDED))
    assert {p.name for p in (root / "build" / "test").iterdir()} >= {"unit.xml", "notebooks.xml", "notebooks.json"}


def test_each_part_that_fails_is_counted(tmp_path: Path, tool: Tool) -> None:
    root = project(tmp_path / "p", FAILS, "5\n", code="import os\n")
    done = tool("tests.run", "--root", root, "--junit", tmp_path / "reports", *STRICT)
    assert done.returncode == 1
    assert "Lint: failed" in done.stdout
    assert "Unit tests: 1 passed, 1 failed" in done.stdout
    assert done.stdout.splitlines()[-1] == "2 passed, 3 failed"
    assert [words[-2:] for words in rows(done.stdout).values()][1] == ["1", "failed"]
    assert [p.name for p in (tmp_path / "reports" / "executed").iterdir()] == ["01_four.ipynb"]
    assert not (root / "build").exists()


def test_one_chapter_runs_what_concerns_it_and_nothing_else(tmp_path: Path, tool: Tool) -> None:
    root = project(tmp_path, FAILS, "5\n", code="import os\n")
    done = tool("tests.run", "--root", root, "--chapter", "0", *STRICT)
    assert done.returncode == 0, done.stdout
    assert "Unit tests: 1 passed, 0 failed" in done.stdout and "Lint: passed" in done.stdout
    assert list(rows(done.stdout)) == ["00_good"]
    assert done.stdout.splitlines()[-1] == "2 passed, 0 failed"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("7", "There is no chapter '7': the curriculum has 00 to 02."),
        ("x", "There is no chapter 'x': the curriculum has 00 to 02."),
        ("1", "Chapter 01 (four) is half laid: it lacks tests/mutants/01_four.yaml."),
        ("02", "Chapter 02 (planned) is planned and has no files yet: `python -m tools.new_chapter 02` begins it."),
    ],
)
def test_a_chapter_that_is_not_whole_is_a_sentence(tmp_path: Path, capsys, wanted: str, words: str) -> None:
    assert run.main(["--root", str(project(tmp_path, PASSES, "4\n")), "--chapter", wanted]) == 2
    assert capsys.readouterr().err == words + "\n"


def test_every_chapter_that_is_there_is_where_its_number_says() -> None:
    known = {ROOT / one.notebook for one in every().values()}
    assert set((ROOT / "notebooks").rglob("[0-9][0-9]_*.ipynb")) - known == set()


def test_no_notebooks_at_all_is_a_failure(tmp_path: Path, capsys) -> None:
    assert run.main(["--root", str(tmp_path), "--notebooks"]) == 1
    said = capsys.readouterr().out
    assert "there is none under notebooks/" in said
    assert said.splitlines()[-1] == "0 passed, 1 failed"


def test_a_gpu_run_without_a_gpu_is_a_sentence(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(stages, "has_accelerator", lambda env: False)
    assert run.main(["--root", str(project(tmp_path, PASSES, "4\n")), "--gpu"]) == 2
    assert "torch sees no accelerator here: run `make test`" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gpu", "lax", "version", "strict", "words"),
    [
        (False, False, (3, 11), True, "strict: every stored output"),
        (False, False, (3, 12), False, "lax, because this is Python 3.12"),
        (False, False, (3, 13), False, "lax, because this is Python 3.13"),
        (True, False, (3, 11), False, "lax, because this run uses the accelerator"),
        (False, True, (3, 11), False, "lax, as asked for"),
    ],
)
def test_only_the_storing_profile_is_compared(gpu: bool, lax: bool, version: tuple, strict: bool, words: str) -> None:
    decided, said = stages.how_strict(gpu, lax, version)
    assert decided is strict
    assert words in said
    assert strict or "stored outputs are not compared" in said


def test_a_run_that_compares_nothing_fails(tmp_path: Path, monkeypatch) -> None:
    class Done:
        returncode = 0

    def fake(*_: object, **__: object) -> Done:
        (tmp_path / "notebooks.json").write_text('[{"name": "06_a", "compared": 0, "run": 3, "result": "passed"}]')
        (tmp_path / "notebooks.xml").write_text('<testsuite time="1"><testcase/></testsuite>')
        return Done()

    monkeypatch.setattr(stages.subprocess, "run", fake)
    stage = stages.notebooks(
        tmp_path, {}, tmp_path, [Path("06_a.ipynb"), Path("07_b.ipynb")], strict=True, said="strict"
    )
    assert not stage.ok
    assert stage.rows[1]["result"] == "did not run"
    assert not stages.notebooks(tmp_path, {}, tmp_path, [Path("06_a.ipynb")], strict=True, said="strict").ok
    assert stages.notebooks(tmp_path, {}, tmp_path, [Path("06_a.ipynb")], strict=False, said="lax").ok


def test_junit_counts_a_failed_test_and_its_failed_teardown_once(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        '<testsuites><testsuite time="2.5" tests="9"><testcase/><testcase><skipped/></testcase>'
        "<testcase><failure/><error/></testcase></testsuite></testsuites>"
    )
    assert stages.read_junit(tmp_path / "a.xml") == {"passed": 1, "failed": 1, "skipped": 1, "seconds": 2.5}
    assert stages.read_junit(tmp_path / "missing.xml")["failed"] == 1


def test_table_is_aligned_and_says_what_memory_means() -> None:
    row = {"name": "06_data_parallel", "compared": 30, "run": 48, "seconds": 31.26, "peak": 8.1e8, "largest": 4.2e8}
    lines = table([row | {"measure": "PSS", "result": "passed"}, {"name": "07", "result": "did not run"}]).splitlines()
    assert lines[1].split() == ["06_data_parallel", "30", "/", "48", "31.3", "810", "420", "passed"]
    assert len({line.index(word) for line, word in zip(lines, ("result", "passed", "did not"), strict=False)}) == 1
    assert lines[-1].startswith("Memory: peak PSS of the kernel with all its processes")
