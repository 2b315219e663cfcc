"""The set-up installs once, repairs itself and explains a failure; pip and uv are fake ones here."""

import ast
import errno
import io
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.setup.fake import EDITABLE, INSTALL_UV, WITH_UV
from tools.bootstrap import __main__ as bootstrap
from tools.bootstrap import install, running, state
from tools.bootstrap.words import SetupError

ROOT = Path(__file__).resolve().parent.parent.parent


FILES = [ROOT / "tools" / "__init__.py", *sorted((ROOT / "tools" / "bootstrap").glob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_bootstrap_parses_on_python_3_6_and_needs_the_standard_library_alone(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 6))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    tops = {name.partition(".")[0] for name in names}
    assert tops - sys.stdlib_module_names == ({"tools"} if "tools" in tops else set())
    assert all(name.startswith("tools.bootstrap") for name in names if name.startswith("tools"))


def test_an_old_python_gets_one_sentence_with_a_remedy_that_works():
    sentence = state.too_old((3, 8, 18), runs=lambda name: name == "python3.12")
    assert sentence == "This is Python 3.8 and the course needs 3.11 or newer: run make lab PYTHON=python3.12."
    assert "install one" in state.too_old((3, 10, 0), runs=lambda name: False)
    assert state.too_old((3, 11, 0)) is None


def test_make_without_any_python_says_so(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    # Under `make test` this make would be a child of that one, and say which folder it enters.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "setup", "PYTHON=no-such-python"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert ran.returncode != 0
    assert ran.stdout.strip().startswith("There is no no-such-python on this machine: install Python 3.11")


def test_a_first_run_makes_the_venv_and_installs_uv_lock_and_course(course):
    calls, said = course()
    assert calls == [
        "python -m venv ROOT/.venv",
        INSTALL_UV,
        f"{WITH_UV} -r ROOT/requirements.lock",
        f"{WITH_UV} {EDITABLE}",
    ]
    assert "Set up in" in said


def test_a_second_run_does_nothing_and_says_nothing(course):
    course()
    assert course() == ([], "")


def test_another_lock_updates_the_same_venv(course):
    course()
    with course.lock.open("a") as lock:
        lock.write("gamma==3.0\n")
    calls, said = course()
    assert calls == [f"{WITH_UV} -r ROOT/requirements.lock", f"{WITH_UV} {EDITABLE}"]
    assert "requirements have changed" in said
    assert course()[0] == []


def test_an_interrupted_set_up_starts_anew(course, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    real = install.run_logged
    monkeypatch.setattr(install, "run_logged", interrupted)
    with pytest.raises(KeyboardInterrupt):
        course()
    (course.root / ".venv" / "half").write_text("")
    monkeypatch.setattr(install, "run_logged", real)
    calls, _ = course()
    assert calls[0].startswith("python -m venv")
    assert not (course.root / ".venv" / "half").exists()


def test_an_interrupted_update_starts_anew_too(course, monkeypatch):
    course()
    with course.lock.open("a") as lock:
        lock.write("gamma==3.0\n")
    monkeypatch.setenv("FAKE_UV", "stopped")
    monkeypatch.setenv("FAKE_PIP", "ERROR: stopped half-way")
    with pytest.raises(SetupError):
        course()
    monkeypatch.delenv("FAKE_PIP")
    assert course()[0][0].startswith("python -m venv")


def test_a_moved_clone_or_a_vanished_python_is_set_up_again(course):
    course()
    marker = course.root / ".venv" / state.MARKER
    marker.write_text(marker.read_text().replace(f"root {course.root}", "root /elsewhere"))
    assert course()[0][0].startswith("python -m venv")
    inner = course.root / ".venv" / "bin" / "python"
    inner.unlink()
    inner.symlink_to("/no/such/python")
    assert course()[0][0].startswith("python -m venv")


def test_a_python_named_on_purpose_replaces_a_venv_of_another(course):
    course()
    asked_311 = state.plan(course.root, (3, 11, 9), asked=True)
    asked_312 = state.plan(course.root, (3, 12, 1), asked=True)
    by_default = state.plan(course.root, (3, 12, 1), asked=False)
    assert (asked_311, asked_312, by_default) == ("nothing", "create", "nothing")


def test_a_venv_of_the_readers_own_is_left_alone(course):
    own = course.root / ".venv"
    own.mkdir()
    (own / "precious").write_text("x")
    with pytest.raises(SetupError, match=r"that the course did not make: move it away"):
        course()
    assert (own / "precious").read_text() == "x"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying ... [Errno -3] Temporary failure in name resolution", "could not be reached"),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED", "certificate was not accepted"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no torch 2.13.0 for this machine"),
        ("ERROR: No matching distribution found for beta==2.0", "has no beta==2.0 for this machine"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "check who owns this folder"),
        ("ERROR: something else", "The set-up stopped with status 1: ERROR: something else"),
    ],
)
def test_a_failure_of_pip_is_one_sentence_and_its_own_words_are_kept(course, monkeypatch, words, sentence):
    monkeypatch.setenv("FAKE_NO_UV", "1")
    monkeypatch.setenv("FAKE_PIP", words)
    with pytest.raises(SetupError) as told:
        course()
    assert sentence in str(told.value) and "\n" not in str(told.value)
    assert "setup.log" in str(told.value)
    assert words in (course.root / "build" / "setup.log").read_text()


def test_a_python_without_venv_is_named(tmp_path):
    log = tmp_path / "log"
    log.write_text("The virtual environment was not created successfully because ensurepip is not available.")
    with pytest.raises(SetupError, match=r"apt install python3\.\d+-venv"):
        install.stop(["python3", "-m", "venv", "x"], 1, log)


def test_the_second_of_two_set_ups_waits(tmp_path):
    first, out = state.alone(tmp_path, io.StringIO()), io.StringIO()
    entered = threading.Event()

    def second():
        with state.alone(tmp_path, out):
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
    def refuse(*args, **more):
        raise OSError(number, os.strerror(number), "x")

    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "set_up", refuse)
    assert bootstrap.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"The set-up stopped because {words}") and said.count("\n") == 1


def test_progress_counts_packages():
    assert running.status_of("Collecting torch==2.13.0", 4, 143) == "package 5 of 143: torch==2.13.0"
    line = "  Downloading numpy-2.4.6-cp311-cp311-linux.whl (16.6 MB)"
    assert running.status_of(line, 4, 143) == "downloading numpy (16.6 MB)"
    assert running.status_of("Downloading torch (182.9MiB)", 0, 143) == "downloading torch (182.9MiB)"
    assert running.status_of("Requirement already satisfied: x", 4, 143) is None
