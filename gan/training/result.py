"""The result of a training run."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gan.saving import log_file, run_folder
from gan.saving.metadata import RunMetadata
from gan.tolerance import Confirmation, Verdict

_PATHS = ("folder", "generator", "samples")


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training run.

    `logs` is the last row of log.csv. `images` is the number of real images that D saw. `signal` is the number of the
    signal that interrupted the run (2: Ctrl-C, 15: SIGTERM; None: not interrupted).

    `stopped_by` is the reason for an early stop: `target` (within the tolerance, which was confirmed), `patience` or
    `collapse`. None: no callback stopped the run. `interval` is the interval whose generator was restored at the end.
    None: the generator is from the last interval. `confirmations` are those of the tolerance, oldest first.

    `is_chief` is True if this process wrote the folder. With several workers only the chief writes it, and the paths
    are the chief's.
    """

    folder: Path
    generator: Path
    samples: Path
    dataset: str
    images: int
    steps: int
    seconds: float
    compile_seconds: float
    interrupted: bool
    logs: dict[str, float]
    signal: int | None = None
    stopped_by: str | None = None
    interval: int | None = None
    confirmations: tuple[Confirmation, ...] = ()
    is_chief: bool = True

    @property
    def confirmed(self) -> Confirmation | None:
        """The last confirmation, if it is of the kept generator. None: that was not confirmed."""
        last = self.confirmations[-1] if self.confirmations else None
        kept = self.logs.get("interval") if self.interval is None else self.interval
        return last if last is not None and last.interval == kept else None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the kept generator. None: it was not confirmed."""
        return None if self.confirmed is None else self.confirmed.verdict

    def __fspath__(self) -> str:
        """Returns the run folder, so that the result can be given in place of its path."""
        return str(self.folder)

    def as_dict(self) -> dict[str, object]:
        """Returns all fields in JSON types."""
        return {**asdict(self), **{name: str(getattr(self, name)) for name in _PATHS}}


def read_result(folder: Path, record: RunMetadata, *, signal: int | None = None) -> TrainingResult:
    """Reads the result of a finished run from its metadata, log and samples."""
    ended = record.result
    assert ended is not None, "the run has not ended"
    log, grids = folder / run_folder.LOG, folder / run_folder.SAMPLES
    kept = grids / f"{log_file.images_at(log, ended.interval):09d}.png"
    return TrainingResult(
        folder=folder,
        generator=folder / run_folder.GENERATOR,
        samples=kept if kept.exists() else max(grids.glob("*.png"), default=grids),
        dataset=record.dataset.name,
        logs=log_file.last_row(log),
        signal=signal,
        **{part.name: getattr(ended, part.name) for part in fields(ended)},
    )


def result_from_chief(facts: dict[str, object]) -> TrainingResult:
    """Returns, on another worker, the result that the chief sent with `as_dict`."""
    given: Any = {**facts, **{name: Path(str(facts[name])) for name in _PATHS}, "is_chief": False}
    given["confirmations"] = tuple(Confirmation(**one) for one in given["confirmations"])
    return TrainingResult(**given)
