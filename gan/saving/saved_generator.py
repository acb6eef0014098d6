"""A saved generator, Keras or exported: what commands read from it before TensorFlow is imported."""

import os
from dataclasses import dataclass
from pathlib import Path

from gan.config import DataConfig
from gan.errors import InputError
from gan.saving import models
from gan.saving.engines.card import ExportCard
from gan.saving.engines.find import find_exported
from gan.saving.engines.format import ExportedFile
from gan.saving.known_images import ImagesLike, KnownImages, NamedImages, as_images, same_images
from gan.saving.metadata import RunDataset, RunMetadata
from gan.saving.mixture import MixtureRecord, load_mixture
from gan.saving.models import GeneratorSummary
from gan.saving.zip_safety import ModelFile


@dataclass(frozen=True)
class SavedGenerator:
    """A checked file of a generator, and its metadata: of its run, of a mixture, or the card of an exported one."""

    file: ModelFile | ExportedFile
    summary: GeneratorSummary
    record: RunMetadata | None = None
    """Metadata of the run; None: not known, a mixture, or exported."""
    card: ExportCard | None = None
    """None: not exported."""
    mixture: MixtureRecord | None = None
    """None: not a mixture of generators, or exported."""

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.file.path.parent

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers; empty if they are unknown."""
        if self.card is not None:
            return self.card.class_names
        return self.stands_for.class_names if self.stands_for else ()

    @property
    def is_mixture(self) -> bool:
        """Whether the first latent number chooses one of several generators, as far as the metadata tell."""
        return self.mixture is not None or (self.card is not None and self.card.mixture)

    @property
    def stands_for(self) -> RunDataset | None:
        """The dataset whose images the generator draws. None: not known, or exported."""
        found = self.record or self.mixture
        return found.dataset if found else None

    @property
    def trained_on(self) -> RunDataset | None:
        """The dataset that the generator was trained on. None: not known, or exported.

        Not known is also that of a mixture whose generators were trained on other images than it stands for.
        """
        return self.stands_for if self.mixture is None else self.mixture.trained_on

    @property
    def dataset(self) -> str | None:
        """Name of the dataset whose images the generator draws, or None if it is not known."""
        if self.card is not None:
            return self.card.data.dataset if self.card.data else None
        return self.stands_for.name if self.stands_for else None

    @property
    def data(self) -> DataConfig | None:
        """Options of that dataset, or None if they are not known."""
        if self.card is not None:
            return self.card.data
        if self.mixture is not None:
            return self.mixture.data
        return self.record.config.data if self.record else None

    @property
    def images(self) -> KnownImages | None:
        """What is known of the images that the generator draws. None: nothing."""
        if self.card is None:
            return self.stands_for
        if self.card.data is None:
            return None
        return NamedImages(self.card.data.dataset, self.card.image_shape, self.card.train_sha256)

    def draws(self, images: ImagesLike) -> bool | None:
        """Returns whether the generator draws these images. None: not known, or only the images themselves can tell.

        A card knows only the last part of a path. Unless two SHA-256 are known, that must be enough.
        """
        if self.images is None:
            return None
        found = same_images(self.images, images)
        if found is None and self.card is not None:
            return Path(as_images(images).name).name == self.images.name or None
        return found


def find_saved(checkpoint: str | os.PathLike[str] | ModelFile | ExportedFile) -> SavedGenerator:
    """Finds a saved generator: a run folder, a .keras file, a pretrained name or an exported generator.

    A .keras file that was found before is checked again only if it has changed, an exported one always.

    Raises `InputError` as `models.find_generator`, `models.describe`, `load_mixture` and `find_exported` do.
    """
    if isinstance(checkpoint, ExportedFile):
        checkpoint = checkpoint.path
    exported = None if isinstance(checkpoint, ModelFile) else find_exported(checkpoint)
    if exported is not None:
        card = exported.card
        summary = GeneratorSummary(
            str(exported.path), exported.bytes, exported.sha256, card.latent_dim, card.num_classes
        )
        return SavedGenerator(exported, summary, card=card)
    file = models.find_generator(checkpoint)
    mixture = load_mixture(file)
    record = None if mixture is not None else models.load_config(file)
    return SavedGenerator(file, models.describe(file), record, mixture=mixture)


def find_to_export(checkpoint: str | os.PathLike[str]) -> SavedGenerator:
    """Finds a saved generator as `find_saved` does. Raises `InputError` also for one that is exported already."""
    saved = find_saved(checkpoint)
    if saved.card is not None:
        raise InputError("This generator is exported", expected="a run folder or .keras file", received=str(checkpoint))
    return saved
