"""Judgements out of a store and into it, and the samples that people called wrong, for training.

An import keeps the estimate valid: it takes what a plan of the store would have shown, and nothing may be missing. So
nobody can choose which judgements count.
"""

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection
from typing import Literal

from gan.deployment.feedback.pictures import AuditPlan, Mode, Plan, StratifiedPlan, uniform
from gan.deployment.feedback.places import check_place
from gan.deployment.feedback.rows import (
    LEFT,
    LineError,
    Row,
    check_suffix,
    format_time,
    read_rows,
    read_time,
    write_rows,
)
from gan.deployment.feedback.showing import Counts
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import load_plan
from gan.errors import InputError
from gan.saving import files

SAME_SECONDS = 1e-3
"""Difference of two times of the same judgement: a file has microseconds."""


@dataclass(frozen=True)
class Imported:
    """How many rows of a file were new to a store."""

    new: int
    known: int
    """Rows that the store had already, or had later news of."""


def export_rows(store: FeedbackStore, path: str | os.PathLike[str]) -> int:
    """Writes all that judges were shown and said as .csv or .jsonl, by the suffix; returns the number of rows.

    The rows have the order in which the pictures were shown. `Row` describes the columns. A plan of the mode
    `stratified` is not in them.
    """
    file = Path(path)
    check_suffix(file)
    check_place(file)
    with store.snapshot() as connection, files.atomically(file) as partial:
        return write_rows(partial, _rows(store, connection))


def _rows(store: FeedbackStore, connection: Connection) -> Iterator[Row]:
    for (
        mode,
        kind,
        seed,
        index,
        label,
        truth,
        judge,
        said,
        milliseconds,
        judged,
        shown,
        position,
        first,
    ) in connection.execute(
        "SELECT mode, kind, seed, picture, label, truth, judge, said, milliseconds, judged_at, shown_at, position, "
        "is_first FROM showing ORDER BY id"
    ):
        time = format_time(shown if judged is None else judged)
        yield Row(
            store.generator_sha256, mode, kind, seed, index, label, truth, judge, said, milliseconds, time, position,
            bool(first),
        )  # fmt: skip


def seed_in(path: str | os.PathLike[str]) -> int | None:
    """Returns the seed of the store that a file was exported from. None: the file has no sample of the mode audit."""
    return next((row.seed for _, row in read_rows(Path(path)) if (row.mode, row.kind) == ("audit", "sample")), None)


def import_rows(store: FeedbackStore, path: str | os.PathLike[str], *, num_classes: int) -> Imported:
    """Adds the rows of a file of `export_rows` to a store: all of them, or none.

    * A sample has the seed of its mode in the store and the class that the plan asks; one of `stratified` is in the
      plan of the store.
    * Of `audit` and `stratified`, no picture before the last one may be missing: a file without some rows would choose
      what counts. A picture that nobody has judged is in an export, too.
    * Of what a judge was shown in `audit` or `stratified`, gold included, no position before their last one may be
      missing: a file without the gold that they missed would make them better.
    * A picture counts by its first judge. That is the one in the store, unless only the one in the file has judged it.
    * The same row again changes nothing, nor does one from before the judge has taken it back. A judgement replaces one
      that was missing. Another judgement of the same picture by the same judge is refused.

    What a row says of a real image (`truth`, `label`) is not compared with the image, which no file of judgements has.

    Args:
        store: the store.
        path: .csv or .jsonl.
        num_classes: that of the generator.

    Raises `InputError`, with the number of the line, for a file that does not fit.
    """
    with store.transaction() as connection:
        importing = _Import(store, connection, Path(path), num_classes)
        for line, row in read_rows(Path(path)):
            importing.add(line, row)
        importing.finish()
        return Imported(importing.new, importing.known)


@dataclass
class _Import:
    """An import within a transaction of the store."""

    store: FeedbackStore
    connection: Connection
    path: Path
    num_classes: int
    new: int = 0
    known: int = 0
    _turns: dict[tuple[str, str], int] = field(default_factory=dict)
    _places: dict[Mode, int] = field(default_factory=dict)
    _early: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    """Positions of the file by judge and mode that came before an earlier position."""

    def __post_init__(self) -> None:
        plan = load_plan(self.store, self.num_classes)
        audit, report = (AuditPlan(self.store.seed_of(mode), self.num_classes) for mode in ("audit", "report"))
        self._plans: dict[str, Plan | None] = {"audit": audit, "stratified": plan, "report": report}
        self._place_of: dict[int, int] = {} if plan is None else plan.places

    def add(self, line: int, row: Row) -> None:
        """Adds a row. Raises `LineError` if it does not fit the store."""
        is_flagged = self._check(line, row)
        if row.mode != "report":
            self._add_position((row.judge, row.mode), row.position)
        name = (row.mode, row.kind, row.seed, row.index)
        same = self.connection.execute(
            "SELECT id, shown_at, said, milliseconds, judged_at, label, truth FROM showing "
            "WHERE mode = ? AND kind = ? AND seed = ? AND picture = ? AND judge = ?",
            (*name, row.judge),
        ).fetchone()
        if same is None:
            self.new += 1
            self._insert(row, name, is_flagged)
            return
        number, shown_at, said, milliseconds, judged, *asked = same
        if asked != [row.label, row.truth]:
            expected = f"label {asked[0]} and truth {asked[1]}, as this judge was asked in {self.store.path}"
            raise LineError(self.path, line, expected=expected, received=f"label {row.label} and truth {row.truth}")
        is_old = read_time(row.time) < shown_at  # an undo shows the picture again
        if not is_old and (
            (said is None and row.verdict is not None) or (said == LEFT and row.milliseconds is not None)
        ):
            self.new += 1
            self._update(row, number)
            return
        self.known += 1
        is_same = row.milliseconds is None or (
            (said, milliseconds) == (row.verdict, row.milliseconds) and abs(read_time(row.time) - judged) < SAME_SECONDS
        )
        if not is_old and not is_same:
            expected = (
                f"{said} after {milliseconds} ms at {format_time(judged)}, which this judge has said in "
                f"{self.store.path}"
            )
            received = f"{row.verdict} after {row.milliseconds} ms at {row.time}"
            raise LineError(self.path, line, expected=expected, received=received)

    def _add_position(self, turn: tuple[str, str], position: int) -> None:
        following, early = self._turns.get(turn, 0), self._early.setdefault(turn, set())
        if position > following:
            early.add(position)
        elif position == following:
            following += 1
            while following in early:
                early.remove(following)
                following += 1
        self._turns[turn] = following

    def _check(self, line: int, row: Row) -> bool:
        """Returns whether the sample is flagged. Raises `LineError` unless the store would have shown this picture."""

        def check(holds: bool, expected: str, received: object) -> None:
            if not holds:
                raise LineError(self.path, line, expected=expected, received=received)

        store = self.store
        check(
            row.generator_sha256 == store.generator_sha256,
            f"generator_sha256: {store.generator_sha256}",
            row.generator_sha256,
        )
        source: Mode | Literal["gold"] = "gold" if row.kind == "gold" else row.mode
        seed = store.seed_of(source)
        check(row.seed == seed, f"seed: {seed}, that of {source} in {store.path} with --seed {store.seed}", row.seed)
        if row.kind == "gold":
            check(row.label is not None and row.label < self.num_classes, f"label: below {self.num_classes}", row.label)
            return False
        plan = self._plans[row.mode]
        expected = f"a plan of the mode stratified in {store.path}, which a start with --mode stratified makes"
        check(plan is not None, expected, row.mode)
        assert plan is not None
        place = row.index
        if isinstance(plan, StratifiedPlan):
            check(row.index in self._place_of, "index: one of the plan of the mode stratified", row.index)
            place = self._place_of[row.index]
        picture = plan.picture(place)
        check(row.label == picture.label, f"label: {picture.label}, as the plan asks for index {row.index}", row.label)
        self._places[row.mode] = max(self._places.get(row.mode, 0), place + 1)
        return picture.is_flagged

    def _insert(self, row: Row, name: tuple[object, ...], is_flagged: bool) -> None:
        is_first, wants_second = row.first, False
        if row.kind == "sample":
            first = self.connection.execute(
                "SELECT id, said FROM showing "
                "WHERE mode = ? AND kind = ? AND seed = ? AND picture = ? AND is_first = 1",
                name,
            ).fetchone()
            if is_first and first is not None:
                is_first = row.mode != "report" and first[1] is None and row.verdict is not None
                if is_first:
                    self._leave(first[0])
            if not is_first and row.verdict != LEFT and first is not None:
                self.connection.execute("UPDATE showing SET wants_second = 0 WHERE id = ?", (first[0],))
            wants_second = is_first and row.mode != "report" and self._wants_second(row, name)
        judged = None if row.milliseconds is None else read_time(row.time)
        shown = read_time(row.time) if judged is None else judged - (row.milliseconds or 0) / 1_000
        self.connection.execute(
            "INSERT INTO showing (token, mode, kind, seed, picture, label, truth, is_flagged, is_first, wants_second, "
            "judge, position, shown_at, said, milliseconds, judged_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (secrets.token_urlsafe(12), *name, row.label, row.truth, is_flagged, is_first, wants_second,
             row.judge, row.position, shown, row.verdict, row.milliseconds, judged),
        )  # fmt: skip

    def _wants_second(self, row: Row, name: tuple[object, ...]) -> bool:
        place = self._place_of[row.index] if row.mode == "stratified" else row.index
        if uniform(self.store.seed, "overlap", row.mode, place) >= self.store.overlap:
            return False
        others = self.connection.execute(
            "SELECT 1 FROM showing WHERE mode = ? AND kind = ? AND seed = ? AND picture = ? AND said != 'left'", name
        ).fetchone()
        return others is None

    def _update(self, row: Row, number: int) -> None:
        if row.verdict == LEFT:
            self._leave(number)
            return
        self.connection.execute(
            "UPDATE showing SET said = ?, milliseconds = ?, judged_at = ? WHERE id = ?",
            (row.verdict, row.milliseconds, read_time(row.time), number),
        )

    def _leave(self, number: int) -> None:
        self.connection.execute(
            "UPDATE showing SET said = 'left', is_first = 0, wants_second = 0 WHERE id = ?", (number,)
        )

    def finish(self) -> None:
        """Sets the counters. Raises `InputError` if a picture or a position before the last one is missing."""
        for (judge, mode), following in self._turns.items():
            self._raise_counter("turn", "(judge, mode)", (judge, mode), following)
        for mode, following in self._places.items():
            if mode == "report":
                continue
            self._raise_counter("place", "(mode)", (mode,), following)
            (expected,) = self.connection.execute("SELECT next FROM place WHERE mode = ?", (mode,)).fetchone()
            counts: Counts = self.store.counts(mode)
            if counts.n != expected:
                raise InputError(
                    f"Pictures are missing in {self.path}",
                    expected=f"all {expected} pictures of the mode {mode} up to the last one",
                    received=f"{counts.n} pictures that count; the first missing index is {self._missing(mode)}",
                )
        for (judge, mode), early in self._early.items():
            if early:
                following = self._turns[judge, mode]
                raise InputError(
                    f"Rows are missing in {self.path}",
                    expected=f"all positions of the judge {judge} in the mode {mode} up to the last one",
                    received=f"position {min(early)}, but not position {following}",
                )

    def _raise_counter(self, table: str, key: str, values: tuple[str, ...], following: int) -> None:
        marks = ", ".join("?" * len(values))
        self.connection.execute(
            f"INSERT INTO {table} VALUES ({marks}, ?) ON CONFLICT DO UPDATE SET next = max(next, excluded.next)",
            (*values, following),
        )

    def _missing(self, mode: Mode) -> int:
        known = {
            index
            for (index,) in self.connection.execute(
                "SELECT picture FROM showing WHERE mode = ? AND kind = 'sample' AND is_first = 1", (mode,)
            )
        }
        plan = self._plans[mode]
        assert plan is not None
        place = 0
        while plan.picture(place).index in known:
            place += 1
        return plan.picture(place).index


def write_rejected(store: FeedbackStore, path: str | os.PathLike[str]) -> int:
    """Writes the samples that people called wrong, for training; returns their number.

    A sample is one of them if more judges called it wrong than right, in any mode; a flag of the mode `report` calls it
    wrong. Each line of the file is a JSON object with `generator_sha256`, `seed`, `index` and `label`, by seed and
    index.
    """
    file = Path(path)
    if file.suffix != ".jsonl":
        raise InputError("Unknown format", expected="a file named .jsonl", received=str(file))
    check_place(file)
    number = 0
    with store.snapshot() as connection, files.atomically(file) as partial:
        found = connection.execute(
            "SELECT seed, picture, label FROM showing WHERE kind = 'sample' AND said IN ('right', 'wrong') "
            "GROUP BY seed, picture HAVING sum(said = 'wrong') > sum(said = 'right') ORDER BY seed, picture"
        )
        with partial.open("w", encoding="utf-8") as lines:
            for seed, index, label in found:
                number += 1
                named = {"generator_sha256": store.generator_sha256, "seed": seed, "index": index, "label": label}
                lines.write(json.dumps(named) + "\n")
    return number
