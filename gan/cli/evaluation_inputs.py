"""What an evaluation needs: a generator, a dataset and a classifier that match; and the classifier of a run."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gan.config import ClassifierConfig, DataConfig
from gan.config.arguments import as_arguments
from gan.errors import InputError
from gan.saving import models
from gan.saving.metadata import RunMetadata, check_card, check_classes, suits
from gan.saving.models import FoundClassifier
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from gan.data.dataset import Dataset


@dataclass(frozen=True)
class EvaluationInputs:
    """A generator, a dataset and a classifier for it, found before TensorFlow is imported."""

    checkpoint: str
    saved: SavedGenerator
    classifier: FoundClassifier
    dataset: str
    """Name of the dataset."""

    @classmethod
    def find(cls, checkpoint: str, classifier: str, dataset: str | None = None) -> "EvaluationInputs":
        """Finds a generator and a classifier. dataset: None for the dataset of the training or, if that is not known,
        that of the classifier.

        Raises `InputError` if they do not exist, and for a classifier of another dataset. The error then says how to
        get one for this dataset.
        """
        saved, extractor = find_saved(checkpoint), models.find_classifier(classifier)
        name = dataset or saved.dataset or extractor.card.data_sets[0]
        found = cls(checkpoint, saved, extractor, name)
        if dataset is None and saved.card is not None and not suits(extractor.card, name):
            expected = "--dataset NAME or FOLDER: an exported generator knows only the last part of a path"
            raise InputError("Which images are meant", expected=expected, received=f"{name!r} in the card")
        try:
            check_card(name, extractor.card)
        except InputError as error:
            record = saved.record
            if record is None or name != record.dataset.name or found.run_folder is None:
                raise
            train = classifier_command(record, classifier_folder(Path(checkpoint)))
            way = f": {train}" if train else ", but this dataset has no classes to train one for"
            expected = f"one of {list(extractor.card.data_sets)}, or another classifier{way}"
            raise InputError(error.problem, expected=expected, received=error.received) from error
        return found

    @property
    def run_folder(self) -> Path | None:
        """The checkpoint if it is a run folder, but not a pretrained one."""
        return models.own_run_folder(self.checkpoint)

    def trained_on(self, dataset: "Dataset") -> str | None:
        """Returns the name of the dataset that the generator was trained on, as `evaluate` takes it.

        A card knows only the last part of a path. Then the training images decide whether it is the given dataset.
        "": not known, for a mixture of generators that were trained on other images than it stands for.
        """
        saved = self.saved
        known = saved.card.train_sha256 if saved.card is not None else saved.trained_on
        if saved.is_mixture and known is None:
            return ""
        if saved.card is not None and known is not None and known == dataset.fingerprint:
            return dataset.name
        return saved.dataset

    def load_dataset(self) -> "Dataset":
        """Loads the dataset, with the options of the training if it is the same one.

        Raises `InputError` if it cannot be loaded, or its classes are not those of the generator.
        """
        from gan.data.load import load_dataset  # imports TensorFlow

        saved = self.saved
        options = saved.data if saved.data and saved.is_of(self.dataset) else DataConfig()
        dataset = load_dataset(self.dataset, fallback="none", **options.loading)
        check_classes(saved.class_names, dataset.class_names)
        return dataset


def classifier_folder(run: Path) -> Path:
    """Returns the folder that the printed commands use for a classifier of the data of a run."""
    return run.with_name(f"{run.name}-classifier")


def classifier_command(record: RunMetadata, folder: Path) -> str | None:
    """Returns the command that trains a classifier for the data of a run. None: the data has no classes."""
    data = record.dataset
    if data.num_classes < 2:
        return None
    config = ClassifierConfig(data.name, record.config.data.image_size, record.config.data.channels)
    config = replace(config, batch_size=min(config.batch_size, data.train))
    words = as_arguments(config, ClassifierConfig())
    return shell_command("gan", "train-classifier", *words, "--output", folder)
