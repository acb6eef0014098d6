"""What an evaluation needs: a generator, a dataset and a classifier that match; and the classifier of a run."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gan.config import ClassifierConfig, DataConfig, ReadingOptions
from gan.config.arguments import as_arguments
from gan.errors import InputError
from gan.saving import models
from gan.saving.known_images import TO_TRAIN, UNNAMED, ImagesLike, check_card, is_place, means, suits
from gan.saving.metadata import RunDataset, RunMetadata, check_classes
from gan.saving.models import FoundClassifier
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from gan.data.dataset import Dataset

DEFAULT_CLASSIFIER = "mnist-classifier"
"""The pretrained classifier."""

NO_CLASSIFIER = "none"
"""Name that stands for no classifier."""


@dataclass(frozen=True)
class EvaluationInputs:
    """A generator, a dataset and a classifier for it, found before TensorFlow is imported."""

    checkpoint: str
    saved: SavedGenerator
    candidates: tuple[FoundClassifier, ...]
    """The given classifier or, if none is given, all that may suit, the best first; empty: no classifier."""
    data: DataConfig
    """Options of the dataset: those of the training, with what is given in their place."""
    is_named: bool = True
    """Whether the user named the classifier."""

    @classmethod
    def find(
        cls,
        checkpoint: str,
        classifier: str | None,
        dataset: str | None = None,
        reading: ReadingOptions | None = None,
    ) -> "EvaluationInputs":
        """Finds a generator and a classifier, and checks that they match as far as the files tell.

        Args:
            checkpoint, classifier: as for `gan evaluate`. A classifier None: one that suits, if there is one.
            dataset: None: the dataset of the training or, if that is not known, that of the classifier.
            reading: how images are read. None: as in the training, also those of another dataset.

        Raises `InputError` if they do not exist, and for a classifier of another dataset. The error then says how to
        get one for this dataset.
        """
        saved, reading = find_saved(checkpoint), reading or ReadingOptions()
        if classifier is None:
            candidates = _find_all([*known_classifiers(saved.record), *_beside(Path(checkpoint))])
        else:
            candidates = () if classifier == NO_CLASSIFIER else (models.find_classifier(classifier),)
        name = dataset or _name(saved, candidates, is_named=classifier is not None)
        found = cls(checkpoint, saved, candidates, reading.over(saved.data, name), classifier is not None)
        images = found._known(is_reread=bool(reading.given))
        if found.is_named:
            found._check(images)
            return found
        return replace(found, candidates=tuple(one for one in candidates if suits(one.card, images)))

    @property
    def classifier(self) -> FoundClassifier:
        """The classifier. Raises `InputError` if there is none."""
        if not self.candidates:
            raise InputError("No classifier", expected="a classifier of this data", received=NO_CLASSIFIER)
        return self.candidates[0]

    def classifier_for(self, dataset: "Dataset") -> FoundClassifier | None:
        """Returns the classifier for the loaded dataset: the one that was named, or the first that suits, or None."""
        return next((one for one in self.candidates if self.is_named or suits(one.card, dataset)), None)

    def classifier_command(self) -> str | None:
        """Returns the command that trains a classifier for the data. None: it has no classes, or is not known."""
        recorded = self.saved.stands_for
        if recorded is None or not self.saved.draws(self.dataset):
            return None
        return self._command_for(recorded)

    def _command_for(self, recorded: RunDataset) -> str | None:
        """Returns the command that trains a classifier for recorded images, under the name that is given for them."""
        images = replace(recorded, name=self.dataset)
        return classifier_command(images, self.data, classifier_folder(Path(self.checkpoint)))

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.data.dataset

    @property
    def run_folder(self) -> Path | None:
        """The checkpoint if it is a run folder, but not a pretrained one."""
        return models.own_run_folder(self.checkpoint)

    def _known(self, *, is_reread: bool) -> ImagesLike:
        """Returns what is known of the images before they are loaded. Other options than those of training: a name."""
        recorded = self.saved.stands_for
        return self.dataset if recorded is None or is_reread or not means(self.dataset, recorded.name) else recorded

    def _check(self, images: ImagesLike) -> None:
        """Raises `InputError` for a classifier of other images, with the command that trains one for the own images."""
        if not self.candidates:
            return
        try:
            check_card(images, self.classifier.card)
        except InputError as error:
            recorded = self.saved.stands_for
            if recorded is None or self.run_folder is None or not self.saved.draws(images):
                raise
            train = self._command_for(recorded)
            if train:
                way = f": {train}"
            else:
                way = ", but this dataset has no classes to train one for" if recorded.num_classes < 2 else ""
            expected = f"{error.expected.removesuffix(TO_TRAIN)}{way}"
            raise InputError(error.problem, expected=expected, received=error.received) from error

    def trained_on(self, dataset: "Dataset") -> str | None:
        """Returns the name of the dataset that the generator was trained on, as `evaluate` takes it.

        It is that of the given dataset if the training images are the same, wherever they lie, and never otherwise.
        "": not known, for a mixture of generators that were trained on other images than it stands for.
        """
        saved = self.saved
        if saved.images is None:
            return None
        if saved.is_mixture and (saved.card.train_sha256 if saved.card is not None else saved.trained_on) is None:
            return ""
        if saved.draws(dataset):
            return dataset.name
        return saved.images.name if saved.images.name != dataset.name else ""

    def load_dataset(self) -> "Dataset":
        """Loads the dataset.

        Raises `InputError` if it cannot be loaded, its classes are not those of the generator, or the classifier is for
        other images.
        """
        from gan.data.load import load_dataset  # imports TensorFlow

        dataset = load_dataset(self.dataset, fallback="none", **self.data.loading)
        check_classes(self.saved.class_names, dataset.class_names)
        if self.is_named:
            self._check(dataset)
        return dataset


def known_classifiers(record: RunMetadata | None) -> tuple[str, ...]:
    """Returns the names of classifiers that may suit the data of a run, the default first. They may not exist."""
    options = () if record is None else (record.config.stopping.classifier, record.config.stopping.probe)
    return tuple(dict.fromkeys((DEFAULT_CLASSIFIER, *options)))


def _beside(generator: Path) -> list[Path]:
    """Returns the folders beside a generator that are named as the printed commands name its classifiers."""
    folder = _run_of(generator) or generator
    return sorted(folder.parent.glob(f"{escape(folder.name)}-classifier*"))


def _find_all(classifiers: Sequence[str | Path]) -> tuple[FoundClassifier, ...]:
    """Returns the classifiers that exist and are intact."""
    found = []
    for classifier in classifiers:
        with suppress(InputError):  # no such classifier
            found.append(models.find_classifier(classifier))
    return tuple(found)


def _name(saved: SavedGenerator, candidates: Sequence[FoundClassifier], *, is_named: bool) -> str:
    """Returns the name of the dataset of a generator, or of its first classifier.

    An exported generator knows only the last part of a path. A classifier of the same images may know all of it.
    Raises `InputError` if it does not.
    """
    images = saved.images
    if saved.card is None or images is None:
        known = saved.dataset or next((one.card.data_sets[0] for one in candidates), None)
        if known is None:
            raise InputError("Which images are meant", expected="--dataset NAME or FOLDER", received="none")
        return known
    for card in (one.card for one in candidates):
        places = [name for name in card.data_sets if is_place(name)]
        if images.name in card.data_sets or (suits(card, images) and not places):
            return images.name
        if places and suits(card, images):
            return places[0]
    if (is_named and candidates) or not saved.card.train_sha256:
        expected = "--dataset NAME or FOLDER: an exported generator knows only the last part of a path"
        raise InputError("Which images are meant", expected=expected, received=f"{images.name!r} in the card")
    return images.name


def _run_of(generator: Path) -> Path | None:
    """Returns the folder of a generator that is a folder or a .keras file in one, with a name. None: no such folder."""
    folder = generator.parent if generator.suffix == ".keras" else generator
    if not folder.is_dir() or models.is_pretrained(folder):
        return None
    return Path(os.path.abspath(folder)) if folder.name in ("", "..") else folder  # noqa: PTH100 - keeps links


def classifier_folder(generator: Path) -> Path:
    """Returns the folder that the printed commands use for a classifier of the data of a generator: a new one.

    It lies beside a run folder. That of any other generator, such as a pretrained one, is `runs/classifier`.
    """
    run = _run_of(generator)
    start = Path("runs", "classifier") if run is None else run.with_name(f"{run.name}-classifier")
    names = (f"{start.name}{'' if number == 1 else f'-{number}'}" for number in range(1, 10**6))
    return next(folder for folder in map(start.with_name, names) if not folder.exists())


def classifier_command(images: RunDataset, data: DataConfig, folder: Path) -> str | None:
    """Returns the command that trains a classifier for the data of a generator.

    data: the options that load it; its name is that of the images. None: the data has no classes, or are arrays without
    a name, which no command loads.
    """
    if images.num_classes < 2 or images.name == UNNAMED:
        return None
    options = {part.name: getattr(data, part.name) for part in fields(DataConfig)}
    config = ClassifierConfig(**options | {"dataset": images.name, "dataset_fallback": "none"})
    config = replace(config, batch_size=min(config.batch_size, images.train))
    return shell_command("gan", "train-classifier", *as_arguments(config, ClassifierConfig()), "--output", folder)


def evaluation_commands(
    generator: Path, images: RunDataset, data: DataConfig, classifiers: Sequence[str | Path]
) -> dict[str, str]:
    """Returns the command that evaluates a generator; before it the training of a classifier if none suits its data.

    Args:
        generator: run folder, or that of a mixture.
        images, data: what it draws, and the options that load it.
        classifiers: what may suit, the default of `gan evaluate` first. Those beside the generator are tried too.

    Data without classes is evaluated without a classifier.
    """
    for number, classifier in enumerate([*classifiers, *_beside(generator)]):
        with suppress(InputError):  # no such classifier
            if suits(models.find_classifier(classifier).card, images):
                words: list[str | Path] = [] if number == 0 else ["--classifier", Path(classifier)]
                return {"evaluate": shell_command("gan", "evaluate", generator, *words)}
    folder = classifier_folder(generator)
    train = classifier_command(images, data, folder)
    evaluate = shell_command("gan", "evaluate", generator, "--classifier", folder)
    if train is None:
        return {"evaluate": shell_command("gan", "evaluate", generator)}
    return {"to evaluate": f"{train} && {evaluate}"}
