"""Unit tests are shared out by file; proofs and exhibits by what they try, on whichever process is free."""

from pathlib import Path

from tests.notebooks.conftest import Tool
from tools.spreading import FIRST, SPLIT, scope_of, turn_of
from tools.storing import ROOT


def test_a_file_stays_together_and_an_exercise_stays_with_itself() -> None:
    spans, proofs, exhibits = (f"tests/{name}" for name in ("lab/test_spans.py", *SPLIT))
    assert scope_of(f"{spans}::test_a[1]") == scope_of(f"{spans}::test_b") == spans
    assert scope_of(f"{proofs}::test_a[06.ring]") != scope_of(f"{proofs}::test_a[06.tree]")
    assert scope_of(f"{exhibits}::test_a[E4]") == scope_of(f"{exhibits}::test_b[E4]")
    assert scope_of(f"{exhibits}::test_a[E4]") != scope_of(f"{exhibits}::test_a[4]")
    assert all((ROOT / "tests" / name).is_file() for name in SPLIT)


def test_what_takes_longest_has_the_first_turn() -> None:
    assert turn_of("tests/lab/gang/test_run.py::test_a") == 0
    assert turn_of("tests/notebooks/test_nbval.py::test_a") < turn_of("tests/lab/test_spans.py::test_a")
    assert turn_of("tests/test_imports.py::test_a") == turn_of("tests/data/test_text.py::test_a") == len(FIRST)
    assert all((ROOT / "tests" / name).exists() for name in FIRST)


def test_the_first_turn_is_taken_first(tmp_path: Path, tool: Tool) -> None:
    note = "import os\n\n\ndef note():\n    print(__file__, file=open(os.environ['ORDER'], 'a'))\n"
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    for name, tests in (("data/test_many.py", 9), ("lab/gang/test_long.py", 1), ("lab/test_more.py", 2)):
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        text = note + "".join(f"\n\ndef test_{i}():\n    note()\n" for i in range(tests))
        (tmp_path / "tests" / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ("-c", tmp_path / "pytest.ini", "-n", 1, "--dist", "loadfile", "-q")
    done = tool("pytest", tmp_path / "tests", *options, ORDER=str(tmp_path / "order"))
    assert done.returncode == 0, done.stdout
    first, *_ = (tmp_path / "order").read_text().splitlines()
    assert first.endswith("test_long.py")


def test_two_processes_share_the_parameters_of_a_long_file_and_no_other(tmp_path: Path, tool: Tool) -> None:
    body = (
        "import os\nimport time\nimport pytest\n\n\n@pytest.mark.parametrize('number', range(8))\ndef test_a(number):\n"
    )
    body += "    time.sleep(0.2)\n    open(f'{os.path.dirname(__file__)}/{number}', 'w').write(str(os.getpid()))\n"
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    # Two tests in the file that stays together: its process has room for more from the beginning.
    for name, tests in (("museum/test_exhibits.py", 8), ("lab/test_spans.py", 2)):
        (tmp_path / "tests" / name).parent.mkdir(parents=True)
        (tmp_path / "tests" / name).write_text(body.replace("range(8)", f"range({tests})"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = tool("pytest", tmp_path / "tests", "-c", tmp_path / "pytest.ini", "-n", 2, "--dist", "loadfile", "-q")
    assert done.returncode == 0, done.stdout
    seen = {
        name: {file.read_text() for file in (tmp_path / "tests" / name).glob("[0-9]")} for name in ("museum", "lab")
    }
    assert (len(seen["museum"]), len(seen["lab"])) == (2, 1)
