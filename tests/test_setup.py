"""The set-up installs once, repairs itself and explains a failure; pip is a fake one here."""

import ast
import errno
import io
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tools import bootstrap

ROOT = Path(__file__).resolve().parent.parent


def test_the_bootstrap_parses_on_python_3_6():
    ast.parse((ROOT / "tools" / "bootstrap.py").read_text(), feature_version=(3, 6))


def test_an_old_python_gets_one_sentence_with_a_remedy_that_works():
    sentence = bootstrap.too_old((3, 8, 18), runs=lambda name: name == "python3.12")
    assert sentence == "This is Python 3.8 and the course needs 3.11 or newer: run make lab PYTHON=python3.12."
    assert "install one" in bootstrap.too_old((3, 10, 0), runs=lambda name: False)
    assert bootstrap.too_old((3, 11, 0)) is None


def test_make_without_any_python_says_so(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    # Under `make test` this make would be a child of that one, and say which folder it enters.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "setup", "PYTHON=no-such-python"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
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
