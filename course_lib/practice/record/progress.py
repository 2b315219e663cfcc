"""The reader's progress: one SQLite file in the user's data folder, one row per event.

Each call opens the file, does one short transaction and closes it, so that several notebooks can write at once and a
killed process loses nothing that was recorded. A file that cannot be used is set aside, never deleted; where nothing
can be written, events are kept for the session and said to be so.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from course_lib.practice.desk.place import CourseError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x436F7273  # "Cors": tells our file from any other SQLite file
BUSY_S = 5.0  # how long one notebook waits while another one writes

_TABLE = """CREATE TABLE events (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
    content_hash TEXT NOT NULL, data TEXT NOT NULL, version INTEGER NOT NULL)"""
_COLUMNS = "id, time, kind, key, content_hash, data, version"

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """One thing that the reader did.

    kind: "attempt", "hint", "solution", "prediction", "reveal", "quiz", "mock" or "diagnostic"; key: the id of the
    exercise, prediction or question; content_hash: of what the key stood for then ("" where it does not matter);
    time: in UTC; id: unique, so that an event imported twice counts once.
    """

    time: datetime
    kind: str
    key: str
    content_hash: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    version: int = SCHEMA_VERSION

    def row(self) -> tuple[str | int, ...]:
        """Return the event as a row of the table."""
        when = self.time.astimezone(UTC).isoformat(timespec="microseconds")
        return self.id, when, self.kind, self.key, self.content_hash, _json(self.data), self.version


class _Unusable(Exception):
    """The file is damaged or of a newer schema; the text is the word that its new name carries."""


class Progress:
    """The recorded events of one reader. `Progress.open()` never fails; `notes` has what it had to say."""

    _open: dict[Path, Progress] = {}  # noqa: RUF012 - one per file and process: it holds what could not be written

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._pending: list[Event] = []
        self._checked = False

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Progress:
        """Return the progress kept in `path`, by default the reader's own file; it is made when first written."""
        file = (Path(path) if path is not None else data_folder() / "progress.sqlite3").absolute()
        return cls._open.setdefault(file, cls(file))

    def record(self, kind: str, key: str, *, content_hash: str = "", **data: Any) -> Event:
        """Keep one event, with any JSON data (ValueError for other data), and return it.

        Where it cannot be written, one sentence on stderr says so, once; the event is kept for this session and
        written with a later one if that becomes possible.
        """
        event = Event(datetime.now(UTC), kind, str(key), content_hash, json.loads(_json(data)))
        self._pending.append(event)
        waiting = list(self._pending)
        try:
            self._run(lambda db: _insert(db, waiting))
        except (OSError, sqlite3.Error) as error:
            self._say(
                f"Progress is not recorded in this session, because {self.path} cannot be written ({_why(error)}): "
                "free it, or name another folder in COURSE_DATA_DIR."
            )
        else:
            del self._pending[: len(waiting)]
        return event

    @property
    def recording(self) -> bool:
        """Whether everything recorded so far is in the file."""
        return not self._pending

    def add(self, events: Iterable[Event]) -> int:
        """Merge `events` in one transaction, all or none, and return how many were new.

        Raises CourseError with one sentence if the file cannot be written.
        """
        new = list(events)
        try:
            return self._run(lambda db: _insert(db, new))
        except (OSError, sqlite3.Error) as error:
            raise CourseError(
                f"{self.path} cannot be written ({_why(error)}): free it, or name another folder in COURSE_DATA_DIR."
            ) from error

    def events(self, kind: str | None = None, key: str | None = None) -> list[Event]:
        """Return the events in the order of their time, all or those of a kind, of a key, or of both."""
        found = [*self._stored(kind, key), *self._pending]
        wanted = [event for event in found if kind in (None, event.kind) and key in (None, event.key)]
        return sorted({event.id: event for event in wanted}.values(), key=lambda event: event.time)

    def _stored(self, kind: str | None, key: str | None) -> list[Event]:
        if not os.path.exists(self.path):  # looking makes no file
            return []
        try:
            return self._run(lambda db: _select(db, kind, key))
        except (OSError, sqlite3.Error) as error:
            for how in ("mode=ro", "immutable=1"):  # the second reads a file in a folder that may not be written
                address = f"{self.path.as_uri()}?{how}"
                with suppress(OSError, sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as db:
                    return _select(db, kind, key)
            self._say(f"Your progress cannot be read ({_why(error)}: {self.path}); this session begins without it.")
            return []

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` on a fresh connection; a file that cannot be used is set aside and the work done on a new one."""
        try:
            with closing(self._connect()) as db:
                return work(db)
        except (_Unusable, sqlite3.DatabaseError) as error:
            problem = _unusable(error)
            if problem is None:
                raise
            self._set_aside(problem)
        with closing(self._connect()) as db:
            return work(db)

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            if not _belongs(db):
                with _transaction(db):
                    if not _belongs(db):  # nobody else made it meanwhile
                        _create(db)
            if not self._checked:
                if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    raise _Unusable("damaged")
                db.execute(f"SELECT {_COLUMNS} FROM events LIMIT 0")
                # Readers and a writer then do not wait for each other. Some network folders refuse it: the ordinary
                # journal is as safe.
                with suppress(sqlite3.OperationalError):
                    db.execute("PRAGMA journal_mode = WAL")
                self._checked = True
            return db
        except BaseException:
            db.close()
            raise

    def _set_aside(self, problem: str) -> None:
        with _alone(self.path):
            self._checked = False
            try:
                self._connect().close()  # another notebook may have done it while this one waited
                return
            except (_Unusable, sqlite3.DatabaseError) as error:
                problem = _unusable(error) or problem
            aside = _free_name(self.path, problem)
            # The journal goes first: left behind alone, it would be replayed into the fresh file.
            for ending in ("-wal", "-shm", "-journal", ""):
                with suppress(FileNotFoundError):
                    os.rename(f"{self.path}{ending}", f"{aside}{ending}")
        if problem == "newer":
            why, then = "was written by a newer version of the course", "update the course to read it"
        else:
            why, then = "is damaged", "if you exported your progress, bring it back with course progress import"
        self._say(f"Your progress file {why} and is set aside as {aside}: a fresh one is begun; {then}.")

    def _say(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
            print(sentence, file=sys.stderr, flush=True)


def data_folder() -> Path:
    """Return the reader's data folder for this course; COURSE_DATA_DIR overrides it."""
    if chosen := os.environ.get("COURSE_DATA_DIR"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("course", appauthor=False))


def _json(data: dict[str, Any]) -> str:
    try:
        return json.dumps(data, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"An event's data must be plain JSON with finite numbers: {error}.") from None


def _belongs(db: sqlite3.Connection) -> bool:
    """Tell whether the file has our schema; raise _Unusable for a newer or a foreign one; False for an empty one."""
    version, application = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    if application not in (0, APPLICATION_ID):
        raise _Unusable("damaged")
    if version > SCHEMA_VERSION:
        raise _Unusable("newer")
    return (version, application) == (SCHEMA_VERSION, APPLICATION_ID)


def _create(db: sqlite3.Connection) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise _Unusable("damaged")
    db.execute(_TABLE)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _unusable(error: Exception) -> str | None:
    """Return "damaged" or "newer" for a file that no waiting and no permission would repair, else None."""
    if isinstance(error, _Unusable):
        return str(error)
    # A missing table or column is SQLITE_ERROR: somebody edited the file.
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    return "damaged" if getattr(error, "sqlite_errorcode", -1) & 0xFF in damage else None


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _insert(db: sqlite3.Connection, events: list[Event]) -> int:
    """Insert those not yet there and return their number."""
    with _transaction(db):
        before = db.total_changes
        places = ", ".join("?" * len(_COLUMNS.split(", ")))
        rows = [event.row() for event in events]
        db.executemany(f"INSERT OR IGNORE INTO events ({_COLUMNS}) VALUES ({places})", rows)
        return db.total_changes - before


def _select(db: sqlite3.Connection, kind: str | None, key: str | None) -> list[Event]:
    db.text_factory = lambda text: text.decode(errors="replace")  # bytes that are no text must not hide all rows
    where = "(?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR key = ?2)"
    rows = db.execute(f"SELECT {_COLUMNS} FROM events WHERE {where} ORDER BY time, number", (kind, key)).fetchall()
    return [event for row in rows if (event := _event(row)) is not None]


def _event(row: tuple) -> Event | None:
    """Turn a row into an event; a row that somebody edited into nonsense is passed over, and stays in the file."""
    name, when, kind, key, content_hash, data, version = row
    with suppress(TypeError, ValueError, OverflowError, RecursionError):
        time, data = datetime.fromisoformat(when), json.loads(data)
        time = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)  # else it cannot be sorted
        texts = all(isinstance(text, str) for text in (name, kind, key, content_hash))
        if texts and isinstance(data, dict) and isinstance(version, int):
            return Event(time, kind, key, content_hash, data, name, version)
    return None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other notebooks from setting the same file aside at the same time."""
    with open(path.with_name(f".{path.name}.lock"), "w") as lock:
        with suppress(OSError):  # a folder without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _free_name(path: Path, problem: str) -> Path:
    while (aside := path.with_name(f"{path.stem}.{problem}-{datetime.now():%Y-%m-%d-%H%M%S}{path.suffix}")).exists():
        time.sleep(0.1)  # two within a second
    return aside
