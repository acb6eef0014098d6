"""The plan of the mode `stratified` in a file of judgements: recorded once, so that no later start can change it."""

from dataclasses import dataclass

from gan.deployment.feedback.pictures import StratifiedPlan
from gan.deployment.feedback.store import FeedbackStore
from gan.errors import InputError, check


@dataclass(frozen=True)
class Strata:
    """The numbers of the plan of `stratified` that a file holds."""

    num: int
    """Number of samples that the classifier has read."""
    num_flagged: int
    """Number of those that it read as another class than asked."""
    num_unflagged: int
    """Number of the others that are to be judged."""
    classifier_sha256: str

    @property
    def size(self) -> int:
        """Number of samples to judge."""
        return self.num_flagged + self.num_unflagged


def save_plan(store: FeedbackStore, plan: StratifiedPlan, classifier_sha256: str) -> None:
    """Records the plan of `stratified`. The same plan again changes nothing.

    Raises `InputError` for a plan of another seed than `seed_of("stratified")`, or if the file has another plan.
    """
    seed = store.seed_of("stratified")
    check(plan.seed == seed, "plan", f"seed {seed}", plan.seed)
    strata = Strata(plan.num, len(plan.flagged), plan.num_unflagged, classifier_sha256)
    with store.transaction() as connection:
        before = load_strata(store)
        if before is None:
            connection.executemany("INSERT INTO flagged VALUES (?)", ((index,) for index in plan.flagged))
            names = {name: str(getattr(strata, name)) for name in ("num", "num_unflagged", "classifier_sha256")}
            connection.executemany("INSERT INTO about VALUES (?, ?)", names.items())
        elif (before, _flagged(store)) != (strata, plan.flagged):
            raise InputError("Another plan", expected=f"{before} of {store.path}", received=str(strata))


def load_strata(store: FeedbackStore) -> Strata | None:
    """Returns the numbers of the plan of `stratified`. None: the file has none."""
    with store.snapshot() as connection:
        about = dict(connection.execute("SELECT name, value FROM about").fetchall())
        if "num" not in about:
            return None
        (flagged,) = connection.execute("SELECT count(*) FROM flagged").fetchone()
    return Strata(int(about["num"]), flagged, int(about["num_unflagged"]), about["classifier_sha256"])


def load_plan(store: FeedbackStore, num_classes: int) -> StratifiedPlan | None:
    """Returns the plan of `stratified`. None: the file has none. num_classes: that of the generator."""
    with store.snapshot():
        strata = load_strata(store)
        if strata is None:
            return None
        flagged = _flagged(store)
    return StratifiedPlan(store.seed_of("stratified"), num_classes, strata.num, flagged, strata.num_unflagged)


def _flagged(store: FeedbackStore) -> tuple[int, ...]:
    with store.snapshot() as connection:
        return tuple(index for (index,) in connection.execute("SELECT picture FROM flagged ORDER BY picture"))
