"""The table of the exported files of a generator: what each format and weight width costs. Does not import TensorFlow.

`gan.deployment.measure_artifacts` measures it; selection of a file to deploy reads it.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from gan.errors import InputError, Json, NotNegative, Positive, Whole, as_json, check, check_whole, convert
from gan.saving import files
from gan.saving.engines.card import FormatName, Weights
from gan.tolerance import Verdict
from gan.utils.arguments import checked

ArtifactFormat = Literal["keras"] | FormatName
"""Format of a file in the table: Keras' own, or one of `gan export --format`."""


@dataclass(frozen=True, kw_only=True)
class ArtifactFile:
    """A generator's file or, for a SavedModel, its folder."""

    name: str
    """Path relative to the folder of the table, with `/` between its parts."""
    bytes: Positive
    """Size on disk."""
    content_sha256: str
    """SHA-256 of the content without the card; of a .keras file, of the whole file."""
    max_difference: NotNegative | None = None
    """Largest absolute difference of 64 images from Keras with the same weights. None: this is the .keras file."""

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        inside = path.parts and not path.is_absolute() and ".." not in path.parts and "\\" not in self.name
        check(bool(inside), "name", "a path below the folder of the table", self.name)


@dataclass(frozen=True, kw_only=True)
class ArtifactQuality:
    """Quality of a generator's samples. All files draw the samples of the same latents and labels."""

    wrong: Whole
    """Samples that the classifier reads as another class than requested."""
    num: Positive
    """Number of samples."""
    error_rate: NotNegative
    """wrong / num."""
    error_rate_lower: NotNegative
    """Lower bound of the Wilson 95 % interval."""
    error_rate_upper: NotNegative
    """Upper bound of the Wilson 95 % interval."""
    verdict: Verdict
    """Whether error rate and coverage are within the tolerance of the table, see `gan.tolerance.verdict`."""
    frechet_distance: float | None
    """Frechet distance to the test images, in features of the classifier. None: not known."""
    frechet_in_floors: float | None
    """The same, divided by the distance of as many training images. None: not known."""
    coverage: NotNegative | None
    """Share of test images with a sample among their neighbors. None: not defined for so few samples."""

    def __post_init__(self) -> None:
        check_whole("wrong", self.wrong, 0, self.num)


@dataclass(frozen=True, kw_only=True)
class ArtifactCost:
    """Time and memory of a process that runs a generator on the CPU, in batches of `ArtifactTable.batch` samples."""

    milliseconds: NotNegative
    """Milliseconds for a batch: the median of the rounds. The number of a round is the median of its batches."""
    milliseconds_fastest: NotNegative
    """The fastest round."""
    milliseconds_slowest: NotNegative
    """The slowest round."""
    rounds: Positive
    """Number of rounds, in which all files took turns."""
    batches: Positive
    """Number of timed batches, in all rounds."""
    peak_memory_bytes: Positive | None
    """Peak resident memory of the process, with Python, NumPy and the engine. None: the system does not report it."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A row of the table: one format and weight width."""

    format: ArtifactFormat
    weights: Weights
    failure: str | None = None
    """Why this row has no numbers, such as a layer that the format does not have. None: it has all."""
    file: ArtifactFile | None = None
    """None: the format cannot express the generator."""
    quality: ArtifactQuality | None = None
    cost: ArtifactCost | None = None

    def __post_init__(self) -> None:
        numbers = (self.file, self.quality, self.cost)
        if self.failure is None and None in numbers:
            raise InputError("An incomplete row", expected="file, quality and cost, or a failure", received="less")


@dataclass(frozen=True, kw_only=True)
class ArtifactTable:
    """All exported files of one generator, measured on one machine with the same samples.

    >>> table = gan.deployment.load_table("exported/mnist-artifacts.json")
    >>> [artifact.file.name for artifact in table.within]
    ['mnist.keras', 'mnist/1', 'mnist.onnx']
    """

    kind: Literal["artifacts"]
    name: str
    """Name of the generator."""
    generator_sha256: str
    """SHA-256 of its .keras file."""
    dataset: str
    """Dataset whose test images the samples are compared with."""
    classifier_sha256: str
    tolerance: NotNegative
    """Highest accepted error rate."""
    num: Positive
    """Number of samples of the error rate."""
    compared: Whole = 0
    """Number of samples, the first ones, and of test images of all other numbers. 0: it is replaced by `num`."""
    seed: Whole
    """Seed of the samples and of the choice of test images."""
    frechet_floor: float | None
    """Frechet distance of `compared` training images. None: not known."""
    real_coverage: NotNegative | None
    """Coverage of `compared` validation images. None: not defined for so few images."""
    batch: Positive
    """Samples in a timed batch."""
    idle_memory_bytes: Positive | None
    """Peak memory of a measured process before it loads its engine: Python and NumPy. None: not known."""
    artifacts: tuple[Artifact, ...]
    cpu: str
    """Name of the processor. All times are of the CPU, also on a machine with a GPU."""
    cores: Positive
    """Number of cores that the processes could use. Each engine decides how many it uses."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of the Python packages, by name."""
    command: str
    """The command that made the table."""
    date: str
    """Time of the measurement, UTC."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "compared", self.compared or self.num)
        check_whole("compared", self.compared, 1, self.num)

    @property
    def within(self) -> list[Artifact]:
        """The rows whose verdict is `within`, in their order."""
        return [one for one in self.artifacts if one.quality is not None and one.quality.verdict == "within"]

    def as_dict(self) -> dict[str, Json]:
        """Returns the table in JSON types."""
        return as_json(self)


def table_path(folder: Path, name: str) -> Path:
    """Returns the file of the table of a generator in a folder of exported files."""
    return folder / f"{name}-artifacts.json"


@checked
def load_table(path: str | os.PathLike[str]) -> ArtifactTable:
    """Loads the table that `gan export --table` wrote: the file NAME-artifacts.json.

    Raises `InputError` if the file does not exist or has other content, and names the position in it.
    """
    file = files.as_path(path, "path")
    if not file.is_file():
        raise InputError("No such table", expected="a file of gan export --table", received=str(file))
    return convert(files.read_json(file), ArtifactTable, Path(file))
