"""Files of judgements: simulated judges, and files with as many rows as a test needs."""

from gan.deployment.feedback.pictures import AuditPlan, GoldPlan
from gan.deployment.feedback.store import FeedbackStore

SHA256 = "0123456789abcdef" * 4
SEED = 3
CLASSES = 10
START = 1.7e9
"""Time of the first row of a filled file."""


def open_store(folder, name="feedback.sqlite", **options):
    """Opens or creates a file. It does not wait for the disk."""
    store = FeedbackStore(folder / name, SHA256, **{"seed": SEED, **options})
    store._database._connection.execute("PRAGMA synchronous = OFF")
    return store


def audit_plan(store):
    return AuditPlan(store.seed_of("audit"), CLASSES)


def gold_plan(store, share=0.2, num=200):
    return GoldPlan(store.seed_of("gold"), share, [index % CLASSES for index in range(num)], CLASSES)


def says(picture):
    """What a careful judge says of a simulated sample: every 25th is wrong, every 40th is hard."""
    if picture.kind == "gold":
        return "wrong" if picture.truth == "wrong" and picture.index % 10 else "right"
    if picture.index % 40 == 7:
        return "unsure"
    return "wrong" if picture.index % 25 == 3 else "right"


def judge_some(store, num, judges=("ann", "bob"), *, mode="audit", plan=None, gold=None, said=says):
    """Lets each judge judge `num` pictures in turn."""
    plan = plan or audit_plan(store)
    for number in range(num):
        for judge in judges:
            shown = store.next_picture(judge, mode, plan, gold)
            if shown is not None:
                store.judge(shown.token, judge, said(shown.picture), 700 + 13 * number, mode)


def undo_last(store, judge, mode="audit"):
    """Takes back the last judgement of a judge, as a page does that knows its token. None: there is none."""
    with store.snapshot() as connection:
        last = connection.execute(
            "SELECT token FROM showing WHERE judge = ? AND mode = ? AND judged_at ORDER BY judged_at DESC, id DESC",
            (judge, mode),
        ).fetchone()
    return last and store.undo(judge, mode, last[0])


def judge_in_process(folder, judge, start):
    """Judges 60 samples in a process of its own, as soon as the others have opened the file, too."""
    with open_store(folder, overlap=0.0) as store:
        start.wait()
        judge_some(store, 60, (judge,))


def fill(store, num, judges=10):
    """Writes `num` judgements of the mode audit as one transaction: a tenth of the pictures has a second one."""
    plan = audit_plan(store)
    places, rows = 0, []
    turns = [0] * judges
    for number in range(num):
        judge = number % judges
        is_first = number % 11 != 10
        place = places if is_first else places - 5
        picture = plan.picture(place)
        rows.append(
            (f"token-{number}", "audit", "sample", SEED, place, picture.label, is_first, False, f"judge-{judge}",
             turns[judge], START + number, says(picture), 500 + number % 3_000, START + number + 1)
        )  # fmt: skip
        places += is_first
        turns[judge] += 1
    with store.transaction() as connection:
        connection.executemany(
            "INSERT INTO showing (token, mode, kind, seed, picture, label, is_flagged, is_first, wants_second, judge, "
            "position, shown_at, said, milliseconds, judged_at) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        # pictures of the first judge wait for a second one
        connection.execute(
            "UPDATE showing SET wants_second = 1 WHERE judge = 'judge-0' AND is_first = 1 AND picture % 3 = 0"
        )
        connection.execute("INSERT INTO place VALUES ('audit', ?)", (places,))
        connection.executemany(
            "INSERT INTO turn VALUES (?, 'audit', ?)", [(f"judge-{judge}", turn) for judge, turn in enumerate(turns)]
        )


def recounted(store, **wanted):
    """Counts of what was said, from the rows of the file themselves."""
    condition = " AND ".join(f"{name} = ?" for name in wanted) or "1"
    with store.snapshot() as connection:
        rows = connection.execute(
            f"SELECT coalesce(said, 'waiting'), count(*) FROM showing WHERE {condition} AND said IS NOT 'left' "
            "GROUP BY 1",
            tuple(wanted.values()),
        ).fetchall()
    return dict(rows)
