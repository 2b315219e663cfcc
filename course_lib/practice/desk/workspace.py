"""The reader's workspace: copies of the notebooks with outputs cleared, so that no prediction is given away.

What was laid out is remembered as a hash of cell sources. A copy whose sources still have that hash is refreshed by an
update of the course; any other copy is the reader's, stays as it is, and gets the new version laid beside it.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from course_lib.practice.desk.place import CourseError, is_planned

STATE = Path(".course") / "workspace.json"
FORMAT = 1


@dataclass
class Layout:
    """What `lay_out` did; paths are relative to the workspace.

    `beside` pairs a copy that the reader changed with the new version laid beside it; `notes` are sentences.
    """

    new: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    beside: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what the reader should know, one sentence each; nothing for a run that changed nothing."""
        said = []
        if self.new:
            said.append(f"Laid out {_count(self.new)} in your workspace, outputs cleared.")
        if self.refreshed:
            said.append(f"Refreshed {_count(self.refreshed)} that you had not changed: {', '.join(self.refreshed)}.")
        said += [
            f"You changed {ours}; the course's new version lies beside it as {name}." for ours, name in self.beside
        ]
        return said + self.notes


def _count(names: list[str]) -> str:
    return f"{len(names)} file" if len(names) == 1 else f"{len(names)} files"


def sources_hash(data: bytes) -> str:
    """Return the hash of a notebook's cell types and sources; outputs, counts and metadata do not count.

    Raises ValueError if `data` is not a notebook.
    """
    try:
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(data)["cells"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a notebook: {error}") from None
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def identity(path: Path) -> str:
    """Return what tells two versions of a file apart: cell sources of a notebook, all bytes of any other file."""
    data = path.read_bytes()
    if path.suffix == ".ipynb":
        # A damaged notebook is no version of ours; its bytes say only that it is something else.
        with suppress(ValueError):
            return sources_hash(data)
    return hashlib.sha256(data).hexdigest()


def cleared(data: bytes) -> bytes:
    """Return the notebook in `data` without outputs, execution counts and widget state; all else as it was."""
    notebook: dict[str, Any] = json.loads(data)
    notebook.get("metadata", {}).pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            cell.get("metadata", {}).pop("execution", None)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def lay_out(source: Path, workspace: Path) -> Layout:
    """Bring `workspace` to the course's present version without overwriting anything the reader wrote.

    Raises CourseError with one sentence if the workspace cannot be written or a notebook of the course is damaged.
    """
    if workspace.resolve().is_relative_to(source.resolve()):
        raise CourseError(f"{workspace} is the course's own folder: choose another for your copies with --work DIR.")
    done = Layout()
    try:
        (workspace / STATE).parent.mkdir(parents=True, exist_ok=True)
        laid = _read_state(workspace / STATE, done)
        before = json.dumps(laid, sort_keys=True)
        for origin in course_files(source):
            _lay_one(origin, origin.relative_to(source).as_posix(), workspace, laid, done)
        if json.dumps(laid, sort_keys=True) != before or not (workspace / STATE).exists():
            _write_state(workspace / STATE, laid)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CourseError(
            f"The workspace {workspace} cannot be used ({reason}: {error.filename}): "
            "make it yours to write, or choose another folder with --work DIR."
        ) from error
    return done


def reset(source: Path, workspace: Path, name: str) -> str | None:
    """Lay the course's notebook `name` afresh, keep the reader's copy beside it under a dated name and return that.

    None where there was no copy, or one that is just as the course lays it out. Raises CourseError with one sentence
    if the workspace cannot be written.
    """
    copy, fresh, kept = workspace / name, cleared((source / name).read_bytes()), None
    try:
        if copy.is_symlink() or copy.exists():
            if copy.is_file() and not copy.is_symlink() and copy.read_bytes() == fresh:
                return None
            kept = _dated_name(copy)
            os.rename(copy, kept)
        write_atomically(copy, fresh)
        laid = _read_state(workspace / STATE, Layout())  # a damaged record is set aside
        _write_state(workspace / STATE, {**laid, name: {"hash": identity(copy)}})
    except OSError as error:
        reason = error.strerror or str(error)
        raise CourseError(f"{copy} cannot be replaced ({reason}): make {workspace} yours to write.") from error
    return None if kept is None else kept.relative_to(workspace).as_posix()


def _dated_name(copy: Path) -> Path:
    for number in range(1, 1000):
        again = "" if number == 1 else f"-{number}"
        path = copy.with_name(f"{copy.stem}.backup-{datetime.now():%Y-%m-%d-%H%M%S}{again}{copy.suffix}")
        if not path.exists() and not path.is_symlink():
            return path
    raise CourseError(f"There are too many backups of {copy}: move some of them away.")


def course_files(source: Path) -> Iterator[Path]:
    """Yield the files under `source` that belong in a workspace, in order; hidden and planned ones do not."""
    for path in sorted(source.rglob("*")):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(source).parts)
        if path.is_file() and not hidden and not (path.suffix == ".ipynb" and is_planned(path)):
            yield path


def changed_by_reader(workspace: Path, name: str) -> bool:
    """Tell whether the copy `name` differs from what was laid out; a missing copy or record does not count."""
    laid = _read_state(workspace / STATE, None).get(name)
    copy = workspace / name
    return laid is not None and copy.is_file() and identity(copy) != laid.get("hash")


def _lay_one(origin: Path, name: str, workspace: Path, laid: dict[str, dict[str, str]], done: Layout) -> None:
    data = origin.read_bytes()
    if origin.suffix == ".ipynb":
        try:
            sources_hash(data)
            data = cleared(data)
        except ValueError as error:
            raise CourseError(f"The course's own {name} is damaged ({error}): restore it with git checkout.") from None
    new, copy = identity(origin), workspace / name
    record = laid.get(name, {})
    if not copy.exists() and not copy.is_symlink():
        write_atomically(copy, data)
        laid[name] = {"hash": new}
        done.new.append(name)
    elif copy.is_symlink() or not copy.is_file():
        done.kept.append(name)
    elif (present := identity(copy)) == new:
        laid[name] = {"hash": new}
        done.unchanged.append(name)
    elif present == record.get("hash"):
        write_atomically(copy, data)
        laid[name] = {"hash": new}
        done.refreshed.append(name)
    elif new in (record.get("hash"), record.get("beside")):
        done.kept.append(name)  # the reader's work on this very version, or the new one was already offered
    else:
        beside = _name_beside(copy, {new, record.get("beside", new)})
        write_atomically(beside, data)
        laid[name] = {**record, "beside": new}
        done.beside.append((name, beside.relative_to(workspace).as_posix()))


def _name_beside(copy: Path, untouched: set[str]) -> Path:
    """Return a name for a new version beside `copy`: free, or taken by a version that the reader did not touch."""
    for number in range(1, 1000):
        path = copy.with_name(f"{copy.stem}.new-version{'' if number == 1 else f'-{number}'}{copy.suffix}")
        if not path.exists() and not path.is_symlink():
            return path
        if path.is_file() and not path.is_symlink() and identity(path) in untouched:
            return path
    raise CourseError(f"There are too many new versions beside {copy}: move some of them away.")


def _read_state(path: Path, done: Layout | None) -> dict[str, dict[str, str]]:
    """Read what was laid out; a damaged file is set aside, and every copy then counts as the reader's own.

    With `done` None nothing is moved or said.
    """
    try:
        state = json.loads(path.read_bytes())
        if state["format"] != FORMAT or not all(isinstance(record, dict) for record in state["laid"].values()):
            raise ValueError(f"format {state['format']}")
        return state["laid"]
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        if done is not None:
            aside = path.with_name(f"{path.stem}.damaged-{datetime.now():%Y-%m-%d-%H%M%S}{path.suffix}")
            os.replace(path, aside)
            done.notes.append(
                f"The record of what was laid out was damaged and is set aside as {aside.name}; "
                "copies that differ from the course now count as changed by you."
            )
        return {}


def _write_state(path: Path, laid: dict[str, dict[str, str]]) -> None:
    text = json.dumps({"format": FORMAT, "laid": laid}, indent=1, sort_keys=True)
    write_atomically(path, (text + "\n").encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either all of it or what it held before; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
