"""The tables of a file of judgements, and the triggers that keep its counts."""

from collections.abc import Iterator
from sqlite3 import complete_statement

_TWO_DIGITS = " ".join(
    f"WHEN {{0}} < {10 ** (digits + 2)} THEN {{0}} / {10**digits} * {10**digits}" for digits in range(8)
)
"""Cases of a number that keep its first two digits."""


def _pace(row: str) -> str:
    return f"CASE {_TWO_DIGITS.format(f'{row}.milliseconds')} ELSE 1000000000 END"


def _tallied(row: str, sign: str) -> str:
    """Returns statements that count a row: for its judge, and for all judges, whose name is '*'."""
    values = f"coalesce({row}.truth, ''), coalesce({row}.said, '')"
    return "".join(
        f"""
    INSERT INTO tally VALUES ({row}.mode, {row}.kind, {judge}, {row}.is_first, {row}.is_flagged, {values}, {sign}1)
        ON CONFLICT DO UPDATE SET n = n + excluded.n;"""
        for judge in (f"{row}.judge", "'*'")
    )


def _asked(row: str, sign: str) -> str:
    """Returns a statement that counts a sample by the class that was asked, if it counts by this row."""
    return f"""
    INSERT INTO asked SELECT {row}.mode, {row}.label, coalesce({row}.said, ''), {sign}1
        WHERE {row}.kind = 'sample' AND {row}.is_first = 1 AND {row}.label IS NOT NULL
        ON CONFLICT DO UPDATE SET n = n + excluded.n;"""


def _paced(row: str, sign: str) -> str:
    return f"""
    INSERT INTO pace SELECT {row}.mode, {row}.judge, {_pace(row)}, {sign}1 WHERE {row}.milliseconds IS NOT NULL
        ON CONFLICT DO UPDATE SET n = n + excluded.n;"""


def _paired(row: str, sign: str) -> str:
    """Returns a statement that counts the pairs of a row: its judgement, and the other ones of its picture."""
    return f"""
    INSERT INTO pair
        SELECT {row}.mode, iif({row}.is_first, {row}.said, other.said), iif({row}.is_first, other.said, {row}.said),
            {sign}1
        FROM showing AS other
        WHERE {row}.kind = 'sample' AND {row}.mode != 'report' AND {row}.said IN ('right', 'wrong', 'unsure')
            AND other.mode = {row}.mode
            AND other.kind = 'sample' AND other.seed = {row}.seed AND other.picture = {row}.picture
            AND other.id != {row}.id AND other.said IN ('right', 'wrong', 'unsure')
            AND other.is_first != {row}.is_first
        ON CONFLICT DO UPDATE SET n = n + excluded.n;"""


def _counted(row: str, sign: str) -> str:
    return "".join(count(row, sign) for count in (_tallied, _asked, _paced, _paired))


SCHEMA = f"""
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE turn (judge TEXT, mode TEXT, next INTEGER NOT NULL, PRIMARY KEY (judge, mode)) WITHOUT ROWID;
CREATE TABLE place (mode TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE flagged (picture INTEGER PRIMARY KEY);
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
    said TEXT CHECK (said IN ('right', 'wrong', 'unsure', 'left')),
    milliseconds INTEGER,
    judged_at REAL,
    UNIQUE (mode, kind, seed, picture, judge)
);
CREATE INDEX showing_waiting ON showing (judge, mode, id) WHERE said IS NULL;
CREATE INDEX showing_abandoned ON showing (mode, shown_at) WHERE said IS NULL AND is_first = 1 AND kind = 'sample';
CREATE INDEX showing_second ON showing (mode, judge) WHERE wants_second = 1;
CREATE TABLE tally (
    mode TEXT, kind TEXT, judge TEXT, is_first INTEGER, is_flagged INTEGER, truth TEXT, said TEXT, n INTEGER NOT NULL,
    PRIMARY KEY (mode, kind, judge, is_first, is_flagged, truth, said)
) WITHOUT ROWID;
CREATE TABLE asked (
    mode TEXT, label INTEGER, said TEXT, n INTEGER NOT NULL, PRIMARY KEY (mode, label, said)
) WITHOUT ROWID;
CREATE TABLE pace (
    mode TEXT, judge TEXT, milliseconds INTEGER, n INTEGER NOT NULL, PRIMARY KEY (mode, judge, milliseconds)
) WITHOUT ROWID;
CREATE TABLE pair (
    mode TEXT, first TEXT, second TEXT, n INTEGER NOT NULL, PRIMARY KEY (mode, first, second)
) WITHOUT ROWID;
CREATE TRIGGER shown AFTER INSERT ON showing BEGIN{_counted("new", "+")}
END;
CREATE TRIGGER changed AFTER UPDATE OF said, is_first, milliseconds ON showing BEGIN
    {_counted("old", "-")}{_counted("new", "+")}
END;
"""
"""`tally`, `asked`, `pace` and `pair` count `showing`, so that a million judgements need no search.

`tally` has '' for a missing value and '*' for all judges. `asked` has the samples by the class that was asked, each by
its first judge. `pace` has milliseconds with their first two digits. `pair` has what the first judge of a picture said
and what another one said, except in free browsing. `left`: the picture was given to another judge. A judge sees each
picture once.
"""

ALL_JUDGES = "*"
"""Name of all judges together in `tally`; no judge may have it."""


def statements(script: str) -> Iterator[str]:
    """Yields the statements of a script; `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if complete_statement(statement):
            yield statement
            statement = ""
