"""Progress can be taken elsewhere: an export read back is the same, a second import adds nothing, a bad one nothing."""

import json
import os

import pytest

from course_lib.practice.desk.place import CourseError
from course_lib.practice.record import progress_transfer as module
from course_lib.practice.record.progress import SCHEMA_VERSION, Progress
from course_lib.practice.record.progress_transfer import export_progress, import_progress, main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "here"))
    Progress.open().record("attempt", "06.ring", content_hash="abc", passed=True, note="ü\n✓")
    Progress.open().record("prediction", "06.bytes", guess=1.5e2)
    return tmp_path


@pytest.fixture
def there(here, monkeypatch):
    """Go to another machine, which has one event of its own; returns the export of the first."""
    export_progress(here / "my.jsonl")
    monkeypatch.setenv("COURSE_DATA_DIR", str(here / "there"))
    Progress.open().record("hint", "06.tree")
    return here / "my.jsonl"


def test_an_export_read_back_elsewhere_is_the_same_beside_what_was_there(here, there, monkeypatch):
    first = Progress.open(here / "here" / "progress.sqlite3").events()
    own = Progress.open().events()
    assert import_progress(there) == (2, 0)
    assert Progress.open().events() == first + own


def test_importing_again_doubles_nothing(there):
    assert import_progress(there) == (2, 0)
    assert import_progress(there) == (0, 2)
    there.write_text(there.read_text() + there.read_text().splitlines()[1] + "\n\n")
    assert import_progress(there) == (0, 2)
    assert len(Progress.open().events()) == 3


def test_one_machines_progress_comes_back_to_it_unchanged(here):
    before = Progress.open().events()
    export_progress(here / "my.jsonl")
    assert import_progress(here / "my.jsonl") == (0, 2)
    assert Progress.open().events() == before


def changed(field, value):
    def change(line):
        event = json.loads(line)
        event[field] = value
        return json.dumps(event)

    return change


def without(field):
    return lambda line: json.dumps({name: value for name, value in json.loads(line).items() if name != field})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda line: line[:30], "not JSON"),
        (lambda line: "[1, 2]", "indices must be"),
        (lambda line: "3", "not subscriptable"),
        (without("kind"), "no 'kind'"),
        (without("id"), "no 'id'"),
        (without("version"), "no 'version'"),
        (changed("time", "yesterday"), "yesterday"),
        (changed("time", "2026-01-01T00:00:00"), "no time zone"),
        (changed("key", 6), "text"),
        (changed("id", ""), "text"),
        (changed("data", [1]), "no object"),
        (changed("data", {"x": float("inf")}), "finite"),
        (changed("version", "one"), "one"),
    ],
)
def test_a_malformed_line_is_named_by_its_number_and_nothing_is_half_imported(there, change, reason):
    lines = there.read_text().splitlines()
    there.write_text("\n".join([*lines[:2], change(lines[2])]))
    before = Progress.open().events()
    with pytest.raises(CourseError, match=f"Line 3 of .*{reason}.*nothing was imported"):
        import_progress(there)
    assert Progress.open().events() == before


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{}", b"[]", b"# notes", b"\xff\xfe\x00", b'{"format": "other", "version": 1}']
)
def test_a_file_that_is_no_export_is_refused(there, content):
    there.write_bytes(content)
    with pytest.raises(CourseError, match=r"Line 1 of .*nothing was imported"):
        import_progress(there)


def test_an_export_of_a_newer_course_is_refused(there):
    header, *rest = there.read_text().splitlines()
    there.write_text("\n".join([changed("version", SCHEMA_VERSION + 1)(header), *rest]))
    with pytest.raises(CourseError, match="newer version of the course"):
        import_progress(there)
    assert len(Progress.open().events()) == 1


def test_a_file_that_cannot_be_read_or_written_is_a_sentence(here):
    with pytest.raises(CourseError, match=r"cannot be read \(No such file"):
        import_progress(here / "none.jsonl")
    with pytest.raises(CourseError, match=r"cannot be read \(Is a directory"):
        import_progress(here)
    (here / "file").write_text("")
    with pytest.raises(CourseError, match="cannot be written"):
        export_progress(here / "file" / "my.jsonl")


def test_an_export_replaces_an_earlier_one_and_nothing_else(here):
    path = here / "my.jsonl"
    assert export_progress(path) == 2
    Progress.open().record("hint", "06.tree")
    assert export_progress(path) == 3
    assert len(path.read_text().splitlines()) == 4
    path.write_text("my notes\n")
    with pytest.raises(CourseError, match="no export of progress: nothing was written"):
        export_progress(path)
    assert path.read_text() == "my notes\n"
    with pytest.raises(CourseError, match="nothing was written"):
        export_progress(here)


def test_an_import_that_cannot_be_stored_is_a_sentence(there, here, monkeypatch):
    (here / "file").write_text("")
    monkeypatch.setenv("COURSE_DATA_DIR", str(here / "file"))
    with pytest.raises(CourseError, match="cannot be written"):
        import_progress(there)


def test_the_command_says_what_it_did(there, here, capsys, monkeypatch):
    monkeypatch.chdir(here)
    assert main(["import", "my.jsonl"]) == 0
    assert main(["import", "my.jsonl"]) == 0
    assert main(["export", "all.jsonl"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Imported 2 events from my.jsonl; 0 were already there.",
        "Imported 0 events from my.jsonl; 2 were already there.",
        "Wrote 3 events to all.jsonl.",
    ]
    assert os.path.exists("all.jsonl")
    assert module.FORMAT in (here / "all.jsonl").read_text().splitlines()[0]
