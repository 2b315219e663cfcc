"""A progress file that cannot be used is set aside, a place that cannot be written is said, and nothing is lost."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from course_lib.practice.desk.place import CourseError
from course_lib.practice.record import progress as module
from course_lib.practice.record.progress import Event, Progress

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "progress.sqlite3"


def reopened(path):
    """The progress as another process would find it."""
    Progress._open.pop(path, None)
    return Progress.open(path)


def child(code, path, **kwargs):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    program = f"from course_lib.practice.record.progress import Progress\np = Progress.open({str(path)!r})\n{code}"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env, **kwargs)


def damaged(path, how):
    progress = Progress.open(path)
    for i in range(200):
        progress.record("hint", "old", n=i) if i < 3 else progress.add([Event(datetime.now(UTC), "hint", "old")])
        if i == 40:
            break
    if how == "text":
        path.write_text("these are notes, no database" * 10)
    elif how == "pages":
        data = bytearray(path.read_bytes())
        data[4096:] = b"\x5a" * (len(data) - 4096)
        path.write_bytes(data)
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "column":
        with closing(sqlite3.connect(path)) as db:
            db.execute("ALTER TABLE events RENAME COLUMN data TO something")
    else:
        path.unlink()
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE recipes (name)")
    return path.read_bytes()


@pytest.mark.parametrize("how", ["text", "pages", "truncated", "column", "another program's"])
@pytest.mark.parametrize("first", ["read", "write"])
def test_a_damaged_file_is_set_aside_whole_and_a_fresh_one_begun(path, how, first, capsys):
    before = damaged(path, how)
    progress = reopened(path)
    if first == "read":
        assert progress.events() == []
    progress.record("hint", "new")
    assert [event.key for event in reopened(path).events()] == ["new"]
    (aside,) = path.parent.glob("progress.damaged-????-??-??-??????.sqlite3")
    assert aside.read_bytes() == before
    assert len(progress.notes) == 1
    assert str(aside) in capsys.readouterr().err


def test_damage_that_happens_while_the_notebook_runs_is_noticed(path):
    progress = Progress.open(path)
    progress.record("hint", "old")
    path.write_bytes(b"\0" * 100 + b"x" * 5000)
    progress.record("hint", "new")
    assert [event.key for event in reopened(path).events()] == ["new"]
    assert len(list(path.parent.glob("progress.damaged-*"))) == 1


def test_a_file_of_a_newer_version_is_set_aside_and_not_called_damaged(path, capsys):
    Progress.open(path).record("hint", "old")
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {module.SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    progress = reopened(path)
    progress.record("hint", "new")
    assert [event.key for event in progress.events()] == ["new"]
    (aside,) = path.parent.glob("progress.newer-*.sqlite3")
    assert aside.read_bytes() == before
    assert "newer version" in capsys.readouterr().err


def test_setting_aside_waits_for_another_notebook_that_does_it(path):
    damaged(path, "text")
    with open(path.with_name(".progress.sqlite3.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writer = child("p.record('hint', 'new')", path, stderr=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(1)
    assert writer.wait(60) == 0
    assert [event.key for event in reopened(path).events()] == ["new"]


def test_a_fresh_file_is_not_set_aside_by_a_notebook_that_saw_the_old_one(path, monkeypatch):
    damaged(path, "text")
    theirs, alone = Progress(path), module._alone

    def late(path):
        monkeypatch.setattr(module, "_alone", alone)
        theirs.record("hint", "theirs")
        return alone(path)

    monkeypatch.setattr(module, "_alone", late)
    ours = reopened(path)
    ours.record("hint", "ours")
    assert {event.key for event in ours.events()} == {"theirs", "ours"}
    assert ours.notes == []


def test_two_notebooks_that_find_the_damage_together_lose_nothing(path):
    damaged(path, "text")
    writers = [child("p.record('hint', 'new')", path, stderr=subprocess.DEVNULL) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(reopened(path).events()) == 4
    assert len(list(path.parent.glob("progress.damaged-*"))) == 1


@pytest.mark.parametrize("where", ["/proc/progress.sqlite3", "a file in the way", "a folder in its place"])
def test_where_nothing_can_be_written_one_sentence_says_so_and_the_session_goes_on(path, where, capsys):
    if where == "a file in the way":
        path.parent.write_text("not a folder")
    elif where == "a folder in its place":
        path.mkdir(parents=True)
    else:
        path = Path(where)
    progress = Progress.open(path)
    progress.record("prediction", "06.bytes", guess=150)
    progress.record("reveal", "06.bytes")
    assert [event.kind for event in progress.events()] == ["prediction", "reveal"]
    said = capsys.readouterr().err
    assert said.count("not recorded in this session") == 1
    with pytest.raises(CourseError, match="cannot be written"):
        progress.add([Event(datetime.now(UTC), "hint", "a")])


def test_a_full_disk_is_said_once_and_loses_no_earlier_row(path):
    Progress.open(path).record("hint", "old")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "for i in range(3): p.record('hint', 'new')\n"
        "print(len(p.events()), len(p.notes), p.notes[0])"
    )
    writer = child(code, path, stderr=subprocess.DEVNULL)
    said = writer.communicate(timeout=60)[0]
    assert said.startswith("4 1 Progress is not recorded in this session"), said
    assert [event.key for event in reopened(path).events()] == ["old"]
    assert [each.name for each in path.parent.glob("*.sqlite3")] == ["progress.sqlite3"]  # not mistaken for damage


def test_what_was_recorded_can_be_read_in_a_folder_that_may_not_be_written():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data" / "progress.sqlite3"
        Progress.open(path).record("hint", "old")
        os.chmod(folder, 0o755)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            status = 1
            try:
                if os.geteuid() == 0:  # the superuser may write anywhere: become nobody
                    os.setuid(65534)
                progress = reopened(path)
                progress.record("hint", "new")
                os.write(writing, f"{[event.key for event in progress.events()]} {len(progress.notes)}".encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        os.waitpid(pid, 0)
        path.parent.chmod(0o755)
        assert said == "['old', 'new'] 1"
