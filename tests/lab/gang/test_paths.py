"""Folders with long names, with letters beyond ASCII, and reached through a link."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from course_lib.lab.gang import crash, settings, where

COURSE = Path(where.__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["plain", "课程", "café", "🦙", "two words"])
def test_frames_of_a_crash_are_read_in_any_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    script = folder / "crash.py"
    script.write_text(
        "import faulthandler, sys\ndef 训练():\n    faulthandler.dump_traceback(open(sys.argv[1], 'w'))\n训练()\n",
        encoding="utf-8",
    )
    subprocess.run([sys.executable, str(script), str(tmp_path / "crash.txt")], check=True)
    outer, inner = crash.frames_of_crash(tmp_path / "crash.txt")
    assert (inner.filename, inner.line, inner.function) == (str(script), 3, "训练")
    assert inner.source.startswith("faulthandler.dump_traceback") and outer.line == 4


def test_the_gang_s_own_frames_are_not_the_reader_s_in_any_clone(tmp_path, monkeypatch):
    clone = tmp_path / "课程" / "course_lib"
    clone.parent.mkdir()
    clone.symlink_to(COURSE)
    code = (
        "from course_lib.lab.gang import crash, where; from pathlib import Path\n"
        "own = where.__file__; escaped = own.encode('ascii', 'backslashreplace').decode()\n"
        "lines = [f'  File \"{escaped}\", line 5 in listen', '  File \"cell.py\", line 7 in fault']\n"
        "crashed = Path('crash.txt'); crashed.write_text('\\n'.join(lines))\n"
        "print(where.is_readers(own), [f.function for f in crash.frames_of_crash(crashed)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(clone.parent), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.stdout == "False ['fault']\n", done.stderr


def test_a_gang_works_under_a_long_tmpdir_and_says_where_its_socket_is(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    code = (
        "import multiprocessing.util as util\nfrom course_lib.lab import Gang\n"
        "print(Gang(1).run(lambda rank: __import__('tempfile').gettempdir()), Gang(1))\nprint(util.get_temp_dir())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.getcwd()},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith(f"TMPDIR has {len(str(folder))} characters, too many for a socket (at most ")
    assert str([str(folder)]) in lines[3]  # all but the socket stays there
    assert done.stdout.count("TMPDIR has") == 1 and len(lines[-1]) < 90
    assert not Path(lines[-1]).exists()  # gone with the process
    assert list(folder.glob("gang-*")) == []


def test_the_longest_folder_is_the_one_that_a_socket_fits_in(monkeypatch):
    fits, too_long = "/" + "x" * (settings.LONGEST_TMPDIR - 1), "/" + "x" * settings.LONGEST_TMPDIR
    monkeypatch.setattr("tempfile.tempdir", fits)
    assert settings.socket_folder() == (None, None)
    monkeypatch.setattr("tempfile.tempdir", too_long)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folder, sentence = settings.socket_folder()
    assert folder == "/tmp" and "the gang puts its socket under /tmp" in sentence
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert settings.say_tmpdir().endswith("set TMPDIR to a shorter one.")
    with pytest.raises(OSError, match="set TMPDIR to a shorter one"):
        settings.socket_folder()


def test_the_line_that_starts_the_fork_server_is_not_the_reader_s():
    frame = sys._getframe()
    outer = types.SimpleNamespace(f_back=None, f_code=types.SimpleNamespace(co_filename="<string>"))
    inner = types.SimpleNamespace(f_back=frame, f_code=types.SimpleNamespace(co_filename="<string>"))
    assert where._is_server(outer) and not where._is_server(inner) and not where._is_server(frame)
