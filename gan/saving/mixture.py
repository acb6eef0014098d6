"""The record of a mixture of generators, saved in mixture.json beside its generator.keras. Imports no TensorFlow."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from gan.config import DataConfig
from gan.errors import InputError, Json, NotNegative, Positive, Whole, as_json, check, convert
from gan.saving import files
from gan.saving.metadata import RunDataset
from gan.saving.run_folder import GENERATOR, MIXTURE
from gan.saving.zip_safety import ModelFile

FitSplit = Literal["validation", "train"]
"""A split whose images may decide the weights of a mixture. Test images may not: they report it."""


@dataclass(frozen=True, kw_only=True)
class MixtureComponent:
    """One of the generators that were mixed."""

    name: str
    """Name of its run folder, of its file, or of the pretrained checkpoint."""
    sha256: str
    """SHA-256 of its file."""
    weight: Annotated[float, Meta(ge=0, le=1)]
    """Probability with which it draws a sample. 0: the mixture does not contain it."""
    latent_dim: Positive
    """Length of its latent vectors."""
    train_sha256: str | None = None
    """SHA-256 of the images and labels that it was trained on; None: not recorded."""


@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """How the weights were chosen: the smallest kernel distance to real images, see `selection.fit_mixture`."""

    num: Positive
    """Samples of each generator, and at most as many real images."""
    seed: Whole
    split: FitSplit
    """The real images."""
    classifier_sha256: str
    """SHA-256 of the classifier that provides the features."""
    distance: NotNegative
    """Kernel distance of the mixture to the real images, with these weights."""
    equal: NotNegative
    """The same with equal weights."""
    single: tuple[NotNegative, ...]
    """The same of each generator alone."""


@dataclass(frozen=True, kw_only=True)
class MixtureRecord:
    """Content of mixture.json."""

    kind: Literal["mixture"] = "mixture"
    components: tuple[MixtureComponent, ...]
    """The generators, in the order in which they were given."""
    fit: FitRecord | None = None
    """None: the weights were given."""
    data: DataConfig
    """Options of the data that the mixture stands for."""
    dataset: RunDataset
    """This data."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of Python packages by name."""
    git_revision: str | None = None
    sha256: str
    """SHA-256 of the generator's file."""

    def __post_init__(self) -> None:
        total = sum(component.weight for component in self.components)
        check(abs(total - 1) < 1e-6, "components", "weights that sum to 1", f"{total:g}")

    @property
    def trained_on(self) -> RunDataset | None:
        """The data, if each component with a weight was trained on exactly these images. None: not known."""
        known = {component.train_sha256 for component in self.components if component.weight > 0}
        return self.dataset if known == {self.dataset.train_sha256} != {None} else None

    def as_dict(self) -> dict[str, Json]:
        """Returns the record in JSON types, as in mixture.json."""
        return as_json(self)


def save_mixture(folder: Path, record: MixtureRecord) -> None:
    """Writes the record of a mixture atomically."""
    files.write_json(folder / MIXTURE, record.as_dict())


def load_mixture(file: ModelFile) -> MixtureRecord | None:
    """Loads the record of a mixture for its generator.keras. None: the generator is not a mixture.

    Raises `InputError` for a damaged record, and for that of another file.
    """
    path = file.path.with_name(MIXTURE)
    if file.path.name != GENERATOR or not path.is_file():
        return None
    record: MixtureRecord = convert(files.read_json(path), MixtureRecord, path)
    if record.sha256 != file.sha256:
        raise InputError(
            "This mixture does not match its record",
            expected=f"SHA-256 {record.sha256!r}",
            received=f"{file.path}: {file.sha256}",
        )
    return record
