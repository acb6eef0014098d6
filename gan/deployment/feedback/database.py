"""A file of judgements as a database: opened, checked, and changed in transactions."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gan.deployment.feedback.places import check_no_remains
from gan.deployment.feedback.schema import SCHEMA, statements
from gan.errors import InputError

PROGRAM, FORMAT = "gan feedback", "1"

WAIT_SECONDS = 5.0
"""Time to wait for another program that writes to the file."""

RETRY_SECONDS = 0.05
"""Time between two attempts at what SQLite does not wait for by itself."""

EXPECTED = {
    sqlite3.SQLITE_BUSY: "a file that no other program has locked",
    sqlite3.SQLITE_LOCKED: "a file that no other program has locked",
    sqlite3.SQLITE_NOTADB: "a SQLite file of gan feedback",
    sqlite3.SQLITE_CORRUPT: "a file of gan feedback that is not damaged",
    sqlite3.SQLITE_FULL: "space on the disk",
}
"""Error of SQLite -> what it expects of a file."""

WRITABLE = "a file that can be read and written, in a folder that can be written"


class StoreError(InputError):
    """The file of judgements cannot be used: it is damaged, read-only, locked, or of another program."""


class Database:
    """The SQLite file of a store, in WAL mode: several threads and several processes of one machine may use it.

    Args:
        path: the file.
        about: what a new file says about itself. None: the file must exist.

    Raises `StoreError`, without a change to the file, for one that is damaged, empty, read-only, locked, or not of this
    program and format, and `InputError` for a missing file or folder, and for the remains of a file that is gone.
    """

    def __init__(self, path: Path, about: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not path.parent.is_dir():
            raise InputError("No such folder", expected="an existing folder", received=str(path.parent))
        if about is None and not path.exists():
            raise InputError("No such file of judgements", expected="a file of gan feedback", received=str(path))
        if path.is_dir():
            raise InputError("No such file of judgements", expected="a file", received=f"{path}, which is a folder")
        check_no_remains(path)
        for place, mode in ((path.parent, os.W_OK | os.X_OK), (path, os.W_OK)):
            if place.exists() and not os.access(place, mode):  # SQLite would notice it at the first judgement
                raise self._unusable(WRITABLE, f"{place} is read-only")
        is_new = about is not None and self._create()
        if not is_new:
            self._wait_for_content()
        with self._explained():
            self._connection = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                if is_new and about is not None:
                    self._fill(about)
                self._open()
            except BaseException:
                self._connection.close()
                if is_new and path.stat().st_size == 0:
                    path.unlink(missing_ok=True)
                raise

    def _create(self) -> bool:
        """Creates an empty file, and returns whether there was none. So of several processes, one has created it."""
        try:
            self.path.open("xb").close()
        except FileExistsError:
            return False
        except OSError as error:
            raise self._unusable(WRITABLE, str(error)) from error
        return True

    def _wait_for_content(self) -> None:
        """Waits for another process that creates the file. Raises `StoreError` for a file that stays empty."""
        end = time.monotonic() + WAIT_SECONDS
        while self.path.stat().st_size == 0:
            if time.monotonic() > end:
                expected = "a file of gan feedback; without an empty file at its place, a new one is made"
                raise StoreError("An empty file of judgements", expected=expected, received=str(self.path))
            time.sleep(RETRY_SECONDS)

    def _fill(self, about: Mapping[str, str]) -> None:
        with self.writing():
            for statement in statements(SCHEMA):
                self._connection.execute(statement)
            values = {"program": PROGRAM, "format": FORMAT, **about}
            self._connection.executemany("INSERT INTO about VALUES (?, ?)", values.items())

    def _open(self) -> None:
        self._check_program()
        self._use_wal()
        self._connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power failure

    def _check_program(self) -> None:
        try:
            about = self.about
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise
            about = {}
        if about.get("program") != PROGRAM:
            raise StoreError("A file of another program", expected="a file of gan feedback", received=str(self.path))
        if about.get("format") != FORMAT:
            received = f"format {about.get('format')} in {self.path}"
            raise StoreError("A file of another version", expected=f"format {FORMAT}", received=received)

    def _use_wal(self) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(RETRY_SECONDS)

    @property
    def about(self) -> dict[str, str]:
        """What the file says about itself."""
        return dict(self._connection.execute("SELECT name, value FROM about").fetchall())

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def check(self) -> None:
        """Reads the whole file. Raises `StoreError` if it is damaged. The time grows with the file."""
        with self.reading() as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            received = f"{self.path}: {' '.join(found.split())}"
            raise StoreError("A damaged file of judgements", expected="a file that SQLite can check", received=received)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on disk when it ends, or nothing of it is."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A view of one moment, whatever others write meanwhile."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            if self._connection.in_transaction:  # part of the transaction of the caller
                yield self._connection
                return
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it by itself after some errors
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns errors of SQLite into `StoreError`."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the other bits tell kinds of an error
            raise self._unusable(EXPECTED.get(code, WRITABLE), f"{self.path}: {error}") from error

    def _unusable(self, expected: str, received: str) -> StoreError:
        return StoreError("The file of judgements cannot be used", expected=expected, received=received)
