"""Judgements in one SQLite file: what was shown to whom, and what they said.

A picture counts once, by the first judge that it was shown to. What was shown but not judged counts too, as not known:
otherwise a judge who leaves hard pictures would change the estimate.
"""

import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast, get_args

from gan.deployment.feedback.database import Database
from gan.deployment.feedback.pictures import (
    GoldPlan,
    Kind,
    Mode,
    Picture,
    Plan,
    Truth,
    seed_of_mode,
    uniform,
)
from gan.deployment.feedback.schema import ALL_JUDGES
from gan.deployment.feedback.showing import Counts, JudgedAlreadyError, NotShownError, Said, Shown
from gan.errors import InputError, check, check_seed, check_share, check_whole
from gan.saving.files import as_path

MODES: tuple[Mode, ...] = get_args(Mode)

ABANDONED_SECONDS = 600.0
"""Time after which a picture that was shown but not judged is shown to another judge."""

OVERLAP = 0.1
"""Share of the pictures of a new file that a second judge is shown too."""

UNSEEN = """NOT EXISTS (SELECT 1 FROM showing AS mine WHERE mine.mode = showing.mode AND mine.kind = showing.kind
    AND mine.seed = showing.seed AND mine.picture = showing.picture AND mine.judge = ?)"""
"""Condition on a showing: the judge was not shown its picture."""

LEAVE = "UPDATE showing SET said = 'left', is_first = 0, wants_second = 0 WHERE id = ?"
"""Change of a showing whose picture is shown to another judge."""


class FeedbackStore:
    """The file of judgements of one generator.

    Threads may share a store, and processes of one machine a file: each change is a transaction.

    Args:
        path: the file. It is created if it does not exist.
        generator_sha256: SHA-256 of the generator's file.
        seed: seed of the pictures. None: that of the file, or a random one for a new file.
        overlap: share of the pictures that a second judge is shown too, for the agreement. None: that of the file, or
            `OVERLAP` for a new file.
        create: False refuses a file that does not exist.

    Raises `InputError` for a file of another generator, seed or overlap, and a file or folder that does not exist;
    `StoreError` for a file that is of another program, damaged, empty, read-only or locked.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        generator_sha256: str,
        *,
        seed: int | None = None,
        overlap: float | None = None,
        create: bool = True,
    ) -> None:
        if seed is not None:
            check_seed(seed)
        if overlap is not None:
            check_share("overlap", overlap)
        self.path = as_path(path, "store")
        about = None
        if create:
            about = {
                "id": secrets.token_urlsafe(12),
                "generator_sha256": generator_sha256,
                "seed": str(secrets.randbelow(2**32) if seed is None else seed),
                "overlap": repr(float(OVERLAP if overlap is None else overlap)),
            }
        self._database = Database(self.path, about)
        try:
            self._read_about(generator_sha256, seed, overlap)
        except BaseException:
            self._database.close()
            raise

    def _read_about(self, generator_sha256: str, seed: int | None, overlap: float | None) -> None:
        with self._database.reading():
            about = self._database.about
        self.id = about["id"]
        """Random name of this file, which says nothing of its seed."""
        self.generator_sha256, self.seed = about["generator_sha256"], int(about["seed"])
        self.overlap = float(about["overlap"])
        if generator_sha256 != self.generator_sha256:
            raise InputError(
                "Judgements of another generator",
                expected=f"SHA-256 {generator_sha256}, or another file for this generator (--store)",
                received=f"{self.generator_sha256} in {self.path}",
            )
        if seed not in (None, self.seed):
            raise InputError("Another seed", expected=f"seed={self.seed} of {self.path}", received=f"seed={seed}")
        if overlap not in (None, self.overlap):
            expected = f"overlap={self.overlap:g} of {self.path}"
            raise InputError("Another overlap", expected=expected, received=f"overlap={overlap:g}")

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def __enter__(self) -> "FeedbackStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Reads the whole file. Raises `StoreError` if it is damaged. The time grows with the file."""
        self._database.check()

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several reads within the context see the file at one moment."""
        with self._database.reading() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All changes within the context are on disk when it ends, or none is."""
        with self._database.writing() as connection:
            yield connection

    def seed_of(self, mode: Mode | Literal["gold"]) -> int:
        """Returns the seed of the pictures of a mode, or of gold, see `seed_of_mode`."""
        return seed_of_mode(self.seed, mode)

    def next_picture(self, judge: str, mode: Mode, plan: Plan, gold: GoldPlan | None = None) -> Shown | None:
        """Returns what a judge is to be shown next, and records that it was shown. None: there is nothing left.

        In this order: what the judge was shown and has not judged; gold, if it is due; what another judge was shown
        more than `ABANDONED_SECONDS` ago; what a second judge is to be shown, if that is due; the next picture of the
        plan; what a second judge is to be shown; what the judge has left to another one, who has left it too. Only the
        last one is a picture that the judge has seen.

        gold: the real images. None: none is shown, and one that waits goes on waiting, as there is no image to show.
        """
        check_judge(judge)
        with self._database.writing():
            kinds = "" if gold is not None else "AND kind = 'sample' "
            waiting = self._one(f"judge = ? AND mode = ? AND said IS NULL {kinds}ORDER BY id", judge, mode)
            if waiting is not None:
                return waiting[1]
            turn = self._read_counter("turn", "judge = ? AND mode = ?", judge, mode)
            is_open = plan.size is None or self._read_counter("place", "mode = ?", mode) < plan.size
            if is_open and gold is not None and gold.is_due(judge, turn):
                image = self._gold_for(judge, gold)
                if image is not None:
                    return self._show_in_turn(judge, mode, image)
            second_is_due = not is_open or uniform(self.seed, "second", mode, judge, turn) < self.overlap
            return (
                self._take_abandoned(judge, mode)
                or (self._show_second(judge, mode) if second_is_due else None)
                or (self._show_place(judge, mode, plan) if is_open else self._take_again(judge, mode))
            )

    def browse(self, judge: str, plan: Plan, start: int, num: int) -> list[tuple[Shown, Said | None]]:
        """Records in the mode `report` that a judge was shown pictures start, ..., start + num - 1 of a plan.

        A picture that the judge was shown before is not recorded again. Returns each picture, and what they said of it.
        Nothing has to be said: the judgement `wrong` flags a picture, and `undo` takes that back.
        """
        check_judge(judge)
        same = "mode = 'report' AND kind = ? AND seed = ? AND picture = ?"
        found = list[tuple[Shown, Said | None]]()
        with self._database.writing():
            for place in range(start, start + num):
                picture = plan.picture(place)
                name = (picture.kind, picture.seed, picture.index)
                mine = self._one(f"{same} AND judge = ?", *name, judge)
                if mine is None:
                    is_first = self._one(same, *name) is None
                    found.append((self._show(judge, "report", place, picture, is_first=is_first), None))
                else:
                    found.append((mine[1], cast(Said | None, mine[2])))
        return found

    def judge(self, token: str, judge: str, said: Said, milliseconds: int, mode: Mode) -> Shown:
        """Records a judgement, and returns what was judged. The same judgement again changes nothing.

        A picture that another judge has got since counts by that judge; this judgement is for the agreement.

        Raises `NotShownError` if this judge was not shown the picture in this mode, and `JudgedAlreadyError` if they
        have said something else about it.
        """
        check(said in get_args(Said), "said", f"one of {list(get_args(Said))}", said)
        check_whole("milliseconds", milliseconds, 0)
        with self._database.writing() as connection:
            found = self._one("token = ? AND judge = ? AND mode = ?", token, judge, mode)
            if found is None:
                raise NotShownError(
                    "A picture that was not shown", expected="a picture that this judge was shown", received=token[:40]
                )
            number, shown, before = found
            if before not in (None, "left", said):
                raise JudgedAlreadyError(
                    "Judged already", expected=f"undo before another judgement than {before}", received=said
                )
            if before != said:
                connection.execute(
                    "UPDATE showing SET said = ?, milliseconds = ?, judged_at = ? WHERE id = ?",
                    (said, milliseconds, time.time(), number),
                )
            if before == "left":
                connection.execute(
                    "UPDATE showing SET wants_second = 0 "
                    "WHERE mode = ? AND kind = 'sample' AND seed = ? AND picture = ? AND is_first = 1",
                    (mode, shown.picture.seed, shown.picture.index),
                )
            return shown

    def undo(self, judge: str, mode: Mode, token: str) -> Shown | None:
        """Takes back the judgement of a judge, and returns the picture, which waits again.

        None: this judge was not shown it in this mode. The same token again changes nothing.
        """
        with self._database.writing() as connection:
            last = self._one("judge = ? AND mode = ? AND token = ?", judge, mode, token)
            if last is None:
                return None
            connection.execute(
                "UPDATE showing SET said = NULL, milliseconds = NULL, judged_at = NULL, shown_at = ? "
                "WHERE id = ? AND judged_at IS NOT NULL",
                (time.time(), last[0]),
            )
            return last[1]

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
        asked = {"mode": mode, "kind": kind, "judge": judge or ALL_JUDGES, "truth": truth, "is_flagged": is_flagged}
        asked["is_first"] = True if first else None
        wanted = {name: value for name, value in asked.items() if value is not None}
        condition = " AND ".join(f"{name} = ?" for name in wanted)
        with self._database.reading() as connection:
            rows = connection.execute(
                f"SELECT said, sum(n) FROM tally WHERE {condition} AND said != 'left' GROUP BY said",
                tuple(wanted.values()),
            ).fetchall()
        return _as_counts(rows)

    def counts_of_class(self, mode: Mode, label: int) -> Counts:
        """Returns the counts of the samples of a mode with which a class was asked, each by its first judge."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT said, n FROM asked WHERE mode = ? AND label = ?", (mode, label))
            return _as_counts(rows.fetchall())

    def _gold_for(self, judge: str, gold: GoldPlan) -> Picture | None:
        """Returns the next real image for a judge, who sees none twice in any mode. None: there is none left."""
        with self._database.reading() as connection:
            marks = ", ".join("?" * len(MODES))
            (number,) = connection.execute(
                f"SELECT coalesce(sum(n), 0) FROM tally WHERE mode IN ({marks}) AND kind = 'gold' AND judge = ?",
                (*MODES, judge),
            ).fetchone()
            while number < gold.size:
                image = gold.picture(judge, number)
                seen = connection.execute(
                    f"SELECT 1 FROM showing WHERE mode IN ({marks}) AND kind = 'gold' AND seed = ? AND picture = ? "
                    "AND judge = ?",
                    (*MODES, image.seed, image.index, judge),
                ).fetchone()
                if seen is None:
                    return image
                number += 1  # imported judgements may have others
        return None

    def _take_abandoned(self, judge: str, mode: Mode) -> Shown | None:
        """Shows a judge what another one was shown and has not judged in time."""
        with self._database.writing() as connection:
            found = self._one(
                "mode = ? AND said IS NULL AND is_first = 1 AND kind = 'sample' AND shown_at < ? "
                f"AND {UNSEEN} ORDER BY shown_at",
                mode, time.time() - ABANDONED_SECONDS, judge,
            )  # fmt: skip
            if found is None:
                return None
            number, shown, _ = found
            (wants_second,) = connection.execute("SELECT wants_second FROM showing WHERE id = ?", (number,)).fetchone()
            connection.execute(LEAVE, (number,))
            return self._show_in_turn(judge, mode, shown.picture, wants_second=bool(wants_second))

    def _take_again(self, judge: str, mode: Mode) -> Shown | None:
        """Shows a judge once more what they and then another judge have left.

        If they have said something of it, as the second judge or too late, that counts now, and nothing is shown.
        """
        with self._database.writing() as connection:
            found = connection.execute(
                "SELECT mine.id, mine.said, showing.id, showing.wants_second FROM showing JOIN showing AS mine "
                "USING (mode, kind, seed, picture) WHERE mode = ? AND kind = 'sample' AND showing.said IS NULL "
                "AND showing.is_first = 1 AND showing.shown_at < ? AND mine.judge = ? AND mine.id != showing.id "
                "ORDER BY showing.shown_at",
                (mode, time.time() - ABANDONED_SECONDS, judge),
            ).fetchall()
            for mine, said, other, wants_second in found:
                connection.execute(LEAVE, (other,))
                connection.execute("UPDATE showing SET is_first = 1 WHERE id = ?", (mine,))
                if said == "left":
                    connection.execute(
                        "UPDATE showing SET said = NULL, wants_second = ?, shown_at = ? WHERE id = ?",
                        (wants_second, time.time(), mine),
                    )
                    again = self._one("id = ?", mine)
                    return None if again is None else again[1]
        return None

    def _show_second(self, judge: str, mode: Mode) -> Shown | None:
        """Shows a judge a picture of another one that a second judge is to see."""
        with self._database.writing() as connection:
            for side in ("<", ">"):  # each is a range of the index, however many pictures of this judge wait
                found = self._one(f"mode = ? AND wants_second = 1 AND judge {side} ? AND {UNSEEN}", mode, judge, judge)
                if found is not None:
                    connection.execute("UPDATE showing SET wants_second = 0 WHERE id = ?", (found[0],))
                    return self._show_in_turn(judge, mode, found[1].picture, is_first=False)
        return None

    def _show_place(self, judge: str, mode: Mode, plan: Plan) -> Shown:
        """Shows a judge the next picture of the plan."""
        place = self._count_up("place", "mode = ?", mode)
        overlaps = uniform(self.seed, "overlap", mode, place) < self.overlap
        return self._show_in_turn(judge, mode, plan.picture(place), wants_second=overlaps)

    def _show(self, judge: str, mode: Mode, position: int, picture: Picture, *, is_first: bool = True,
              wants_second: bool = False) -> Shown:  # fmt: skip
        shown = Shown(secrets.token_urlsafe(12), mode, picture, position)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO showing (token, mode, kind, seed, picture, label, truth, is_flagged, is_first, "
                "wants_second, judge, position, shown_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (shown.token, mode, picture.kind, picture.seed, picture.index, picture.label, picture.truth,
                 picture.is_flagged, is_first, wants_second, judge, position, time.time()),
            )  # fmt: skip
        return shown

    def _show_in_turn(self, judge: str, mode: Mode, picture: Picture, **kinds: bool) -> Shown:
        turn = self._count_up("turn", "judge = ? AND mode = ?", judge, mode)
        return self._show(judge, mode, turn, picture, **kinds)

    def _one(self, condition: str, *values: object) -> tuple[int, Shown, str | None] | None:
        """Returns the first showing of a condition: its number, the picture, and what was said."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT id, token, mode, kind, seed, picture, label, truth, is_flagged, position, said FROM showing "
                f"WHERE {condition} LIMIT 1",
                values,
            ).fetchone()
        if row is None:
            return None
        number, token, mode, kind, seed, index, label, truth, is_flagged, position, said = row
        return number, Shown(token, mode, Picture(kind, seed, index, label, truth, bool(is_flagged)), position), said

    def _read_counter(self, table: str, condition: str, *key: str) -> int:
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT next FROM {table} WHERE {condition}", key).fetchone()
        return int(row[0]) if row else 0

    def _count_up(self, table: str, condition: str, *key: str) -> int:
        """Returns the next number of a counter, from 0, and increases it."""
        marks = ", ".join("?" * len(key))
        number = self._read_counter(table, condition, *key)
        with self._database.writing() as connection:
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks}, ?)", (*key, number + 1))
        return number


def _as_counts(rows: list[tuple[str, int]]) -> Counts:
    return Counts(**{said or "waiting": int(number) for said, number in rows})


def check_judge(judge: str) -> None:
    """Raises `InputError` unless a text may name a judge: 1 to 64 letters of ASCII, digits, `-` and `_`."""
    holds = isinstance(judge, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", judge) is not None
    check(holds, "judge", "1 to 64 letters, digits, - or _", str(judge)[:80])
