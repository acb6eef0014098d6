"""Judgements in one SQLite file: what was shown to whom, and what they said.

A picture counts once, by the first judge that it was shown to. What was shown but not judged counts too, as not known:
otherwise a judge who leaves hard pictures would change the estimate.
"""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gan.deployment.feedback.pictures import GoldPlan, Kind, Picture, Plan, Truth, uniform
from gan.errors import InputError, check_share, check_whole

Mode = Literal["audit", "stratified", "report"]
"""`audit`: random pictures, for the estimate. `stratified`: those of `StratifiedPlan`. `report`: free browsing."""

Said = Literal["right", "wrong", "unsure"]

PROGRAM, FORMAT = "gan feedback", "1"

WAIT_SECONDS = 5.0
"""Time to wait for another program that writes to the file."""

ABANDONED_SECONDS = 600.0
"""Time after which a picture that was shown but not judged is shown to another judge."""

SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE turn (judge TEXT, mode TEXT, next INTEGER NOT NULL, PRIMARY KEY (judge, mode)) WITHOUT ROWID;
CREATE TABLE place (mode TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE showing (
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    seed INTEGER NOT NULL,
    picture INTEGER NOT NULL,
    label INTEGER,
    truth TEXT,
    is_flagged INTEGER NOT NULL,
    is_first INTEGER NOT NULL,
    wants_second INTEGER NOT NULL,
    judge TEXT NOT NULL,
    position INTEGER NOT NULL,
    shown_at REAL NOT NULL,
    said TEXT CHECK (said IN ('right', 'wrong', 'unsure')),
    milliseconds INTEGER,
    judged_at REAL
);
CREATE INDEX showing_picture ON showing (mode, kind, seed, picture);
CREATE INDEX showing_judge ON showing (judge, mode, id);
CREATE INDEX showing_pending ON showing (mode, shown_at) WHERE said IS NULL;
CREATE INDEX showing_second ON showing (mode, id) WHERE wants_second = 1;
CREATE TABLE tally (
    mode TEXT, kind TEXT, is_first INTEGER, is_flagged INTEGER, judge TEXT, truth TEXT, said TEXT, n INTEGER NOT NULL,
    PRIMARY KEY (mode, kind, is_first, is_flagged, judge, truth, said)
) WITHOUT ROWID;
CREATE TRIGGER shown AFTER INSERT ON showing BEGIN
    INSERT INTO tally VALUES (new.mode, new.kind, new.is_first, new.is_flagged, new.judge, coalesce(new.truth, ''),
        coalesce(new.said, ''), 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER changed AFTER UPDATE OF said, judge ON showing BEGIN
    UPDATE tally SET n = n - 1 WHERE mode = old.mode AND kind = old.kind AND is_first = old.is_first AND
        is_flagged = old.is_flagged AND judge = old.judge AND truth = coalesce(old.truth, '') AND
        said = coalesce(old.said, '');
    INSERT INTO tally VALUES (new.mode, new.kind, new.is_first, new.is_flagged, new.judge, coalesce(new.truth, ''),
        coalesce(new.said, ''), 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
"""
"""`tally` counts `showing`, so that a million judgements need no search. A missing value is '' in it."""

UNSEEN = """NOT EXISTS (SELECT 1 FROM showing AS mine WHERE mine.judge = ? AND mine.mode = showing.mode
    AND mine.kind = showing.kind AND mine.seed = showing.seed AND mine.picture = showing.picture)"""
"""Condition on a showing: the judge was not shown its picture."""


class NotShownError(InputError):
    """A judgement of a picture that the judge was not shown, or that another judge has got since."""


class JudgedAlreadyError(InputError):
    """A judgement of a picture of which the judge has said something else."""


@dataclass(frozen=True)
class Shown:
    """A picture that a judge was shown and has not judged yet."""

    token: str
    """Random name of the showing, the only one that the judge's page knows."""
    mode: Mode
    picture: Picture
    position: int
    """Number of this picture among those of the judge in this mode, from 0."""


@dataclass(frozen=True)
class Counts:
    """Counts of pictures by what was said. `waiting` ones were shown, but are not judged."""

    right: int = 0
    wrong: int = 0
    unsure: int = 0
    waiting: int = 0

    @property
    def judged(self) -> int:
        """Number of judged pictures."""
        return self.right + self.wrong + self.unsure

    @property
    def n(self) -> int:
        """Number of pictures that were shown."""
        return self.judged + self.waiting

    @property
    def most_wrong(self) -> int:
        """Number of pictures that may be wrong: all but those that were called right."""
        return self.n - self.right


class FeedbackStore:
    """The file of judgements of one generator. Threads may share it, and other programs may read it meanwhile.

    Args:
        path: the file. It is created if it does not exist.
        generator_sha256: SHA-256 of the generator's file.
        seed: seed of the pictures. None: that of the file, or a random one for a new file.
        overlap: share of the pictures that a second judge is shown too, for the agreement; that of a file stays.

    Raises `InputError` for a file of another generator, another seed or another program, a file that is damaged,
    read-only or locked, and a folder that does not exist.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        generator_sha256: str,
        *,
        seed: int | None = None,
        overlap: float = 0.1,
    ) -> None:
        check_share("overlap", overlap)
        self.path = Path(path)
        self._lock = threading.RLock()
        if not self.path.parent.is_dir():
            raise InputError("No such folder", expected="an existing folder", received=str(self.path.parent))
        with self._explained():
            self._db = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._open(generator_sha256, seed, overlap)
            except BaseException:
                self._db.close()
                raise

    def _open(self, generator_sha256: str, seed: int | None, overlap: float) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self._writing():
            if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in _statements(SCHEMA):
                    self._db.execute(statement)
                about = {
                    "program": PROGRAM,
                    "format": FORMAT,
                    "generator_sha256": generator_sha256,
                    "seed": str(secrets.randbelow(2**32) if seed is None else seed),
                    "overlap": repr(overlap),
                }
                self._db.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        try:
            about = dict(self._db.execute("SELECT name, value FROM about").fetchall())
        except sqlite3.OperationalError:  # no such table
            about = {}
        if about.get("program") != PROGRAM:
            raise InputError("A file of another program", expected="a file of gan feedback", received=str(self.path))
        if about["format"] != FORMAT:
            raise InputError("A file of another version", expected=f"format {FORMAT}", received=about["format"])
        if about["generator_sha256"] != generator_sha256:
            raise InputError(
                "Judgements of another generator",
                expected=f"SHA-256 {generator_sha256}",
                received=f"{about['generator_sha256']} in {self.path}",
            )
        self.generator_sha256, self.seed = about["generator_sha256"], int(about["seed"])
        self._overlap = float(about["overlap"])
        if seed not in (None, self.seed):
            raise InputError("Another seed", expected=f"seed={self.seed} of {self.path}", received=f"seed={seed}")

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> "FeedbackStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next_picture(self, judge: str, mode: Mode, plan: Plan, gold: GoldPlan | None = None) -> Shown | None:
        """Returns what a judge is to be shown next, and records that it was shown. None: the plan is finished.

        In this order: what the judge was shown and has not judged; gold, if it is due; what another judge was shown
        more than `ABANDONED_SECONDS` ago; what a second judge is to be shown; the next picture of the plan.
        """
        with self._writing():
            waiting = self._one("judge = ? AND mode = ? AND said IS NULL ORDER BY id", judge, mode)
            if waiting is not None:
                return waiting[1]
            turn = self._count_up("turn", "judge = ? AND mode = ?", judge, mode)
            if gold is not None and gold.is_due(judge, turn):
                return self._show(judge, mode, turn, gold.picture(judge, turn))
            left = self._one(
                f"mode = ? AND said IS NULL AND shown_at < ? AND kind = 'sample' AND judge != ? AND {UNSEEN}",
                mode, time.time() - ABANDONED_SECONDS, judge, judge,
            )  # fmt: skip
            if left is not None:
                token = secrets.token_urlsafe(12)
                self._db.execute(
                    "UPDATE showing SET judge = ?, token = ?, position = ?, shown_at = ? WHERE id = ?",
                    (judge, token, turn, time.time(), left[0]),
                )
                return Shown(token, mode, left[1].picture, turn)
            second = self._one(f"mode = ? AND wants_second = 1 AND judge != ? AND {UNSEEN}", mode, judge, judge)
            if second is not None:
                self._db.execute("UPDATE showing SET wants_second = 0 WHERE id = ?", (second[0],))
                return self._show(judge, mode, turn, second[1].picture, is_first=False)
            place = self._count_up("place", "mode = ?", mode)
            if plan.size is not None and place >= plan.size:
                return None
            overlaps = uniform(self.seed, "overlap", mode, place) < self._overlap
            return self._show(judge, mode, turn, plan.picture(place), wants_second=overlaps)

    def judge(self, token: str, judge: str, said: Said, milliseconds: int) -> Shown:
        """Records a judgement, and returns what was judged. The same judgement again changes nothing.

        Raises `NotShownError` if this judge was not shown the picture, and `JudgedAlreadyError` if they have said
        something else about it.
        """
        check_whole("milliseconds", milliseconds, 0)
        with self._writing():
            found = self._one("token = ? AND judge = ?", token, judge)
            if found is None:
                raise NotShownError(
                    "A picture that was not shown", expected="a picture that this judge was shown", received=token[:40]
                )
            number, shown, before = found
            if before not in (None, said):
                raise JudgedAlreadyError(
                    "Judged already", expected=f"undo before another judgement than {before}", received=said
                )
            if before is None:
                self._db.execute(
                    "UPDATE showing SET said = ?, milliseconds = ?, judged_at = ? WHERE id = ?",
                    (said, milliseconds, time.time(), number),
                )
            return shown

    def undo(self, judge: str, mode: Mode, token: str | None = None) -> Shown | None:
        """Takes back the last judgement of a judge, or that of a token, and returns the picture, which waits again.

        None: there is none. The same token again changes nothing.
        """
        with self._writing():
            if token is None:
                condition = "judge = ? AND mode = ? AND said IS NOT NULL ORDER BY judged_at DESC, id DESC"
                last = self._one(condition, judge, mode)
            else:
                last = self._one("judge = ? AND mode = ? AND token = ?", judge, mode, token)
            if last is None:
                return None
            change = "UPDATE showing SET said = NULL, milliseconds = NULL, judged_at = NULL WHERE id = ?"
            self._db.execute(change, (last[0],))
            return last[1]

    def browse(self, judge: str, plan: Plan, start: int, num: int) -> list[tuple[Shown, Said | None]]:
        """Records in the mode `report` that a judge was shown pictures start, ..., start + num - 1 of a plan.

        A picture that the judge was shown before is not recorded again. Returns each picture, and what they said of it.
        """
        same = "mode = 'report' AND kind = ? AND seed = ? AND picture = ?"
        found = list[tuple[Shown, Said | None]]()
        with self._writing():
            for place in range(start, start + num):
                picture = plan.picture(place)
                name = (picture.kind, picture.seed, picture.index)
                mine = self._one(f"{same} AND judge = ?", *name, judge)
                if mine is None:
                    is_first = self._one(same, *name) is None
                    found.append((self._show(judge, "report", place, picture, is_first=is_first), None))
                else:
                    found.append(mine[1:])
        return found

    def counts(self, mode: Mode, *, kind: Kind = "sample", judge: str | None = None, truth: Truth | None = None,
               is_flagged: bool | None = None, first: bool = True) -> Counts:  # fmt: skip
        """Returns the counts of a mode.

        Args:
            mode: the mode.
            kind: samples or gold.
            judge: only this judge's; None: all.
            truth: only gold of this truth; None: all.
            is_flagged: only flagged or only other samples; None: both.
            first: whether each picture counts once, by its first judge. False: all showings.
        """
        asked = {"mode": mode, "kind": kind, "judge": judge, "truth": truth, "is_flagged": is_flagged}
        asked["is_first"] = True if first else None
        wanted = {name: value for name, value in asked.items() if value is not None}
        condition = " AND ".join(f"{name} = ?" for name in wanted)
        with self._reading():
            rows = self._db.execute(
                f"SELECT said, sum(n) FROM tally WHERE {condition} GROUP BY said", tuple(wanted.values())
            ).fetchall()
        found = {said or "waiting": int(number) for said, number in rows}
        return Counts(**found)

    def _show(self, judge: str, mode: Mode, turn: int, picture: Picture, *, is_first: bool = True,
              wants_second: bool = False) -> Shown:  # fmt: skip
        shown = Shown(secrets.token_urlsafe(12), mode, picture, turn)
        self._db.execute(
            "INSERT INTO showing (token, mode, kind, seed, picture, label, truth, is_flagged, is_first, wants_second, "
            "judge, position, shown_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (shown.token, mode, picture.kind, picture.seed, picture.index, picture.label, picture.truth,
             picture.is_flagged, is_first, wants_second, judge, turn, time.time()),
        )  # fmt: skip
        return shown

    def _one(self, condition: str, *values: object) -> tuple[int, Shown, Said | None] | None:
        """Returns the first showing of a condition: its number, the picture, and what was said."""
        row = self._db.execute(
            "SELECT id, token, mode, kind, seed, picture, label, truth, is_flagged, position, said FROM showing "
            f"WHERE {condition} LIMIT 1",
            values,
        ).fetchone()
        if row is None:
            return None
        number, token, mode, kind, seed, index, label, truth, is_flagged, position, said = row
        return number, Shown(token, mode, Picture(kind, seed, index, label, truth, bool(is_flagged)), position), said

    def _count_up(self, table: str, condition: str, *key: str) -> int:
        """Returns the next number of a counter, from 0, and increases it."""
        marks = ", ".join("?" * len(key))
        self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks}, 0)", key)
        (number,) = self._db.execute(f"SELECT next FROM {table} WHERE {condition}", key).fetchone()
        self._db.execute(f"UPDATE {table} SET next = next + 1 WHERE {condition}", key)
        return int(number)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction: all of it is on disk when it ends, or nothing of it is."""
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, self._explained():
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns errors of SQLite into `InputError`."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise InputError(
                "The file of judgements cannot be used",
                expected="a writable file of gan feedback that no other program has locked",
                received=f"{self.path}: {error}",
            ) from error


def _statements(script: str) -> Iterator[str]:
    """Yields the statements of a script; `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
