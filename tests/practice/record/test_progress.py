"""Progress comes back as recorded, also with several notebooks at once and after a kill."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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


def test_an_event_comes_back_as_it_was_recorded(path):
    said = Progress.open(path).record("attempt", "06.ring", content_hash="abc", passed=False, bytes=150)
    (event,) = reopened(path).events()
    assert event == said
    assert (event.kind, event.key, event.content_hash, event.data) == (
        "attempt",
        "06.ring",
        "abc",
        {"passed": False, "bytes": 150},
    )
    assert event.version == module.SCHEMA_VERSION
    assert timedelta(0) <= datetime.now(UTC) - event.time < timedelta(minutes=1)


def test_events_are_chosen_by_kind_and_by_key(path):
    progress = Progress.open(path)
    for kind, key in (("hint", "a"), ("attempt", "a"), ("hint", "b")):
        progress.record(kind, key)
    found = reopened(path)
    assert [(e.kind, e.key) for e in found.events()] == [("hint", "a"), ("attempt", "a"), ("hint", "b")]
    assert [e.key for e in found.events("hint")] == ["a", "b"]
    assert [e.kind for e in found.events(key="a")] == ["hint", "attempt"]
    assert [(e.kind, e.key) for e in found.events("hint", "b")] == [("hint", "b")]


def test_looking_makes_no_file(path):
    assert Progress.open(path).events() == []
    assert not path.parent.exists()


def test_the_readers_file_is_in_the_data_folder_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "here"))
    Progress.open().record("hint", "a")
    assert (tmp_path / "here" / "progress.sqlite3").is_file()
    monkeypatch.delenv("COURSE_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert module.data_folder().is_relative_to(tmp_path)
    assert module.data_folder().name == "course"


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": object()}])
def test_data_that_is_not_json_is_refused_with_a_sentence(path, data):
    with pytest.raises(ValueError, match="plain JSON"):
        Progress.open(path).record("attempt", "a", **data)
    assert Progress.open(path).events() == []


def test_several_notebooks_write_at_once_into_a_file_that_none_has_made(path):
    code = "for i in range(25): p.record('hint', 'who', n=i)\nassert not p.notes, p.notes"
    writers = [child(code, path) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    progress = reopened(path)
    assert len(progress.events("hint")) == 100
    assert progress.notes == []
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_that_another_notebook_made_a_moment_ago_is_used(path, monkeypatch):
    theirs, transaction = Progress(path), module._transaction

    def late(db):
        monkeypatch.setattr(module, "_transaction", transaction)
        theirs.record("hint", "theirs")
        return transaction(db)

    monkeypatch.setattr(module, "_transaction", late)
    ours = Progress.open(path)
    ours.record("hint", "ours")
    assert {event.key for event in ours.events()} == {"theirs", "ours"}
    assert ours.notes == []


def test_a_reader_is_not_kept_waiting_by_a_writer(path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    progress = Progress.open(path)
    progress.record("hint", "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(progress.events()) == 1
        assert progress.notes == []


def test_an_event_that_had_to_wait_is_written_with_the_next(path, monkeypatch, capsys):
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    progress = Progress.open(path)
    progress.record("hint", "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        progress.record("hint", "b")
        progress.record("hint", "c")
        assert [event.key for event in progress.events()] == ["a", "b", "c"]  # this session knows them all
        assert [event.key for event in progress.events("hint", "c")] == ["c"]
        assert progress.events("attempt") == []
    assert capsys.readouterr().err.count("not recorded") == 1
    progress.record("hint", "d")
    assert [event.key for event in reopened(path).events()] == ["a", "b", "c", "d"]


def test_every_row_that_was_recorded_survives_a_kill(path):
    code = "import itertools\nfor i in itertools.count():\n    p.record('hint', 'k', n=i)\n    print(i, flush=True)"
    writer = child(code, path)
    seen = -1
    for line in writer.stdout:
        seen = int(line)
        if seen >= 40:
            break
    writer.send_signal(signal.SIGKILL)
    seen = max([seen, *(int(line) for line in writer.stdout.read().split())])
    writer.wait(10)
    progress = reopened(path)
    numbers = [event.data["n"] for event in progress.events()]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= seen + 1
    progress.record("hint", "after")
    assert len(reopened(path).events()) == len(numbers) + 1
    assert progress.notes == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("data", "{oops"),
        ("data", "7"),
        ("data", '["ab", "cd"]'),
        ("data", "[" * 100_000),
        ("data", b"\xff"),
        ("key", b"\xff\xfe"),
        ("kind", b"hint"),
        ("time", "yesterday"),
        ("time", b"\xff"),
        ("time", "0001-01-01T00:00:00+14:00"),
        ("version", "two"),
    ],
)
def test_a_row_edited_into_nonsense_is_passed_over_and_hides_no_other(path, column, value):
    progress = Progress.open(path)
    for key in "abc":
        progress.record("hint", key)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"UPDATE events SET {column} = ? WHERE key = 'b'", (value,))
        db.commit()
    assert [event.key for event in reopened(path).events()] == ["a", "c"]
    assert progress.notes == [] and path.exists()


def test_a_row_whose_time_has_no_zone_is_sorted_among_the_others(path):
    progress = Progress.open(path)
    for key in "abc":
        progress.record("hint", key)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE events SET time = replace(time, '+00:00', '') WHERE key = 'b'")
        db.execute("UPDATE events SET key = cast(x'62ff' AS TEXT) WHERE key = 'b'")  # no UTF-8
        db.commit()
    assert [event.key[0] for event in reopened(path).events()] == ["a", "b", "c"]


def test_adding_twice_counts_once(path):
    events = [Event(datetime.now(UTC), "hint", key) for key in "ab"]
    progress = Progress.open(path)
    assert progress.add(events[:1]) == 1
    assert progress.add(events) == 1
    assert progress.add(events) == 0
    assert reopened(path).events() == events


def test_importing_practice_and_progress_loads_nothing_heavy():
    code = (
        "import sys, course_lib.practice, course_lib.practice.record.progress\n"
        "print([m for m in ('torch', 'matplotlib', 'ipywidgets', 'IPython', 'numpy', 'yaml') if m in sys.modules])"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert said.stdout.strip() == "[]"
