"""A trial: a part of a candidate's training, and a look at its generator on validation data.

Tasks and results are JSON, so that other processes and machines can run them. Does not import TensorFlow.
`gan.selection.training.run_trial` runs a task.
"""

from dataclasses import dataclass
from pathlib import Path

from gan.config import TrainConfig
from gan.errors import InputError, Json, NotNegative, Positive, Whole, as_json, check_whole, convert


def run_log(folder: Path) -> Path:
    """Returns the file beside a run folder to which its training prints."""
    return folder.with_name(f"{folder.name}.log")


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """Train a candidate to the end of an interval, then look at its generator."""

    name: str
    """Name of the candidate."""
    folder: str
    """Its run folder. A run in it is resumed."""
    preset: str
    config: TrainConfig
    intervals: Positive
    """Complete intervals of the run at which it pauses."""
    is_last: bool = False
    """Whether the run is finished then."""
    probe: str
    """Classifier of the look: a folder or a pretrained name."""
    num: Positive
    """Samples of the look."""
    seed: Whole
    """Seed of the samples."""
    selection: str = ""
    """Identifier of the selection, see `SelectionRecord.id`."""

    def as_dict(self) -> dict[str, Json]:
        """Returns the task in JSON types."""
        return as_json(self)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a classifier saw in samples of a generator: errors, and the coverage of real images."""

    images: Whole
    """Images that D had seen."""
    wrong: Whole
    num: Positive
    coverage: NotNegative
    real_coverage: NotNegative
    """Coverage of the same images by other real images."""
    generator_sha256: str

    def __post_init__(self) -> None:
        check_whole("wrong", self.wrong, 0, self.num)

    @property
    def error(self) -> float:
        """The error rate."""
        return self.wrong / self.num


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """The result of a trial: a look, or the reason why there is none."""

    look: Look | None = None
    failure: str | None = None
    """Why the training cannot continue, such as a NaN loss. None: it did not fail."""
    seconds: NotNegative = 0.0
    """Duration of the trial."""

    def as_dict(self) -> dict[str, Json]:
        """Returns the result in JSON types."""
        return as_json(self)

    def __post_init__(self) -> None:
        if (self.look is None) == (self.failure is None):
            raise InputError("Bad result of a trial", expected="a look or a failure", received="both or none")


def error_content(error: InputError) -> list[str]:
    """Returns an error in JSON types, for the process that asked for a task. `read_error` is the inverse."""
    return [error.problem, error.expected, error.received]


def read_error(content: Json) -> InputError:
    """Returns the error that `error_content` described."""
    problem, expected, received = convert(content, tuple[str, str, str], "the result of a task")
    return InputError(problem, expected=expected, received=received)
