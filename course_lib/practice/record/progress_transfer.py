"""Take progress to another machine: JSON lines with a version; an import merges, and nothing is half imported.

The first line is {"format": "course progress", "version": 1}; each other line is one event.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.wording import count
from course_lib.practice.desk.workspace import write_atomically
from course_lib.practice.record.progress import SCHEMA_VERSION, Event, Progress

FORMAT = "course progress"
_TEXTS = ("id", "time", "kind", "key", "content_hash")


def main(argv: list[str]) -> int:
    """Run `course progress export FILE` or `course progress import FILE`."""
    parser = argparse.ArgumentParser(prog="course progress", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, what in (("export", "write your progress to a file"), ("import", "merge an exported file into yours")):
        command = commands.add_parser(name, help=what)
        command.add_argument("file", type=Path, metavar="FILE")
        command.set_defaults(name=name)
    args = parser.parse_args(argv)
    if args.name == "export":
        print(f"Wrote {count(export_progress(args.file), 'event')} to {args.file}.")
    else:
        new, known = import_progress(args.file)
        print(f"Imported {count(new, 'event')} from {args.file}; {known} were already there.")
    return 0


def export_progress(path: Path) -> int:
    """Write all events to `path` and return their number; an earlier export there is replaced, nothing else is.

    Raises CourseError with one sentence if the file cannot be written or is not an export.
    """
    if path.exists():
        try:
            _check_header(path.read_text(encoding="utf-8").partition("\n")[0], path)
        except (CourseError, OSError, UnicodeDecodeError):
            raise CourseError(
                f"{path} is there and is no export of progress: nothing was written; name another file."
            ) from None
    events = Progress.open().events()
    lines = [{"format": FORMAT, "version": SCHEMA_VERSION}, *map(_plain, events)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise CourseError(f"{path} cannot be written ({error.strerror or error}): name another file.") from error
    return len(events)


def import_progress(path: Path) -> tuple[int, int]:
    """Merge the events in `path` and return (new, already there); every line is read before anything is kept.

    Raises CourseError with one sentence, and the number of the line, if the file cannot be read or a line is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        lines = [""]
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error.strerror or error}): nothing was imported.") from error
    _check_header(lines[0] if lines else "", path)
    events = [_event(line, number, path) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    new = Progress.open().add(events)
    return new, len({event.id for event in events}) - new


def _check_header(line: str, path: Path) -> None:
    try:
        header = json.loads(line)
        if header["format"] != FORMAT:
            raise ValueError
        version = int(header["version"])
    except (KeyError, TypeError, ValueError):
        raise CourseError(
            f"Line 1 of {path} is not the first line of exported progress: nothing was imported; "
            "give a file that course progress export wrote."
        ) from None
    if version > SCHEMA_VERSION:
        raise CourseError(
            f"{path} was exported by a newer version of the course: nothing was imported; update the course first."
        )


def _plain(event: Event) -> dict[str, Any]:
    name, time, kind, key, content_hash, data, version = event.row()
    fields = {"id": name, "time": time, "kind": kind, "key": key, "content_hash": content_hash}
    return fields | {"data": json.loads(str(data)), "version": version}


def _event(line: str, number: int, path: Path) -> Event:
    try:
        fields = json.loads(line)
        texts = {name: fields[name] for name in _TEXTS}
        if not all(isinstance(text, str) for text in texts.values()) or not texts["id"]:
            raise ValueError("a field that should be text is none")
        when = datetime.fromisoformat(texts.pop("time"))
        if when.tzinfo is None:
            raise ValueError("its time has no time zone")
        if not isinstance(fields["data"], dict):
            raise ValueError("its data is no object")
        event = Event(when, data=fields["data"], version=int(fields["version"]), **texts)
        event.row()  # what cannot be stored is found here, before anything is
        return event
    except KeyError as error:
        reason = f"it has no {error.args[0]!r}"
    except json.JSONDecodeError:
        reason = "it is not JSON"
    except (TypeError, ValueError, OverflowError) as error:
        reason = str(error).rstrip(".")
    raise CourseError(f"Line {number} of {path} is not an event of the course ({reason}): nothing was imported.")
