"""What people judged of a generator: the file of their judgements, and a bound for each way to judge."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gan.deployment.feedback.database import Database
from gan.deployment.feedback.pictures import Mode
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.summary import FeedbackSummary, summarize
from gan.deployment.names import export_name
from gan.deployment.tiers.evidence import RateBound, Source
from gan.saving import models, run_folder
from gan.saving.saved_generator import SavedGenerator

SOURCES: dict[Mode, Source] = {"audit": "people", "stratified": "people_planned"}
"""Mode whose bounds count -> the source of its bound. The mode `report` has no bound."""


@dataclass(frozen=True)
class Judged:
    """What people judged of a generator."""

    store: Path
    """The file of judgements; without one, the file that `gan feedback` may write."""
    bounds: tuple[RateBound, ...]
    """One for each mode in which a picture was judged."""
    notes: tuple[str, ...]
    """Files that do not count, and what would make the bounds more certain."""


def find_judged(saved: SavedGenerator, given: str, store: Path | None, tolerance: float) -> Judged:
    """Returns what people judged of a generator.

    **Each mode in which a picture was judged counts**: random pictures (mode `audit`), and those of a plan (mode
    `stratified`), also if the plan is not finished. So nobody can see the result of one mode and then choose the other.
    If real images were judged too, the bounds are those that are corrected for mistakes of the judges.

    Args:
        saved: the generator.
        given: its name as the user wrote it.
        store: the file of judgements. None: feedback.sqlite beside the generator, else NAME.sqlite in the working
            directory, which the commands of a tier write. One of another generator does not count.
        tolerance: highest acceptable error rate.

    Raises `InputError` as `FeedbackStore` does, but not for a file of another generator that was found and not given.
    """
    if store is not None:
        return _read(saved, store, tolerance, ())
    written = _written(saved, given)
    of_this = written.with_stem(f"{written.stem}-{saved.summary.sha256[:8]}")  # if the other name is taken
    places = dict.fromkeys((saved.folder / run_folder.JUDGEMENTS, _named(saved), of_this))
    found: list[Path] = []
    notes: list[str] = []
    for path in places:
        if not path.exists() or any(path.samefile(other) for other in found):
            continue
        if _is_of(saved, path):
            found.append(path)
        else:
            notes.append(f"{path} has judgements of another generator, which do not count")
    if not found:
        return Judged(of_this if written.exists() else written, (), tuple(notes))
    notes += (f"{path} has judgements too, which count with --store {path}" for path in found[1:])
    return _read(saved, found[0], tolerance, notes)


def _written(saved: SavedGenerator, given: str) -> Path:
    """Returns the file that `gan feedback` may write: in a run folder, else in the working directory."""
    is_own = models.own_run_folder(given) is not None
    return saved.folder / run_folder.JUDGEMENTS if is_own else _named(saved)


def _named(saved: SavedGenerator) -> Path:
    return Path(f"{export_name(saved)}.sqlite")


def _is_of(saved: SavedGenerator, path: Path) -> bool:
    """Returns whether a file has judgements of this generator. Raises `InputError` if it cannot be read."""
    with closing(Database(path)) as database:
        return database.about["generator_sha256"] == saved.summary.sha256


def _read(saved: SavedGenerator, store: Path, tolerance: float, before: Sequence[str]) -> Judged:
    """Reads the judgements of a file. before: notes that come first."""
    bounds, notes = [], list(before)
    with FeedbackStore(store, saved.summary.sha256, create=False) as judgements, judgements.snapshot():
        for mode, source in SOURCES.items():
            if not judgements.counts(mode).judged:
                continue
            found = summarize(judgements, mode, tolerance)
            bounds.append(_bound(found, source))
            notes += _missing(found)
    return Judged(store, tuple(bounds), tuple(notes))


def _bound(found: FeedbackSummary, source: Source) -> RateBound:
    corrected = found.corrected
    return RateBound(
        source=source,
        error_rate=found.rate if corrected is None else corrected.rate,
        lower=found.lower if corrected is None else corrected.lower,
        upper=found.upper if corrected is None else corrected.upper,
        num=found.counts.n,
    )


def _missing(found: FeedbackSummary) -> Iterator[str]:
    """Yields what would make a bound more certain."""
    left = 0 if found.strata is None else found.strata.size - found.counts.judged
    if left:
        yield f"{left:,} pictures of the plan are not judged yet, and count against the generator"
    elif found.more:
        yield f"{found.more:,} more judgements would decide, if the error rate stays as it is"
    if found.corrected is not None and found.corrected.more_gold:
        yield f"{found.corrected.more_gold:,} more real images to judge would make the bounds narrow enough"
