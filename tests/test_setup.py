"""The set-up: one lock behind three doors; a bootstrap that installs once, repairs itself and explains a failure."""

import ast
import errno
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_lib.lab.doctor import unsatisfied
from tools import bootstrap

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PINS = {
    canonicalize_name(pin.name): pin
    for pin in (Requirement(line) for line in LOCK.splitlines() if line.strip() and not line.startswith("#"))
}
KNOWN_BY = {"jupyterlab", "torch", "matplotlib", "shap", "lime", "nbval", "ipywidgets"}


# --- one lock, three doors


def test_pyproject_and_conda_read_the_lock_and_name_no_version_of_their_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["dependencies"]
    assert "dependencies" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.lock"]}

    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert [entry for entry in conda if isinstance(entry, dict)] == [{"pip": ["-r requirements.lock", "-e ."]}]
    assert sorted(entry.split("=")[0] for entry in conda if isinstance(entry, str)) == ["pip", "python"]
    assert "python=3.11" in conda


def test_every_pin_is_one_exact_version_without_build_host_or_hash():
    for pin in PINS.values():
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier)), pin
        assert pin.url is None
    assert str(PINS["torch"].specifier) == "==2.13.0"
    assert not re.search(r"https?:|file:|--hash|--index|--find-links|@", LOCK)


def test_the_seven_packages_stand_first():
    first = LOCK.split("\n\n")[1].splitlines()[1:]
    assert {Requirement(line).name for line in first} == KNOWN_BY


def test_installed_versions_equal_the_lock():
    assert unsatisfied(LOCK.splitlines()) == []


def test_the_lock_is_closed_and_holds_nothing_that_nobody_asked_for():
    from importlib.metadata import requires

    sections = LOCK.split("\n\n")
    asked = [Requirement(line) for part in sections[1:3] for line in part.splitlines() if not line.startswith("#")]
    seen, todo = set(), [(canonicalize_name(pin.name), frozenset(pin.extras)) for pin in asked]
    while todo:
        name, extras = entry = todo.pop()
        if entry in seen:
            continue
        seen.add(entry)
        if name.startswith(("nvidia-", "cuda-", "triton")):
            continue  # torch's own pins for GPUs on Linux
        assert name in PINS, f"{name} is needed and not in requirements.lock"
        for needed in map(Requirement, requires(name) or ()):
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras or {""}):
                todo.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    here = {name for name, pin in PINS.items() if pin.marker is None or pin.marker.evaluate()}
    assert here - {name for name, _ in seen} == set()


# --- the bootstrap


def test_the_bootstrap_parses_on_python_3_6():
    ast.parse((ROOT / "tools" / "bootstrap.py").read_text(), feature_version=(3, 6))


def test_an_old_python_gets_one_sentence_with_a_remedy_that_works():
    sentence = bootstrap.too_old((3, 8, 18), runs=lambda name: name == "python3.12")
    assert sentence == "This is Python 3.8 and the course needs 3.11 or newer: run make lab PYTHON=python3.12."
    assert "install one" in bootstrap.too_old((3, 10, 0), runs=lambda name: False)
    assert bootstrap.too_old((3, 11, 0)) is None


def test_make_without_any_python_says_so(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    ran = subprocess.run(["make", "setup", "PYTHON=no-such-python"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode != 0
    assert ran.stdout.strip().startswith("There is no no-such-python on this machine: install Python 3.11")


FAKE = """#!/bin/sh
# Stands for python: `-m venv DIR` makes a venv with itself inside, `-m pip install` does what FAKE_PIP says.
echo "$@" >> "CALLS"
case "$2" in
venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "version = 3.11.7" > "$3/pyvenv.cfg"; touch "$3/made" ;;
pip) [ -z "$FAKE_PIP" ] || { echo "$FAKE_PIP"; exit 1; } ;;
esac
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course with two pins, a Python whose pip is fake, and a function that sets it up and returns the calls made."""
    monkeypatch.delenv("FAKE_PIP", raising=False)
    root = tmp_path / "course"
    root.mkdir()
    (root / "requirements.lock").write_text("# two\nalpha==1.0\nbeta==2.0 ; sys_platform == 'darwin'\n")
    (root / "pyproject.toml").write_text("")
    python, calls = tmp_path / "python", tmp_path / "calls"
    python.write_text(FAKE.replace("CALLS", str(calls)))
    python.chmod(0o755)

    def set_up(asked=False):
        calls.write_text("")
        out = io.StringIO()
        bootstrap.set_up(root, asked, out, str(python))
        return calls.read_text().splitlines(), out.getvalue()

    set_up.root = root
    return set_up


def test_a_first_run_makes_the_venv_and_installs_lock_and_course_in_two_commands(course):
    calls, said = course()
    lock = course.root / "requirements.lock"
    assert calls == [
        f"-m venv {course.root / '.venv'}",
        f"-m pip install -r {lock}",
        f"-m pip install --no-deps --no-build-isolation -e {course.root}",
    ]
    assert "2 pinned packages" in said and "Set up in" in said


def test_a_second_run_does_nothing_and_says_nothing(course):
    course()
    assert course() == ([], "")


def test_another_lock_updates_the_same_venv(course):
    course()
    with (course.root / "requirements.lock").open("a") as lock:
        lock.write("gamma==3.0\n")
    calls, said = course()
    assert [call.split()[1] for call in calls] == ["pip", "pip"]
    assert "requirements have changed" in said
    assert course()[0] == []


def test_an_interrupted_set_up_starts_anew(course, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    real = bootstrap.run_logged
    monkeypatch.setattr(bootstrap, "run_logged", interrupted)
    with pytest.raises(KeyboardInterrupt):
        course()
    (course.root / ".venv" / "half").write_text("")
    monkeypatch.setattr(bootstrap, "run_logged", real)
    calls, _ = course()
    assert calls[0].startswith("-m venv")
    assert not (course.root / ".venv" / "half").exists()


def test_an_interrupted_update_starts_anew_too(course, monkeypatch):
    course()
    with (course.root / "requirements.lock").open("a") as lock:
        lock.write("gamma==3.0\n")
    monkeypatch.setenv("FAKE_PIP", "ERROR: stopped half-way")
    with pytest.raises(bootstrap.SetupError):
        course()
    monkeypatch.delenv("FAKE_PIP")
    assert course()[0][0].startswith("-m venv")


def test_a_moved_clone_or_a_vanished_python_is_set_up_again(course):
    course()
    marker = course.root / ".venv" / bootstrap.MARKER
    marker.write_text(marker.read_text().replace(f"root {course.root}", "root /elsewhere"))
    assert course()[0][0].startswith("-m venv")
    inner = course.root / ".venv" / "bin" / "python"
    inner.unlink()
    inner.symlink_to("/no/such/python")
    assert course()[0][0].startswith("-m venv")


def test_a_python_named_on_purpose_replaces_a_venv_of_another(course):
    course()
    asked_311 = bootstrap.plan(course.root, (3, 11, 9), asked=True)
    asked_312 = bootstrap.plan(course.root, (3, 12, 1), asked=True)
    by_default = bootstrap.plan(course.root, (3, 12, 1), asked=False)
    assert (asked_311, asked_312, by_default) == ("nothing", "create", "nothing")


def test_a_venv_of_the_readers_own_is_left_alone(course):
    own = course.root / ".venv"
    own.mkdir()
    (own / "precious").write_text("x")
    with pytest.raises(bootstrap.SetupError, match=r"that the course did not make: move it away"):
        course()
    assert (own / "precious").read_text() == "x"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying ... [Errno -3] Temporary failure in name resolution", "could not be reached"),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED", "certificate was not accepted"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no torch 2.13.0 for this machine"),
        ("ERROR: No matching distribution found for alpha==1.0", "has no alpha==1.0 for this machine"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "check who owns this folder"),
        ("ERROR: something else", "The set-up stopped with status 1: ERROR: something else"),
    ],
)
def test_a_failure_of_pip_is_one_sentence_and_its_own_words_are_kept(course, monkeypatch, words, sentence):
    monkeypatch.setenv("FAKE_PIP", words)
    with pytest.raises(bootstrap.SetupError) as told:
        course()
    assert sentence in str(told.value) and "\n" not in str(told.value)
    assert "setup.log" in str(told.value)
    assert words in (course.root / "build" / "setup.log").read_text()


def test_a_python_without_venv_is_named(tmp_path):
    log = tmp_path / "log"
    log.write_text("The virtual environment was not created successfully because ensurepip is not available.")
    with pytest.raises(bootstrap.SetupError, match=r"apt install python3\.\d+-venv"):
        bootstrap.stop(["python3", "-m", "venv", "x"], 1, log)


def test_the_second_of_two_set_ups_waits(tmp_path):
    first, out = bootstrap.alone(tmp_path, io.StringIO()), io.StringIO()
    entered = threading.Event()

    def second():
        with bootstrap.alone(tmp_path, out):
            entered.set()

    thread = threading.Thread(target=second, daemon=True)
    thread.start()
    assert not entered.wait(0.3)
    assert "Another set-up is running" in out.getvalue()
    first.close()
    thread.join(10)
    assert entered.is_set()


def test_main_prints_the_sentence_and_fails(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "x").write_text("")
    assert bootstrap.main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "of a file: ")])
def test_a_file_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path, capsys, number, words):
    def refuse(*args):
        raise OSError(number, os.strerror(number), "x")

    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "set_up", refuse)
    assert bootstrap.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"The set-up stopped because {words}") and said.count("\n") == 1


def test_progress_counts_packages():
    assert bootstrap.status_of("Collecting torch==2.13.0", 4, 143) == "package 5 of 143: torch==2.13.0"
    line = "  Downloading numpy-2.4.6-cp311-cp311-linux.whl (16.6 MB)"
    assert bootstrap.status_of(line, 4, 143) == "downloading numpy (16.6 MB)"
    assert bootstrap.status_of("Requirement already satisfied: x", 4, 143) is None


# --- what an installed package carries


def test_a_built_package_carries_its_data(tmp_path):
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "course_lib", source / "course_lib", ignore=ignore)
    for name in ("pyproject.toml", "requirements.lock", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    ran = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "wheel", "zip")
    kinds = (".json", ".yaml", ".txt", ".bz2", ".gz")
    data = [path for path in (ROOT / "course_lib").rglob("*") if path.suffix in kinds]
    assert data
    for path in data:
        assert (tmp_path / "wheel" / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    (told,) = (tmp_path / "wheel").glob("*.dist-info/METADATA")
    assert "Requires-Dist: torch==2.13.0\n" in told.read_text()
    (points,) = (tmp_path / "wheel").glob("*.dist-info/entry_points.txt")
    assert "course = course_lib.cli:main" in points.read_text()
