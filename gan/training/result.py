"""What a training run left behind."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gan.saving import run_folder
from gan.saving.metadata import RunMetadata
from gan.training import callbacks

_PATHS = ("folder", "generator", "samples")


@dataclass(frozen=True)
class TrainingResult:
    """What a training run left behind. `logs` is the last row of log.csv; `images` counts the reals that D saw.

    `signal` is the number of the one that interrupted it (2: Ctrl-C, 15: SIGTERM), None when it ended by itself.
    `stopped_by` is what ended it before its length did: `target` (the tolerance, which is to be confirmed), `patience`
    or `collapse`. `interval` is the one whose generator was put back in the end; None: it is the last one. `is_chief`
    says whether this process wrote the folder: of several workers the chief does, and the paths are those it has.
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
    is_chief: bool = True

    def as_dict(self) -> dict[str, object]:
        """All of it in JSON types."""
        return {**asdict(self), **{name: str(getattr(self, name)) for name in _PATHS}}


def read_result(folder: Path, record: RunMetadata, *, signal: int | None = None) -> TrainingResult:
    """What a run left, from its record, log and samples."""
    ended = record.result
    assert ended is not None, "the run has not ended"
    log, grids = folder / run_folder.LOG, folder / run_folder.SAMPLES
    kept = grids / f"{callbacks.run_log.images_at(log, ended.interval):09d}.png"
    return TrainingResult(
        folder=folder,
        generator=folder / run_folder.GENERATOR,
        samples=kept if kept.exists() else max(grids.glob("*.png"), default=grids),
        dataset=record.dataset.name,
        logs=callbacks.run_log.last_row(log),
        signal=signal,
        **asdict(ended),
    )


def result_from_chief(facts: dict[str, object]) -> TrainingResult:
    """The run that the chief told of with `as_dict`, on another worker."""
    given: Any = {**facts, **{name: Path(str(facts[name])) for name in _PATHS}, "is_chief": False}
    return TrainingResult(**given)
