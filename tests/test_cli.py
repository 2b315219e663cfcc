"""The command line: each command does what it says, and bad input is one sentence with a remedy."""

import subprocess
import sys
import types
from pathlib import Path

import pytest

from course_lib import cli
from course_lib.lab.doctor import Finding, Findings
from course_lib.practice.desk import house, place, serve

ROOT = Path(__file__).resolve().parent.parent


def run(*words):
    return subprocess.run([sys.executable, "-m", "course_lib", *words], cwd=ROOT, capture_output=True, text=True)


def test_help_names_every_command():
    ran = run("--help")
    assert ran.returncode == 0
    for command in ("doctor", "lab", "run", "status"):
        assert f"\n    {command} " in ran.stdout


def test_no_command_and_an_unknown_one_fail_with_usage():
    assert run().returncode == 2
    ran = run("dance")
    assert ran.returncode == 2 and "invalid choice: 'dance'" in ran.stderr


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("note", 0), ("missing", 1)])
def test_doctor_fails_only_where_something_needed_is_missing(monkeypatch, capsys, status, code):
    monkeypatch.setattr(house, "doctor", lambda work: Findings([Finding("thing", status, "seen", "do it")]))
    assert cli.main(["doctor"]) == code
    assert capsys.readouterr().out.split() == [status, "thing", "seen", "do", "it"]


def test_doctor_looks_at_the_lock_and_the_workspace(tmp_path):
    names = [finding.name for finding in house.doctor(str(tmp_path / "mine"))]
    assert "requirements" in names and "workspace" in names


def test_lab_lays_out_and_serves_what_was_asked_for(monkeypatch, tmp_path, capsys):
    asked = {}

    def fake(folder, port, browser):
        asked.update(folder=folder, port=port, browser=browser)
        return 0

    monkeypatch.setattr(serve, "serve", fake)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "note.txt").write_text("x")
    monkeypatch.setattr(place, "notebooks", lambda: tmp_path / "notebooks")
    assert cli.main(["lab", "--no-browser", "--port", "9000", "--work", str(tmp_path / "mine")]) == 0
    assert asked == {"folder": tmp_path / "mine", "port": 9000, "browser": False}
    assert (tmp_path / "mine" / "note.txt").exists()
    assert "Laid out 1 file" in capsys.readouterr().out


def test_status_is_honest_about_a_workspace_that_is_not_there(tmp_path, capsys):
    assert cli.main(["status", "--work", str(tmp_path / "none")]) == 0
    out = capsys.readouterr().out
    names = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    names = [path for path in names if not place.is_planned(path)]
    assert out.startswith(f"{len(names)} notebooks in this version")
    assert out.count("not yet laid out") == len(names)


def test_run_hands_its_words_to_the_launcher_as_they_are(monkeypatch):
    seen = []
    launch = types.ModuleType("course_lib.lab.gang.launch")
    launch.main = lambda argv: seen.append(argv) or 3
    monkeypatch.setitem(sys.modules, "course_lib.lab.gang.launch", launch)
    monkeypatch.setattr("course_lib.lab.gang.launch", launch, raising=False)
    words = ["course_lib.parallelism.ddp:train", "steps=3", "--nnodes", "2", "--help"]
    assert cli.main(["run", *words]) == 3
    assert seen == [words]


def test_a_package_without_its_notebooks_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("course_lib.__file__", str(tmp_path / "site" / "course_lib" / "__init__.py"))
    assert cli.main(["lab"]) == 1
    said = capsys.readouterr().err
    assert (
        said.startswith("The notebooks are not beside the installed package: clone the course")
        and said.count("\n") == 1
    )


def test_an_unwritable_workspace_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["lab", "--work", str(tmp_path / "file" / "work")]) == 1
    said = capsys.readouterr().err
    assert "--work DIR" in said and said.count("\n") == 1
