"""A folder of wheels sets the course up without a network; one that lacks something is refused before it hurts."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.setup.fake import EDITABLE, WITH_UV
from tools.bootstrap import __main__ as bootstrap
from tools.bootstrap import install, wheelhouse
from tools.bootstrap.words import SetupError

PLATFORM = wheelhouse.platform.machine()
SYSTEM = "manylinux_2_28" if sys.platform == "linux" else "macosx_14_0"
BINARY = f"cp3{sys.version_info[1]}-cp3{sys.version_info[1]}-{SYSTEM}_{PLATFORM}.whl"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with what the fake course needs; a blank stands in its name."""
    folder = tmp_path / "my wheels"
    folder.mkdir()
    for name in (f"torch-2.13.0+cpu-{BINARY}", "beta-2.0-py3-none-any.whl", "uv-0.13.9-py3-none-any.whl"):
        (folder / name).touch()
    return folder


def test_all_comes_from_the_folder_whatever_is_configured(course, wheels, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://x/s")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://x/s")
    monkeypatch.setenv(
        "FAKE_CONFIG", f":env:.config-file='/dev/null'\\n:env:.no-index='1'\\n:env:.find-links='{wheels.as_uri()}'\\n"
    )
    calls, said = course(wheels=wheels)
    assert calls == [
        "python -m venv ROOT/.venv",
        "python -m pip install uv",
        f"{WITH_UV} --no-index -r ROOT/requirements.lock",
        f"{WITH_UV} --no-index {EDITABLE}",
    ]
    assert "without a network" in said and f"from {wheels}" in said
    uv, pip = course.variables("uv"), course.variables("python")
    assert (uv["UV_OFFLINE"], uv["UV_FIND_LINKS"]) == ("1", wheels.as_uri())
    assert " " not in pip["PIP_FIND_LINKS"] and pip["PIP_NO_INDEX"] == "1" and pip["PIP_CONFIG_FILE"] == "/dev/null"
    assert "PIP_INDEX_URL" not in pip and "UV_DEFAULT_INDEX" not in uv
    assert course() == ([], "")


def test_a_wheel_that_is_missing_is_named_and_nothing_is_lost(course, wheels):
    course()
    own = course.root / ".venv" / "own"
    own.write_text("x")
    with course.lock.open("a") as lock:
        lock.write("gamma_a==3.0\ndelta==1\n")
    (wheels / "gamma.a-3.1-py3-none-any.whl").touch()
    with pytest.raises(SetupError) as told:
        course(wheels=wheels)
    assert "lacks gamma_a==3.0 and 1 more" in str(told.value) and "run make wheelhouse" in str(told.value)
    assert own.exists() and course.installs() == []
    (wheels / "Gamma.A-3.0-py3-none-any.whl").touch()
    (wheels / "delta-1-py3-none-any.whl").touch()
    assert len(course(wheels=wheels)[0]) == 2 and own.exists()


def test_a_folder_that_is_not_there_is_named_before_a_new_venv_is_made(course, tmp_path):
    with pytest.raises(SetupError, match=r"There is no folder .*none: make one with make wheelhouse"):
        course(wheels=tmp_path / "none")
    assert not (course.root / ".venv").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a-1-py3-none-any.whl", True),
        ("a-1-py2.py3-none-any.whl", True),
        ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", True),
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp39-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", True),
        ("a-1-cp313-abi3-manylinux_2_28_x86_64.whl", False),
        ("a-1-cp312-cp312-manylinux_2_28_aarch64.whl", False),
        ("a-1-cp312-cp312-macosx_14_0_x86_64.whl", False),
        ("a-1-1build-cp312-none-linux_x86_64.whl", True),
        ("a-1.whl", False),
    ],
)
def test_a_wheel_for_another_python_or_machine_does_not_count(name, expected):
    assert wheelhouse.fits(name, 12, "linux", "x86_64") is expected


def test_a_mac_takes_its_own_wheels_and_universal_ones():
    names = ("macosx_14_0_arm64", "macosx_10_13_universal2", "manylinux_2_28_arm64", "macosx_11_0_x86_64")
    fits = [wheelhouse.fits(f"a-1-cp313-cp313-{name}.whl", 13, "darwin", "arm64") for name in names]
    assert fits == [True, True, False, False]


def test_a_pin_for_another_system_or_an_older_python_is_not_needed():
    lock = 'a==1\nb==2 ; sys_platform == "darwin"\nc==3 ; python_version < "3.12"\n# d==4\n'
    assert wheelhouse.needed(lock, 11, "linux") == [("a", "1"), ("c", "3")]
    assert wheelhouse.needed(lock, 12, "darwin") == [("a", "1"), ("b", "2")]


def test_every_marker_of_the_lock_is_one_that_is_understood():
    lock = (Path(__file__).parent.parent.parent / "requirements.lock").read_text()
    markers = set(re.findall(r"^[^#\n]*;\s*(.*)$", lock, re.MULTILINE))
    assert all(re.fullmatch(r'sys_platform == "\w+"|python_version < "3\.\d+"', marker) for marker in markers), markers


def fake_wheels(course, monkeypatch, *names):
    """Let the fake pip's `wheel` lay these files where it is told to."""
    real = install.run_logged

    def run(command, log, total, out, env):
        if command[2:4] == ["pip", "wheel"]:
            for name in names:
                (Path(command[command.index("-w") + 1]) / name).write_text("x" * 1000)
        return real(command, log, total, out, env)

    monkeypatch.setattr(install, "run_logged", run)


def test_a_wheelhouse_is_laid_out_and_counted(course, monkeypatch, capsys):
    course()
    fake_wheels(course, monkeypatch, f"torch-2.13.0-{BINARY}", "beta-2.0-py3-none-any.whl")
    monkeypatch.setattr(bootstrap, "ROOT", course.root)
    course.calls.write_text("")
    assert bootstrap.main(["--wheelhouse"]) == 0
    said = capsys.readouterr().err
    assert "wheelhouse/ holds 2 wheels, 0 MB" in said and wheelhouse.here() in said
    assert course.installs()[0].endswith("-r ROOT/requirements.lock")
    assert wheelhouse.lacks(course.root / "wheelhouse", course.lock.read_text()) == []


def test_a_wheelhouse_that_cannot_be_completed_leaves_the_old_one(course, monkeypatch, capsys):
    course()
    old = course.root / "wheelhouse"
    old.mkdir()
    (old / "old-1-py3-none-any.whl").touch()
    monkeypatch.setattr(bootstrap, "ROOT", course.root)
    monkeypatch.setenv("FAKE_PIP", "ERROR: [Errno -3] Temporary failure in name resolution")
    assert bootstrap.main(["--wheelhouse"]) == 1
    assert "could not be reached" in capsys.readouterr().err
    assert [path.name for path in old.iterdir()] == ["old-1-py3-none-any.whl"]
