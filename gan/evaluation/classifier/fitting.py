"""Fits an ensemble of classifiers on validation images, measures it on test images, and writes its folder."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from gan.config import ClassifierConfig, ReadingOptions
from gan.data.dataset import Dataset
from gan.data.load import DatasetLike, as_dataset, load_dataset
from gan.errors import InputError, Json, as_json
from gan.evaluation.classifier.calibration import fit_temperature
from gan.evaluation.classifier.cost import BATCH, ClassifierCost, measure_costs
from gan.evaluation.classifier.ensemble import build_ensemble
from gan.evaluation.classifier.extractor import Extractor, as_input, load_classifier
from gan.evaluation.classifier.pool import Score, fit_weights, pool_logits
from gan.evaluation.members import MemberLike, common_datasets, find_members
from gan.saving import files, run_folder
from gan.saving.ensemble_member import EnsembleMember
from gan.saving.known_images import check_card
from gan.saving.metadata import Calibration, ClassifierCard
from gan.saving.models import FoundClassifier
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.global_state import restored
from gan.utils.signals import deferred_signals
from gan.utils.simplex import check_weights

NAME = "ensemble"
"""Name of an ensemble in its card, and of its numbered folder."""

SPLITS = ("validation", "test")
"""Weights are fitted on the first split, and the ensemble is measured on the second one."""


@dataclass(frozen=True)
class EnsembleScore:
    """The scores of a classifier, or of a combination of several, on both splits."""

    validation: Score
    test: Score

    def as_dict(self) -> dict[str, Json]:
        """Returns the scores in JSON types."""
        return {"validation": self.validation.as_dict(), "test": self.test.as_dict()}


@dataclass(frozen=True)
class FittedEnsemble:
    """An ensemble, and how good it is beside its members."""

    model: keras.Model
    """The network, see `build_ensemble`."""
    members: tuple[EnsembleMember, ...]
    """All given classifiers, with weights and temperatures."""
    folders: tuple[Path, ...]
    """Their folders."""
    weights: Literal["fitted", "given"]
    """Where the weights come from."""
    calibration: Calibration
    """How the logits of the ensemble become probabilities: one more temperature, and no bound."""
    singles: tuple[EnsembleScore, ...]
    """Each classifier alone, with its temperature."""
    best: int
    """Number of the classifier that is best alone: with the smallest log loss on validation images."""
    equal: EnsembleScore
    """All classifiers with equal weights."""
    weighted: EnsembleScore
    """The network with its weights."""
    calibrated: EnsembleScore
    """The same with its calibration. The classes that it answers are the same ones."""
    dataset: Dataset
    """The dataset of both splits."""
    by_class: dict[str, dict[str, float] | float]
    """scikit-learn's classification report of the network on the test split."""


@dataclass(frozen=True)
class MadeEnsemble:
    """A fitted ensemble in its folder."""

    folder: Path
    card: ClassifierCard
    fitted: FittedEnsemble
    costs: tuple[ClassifierCost, ...]
    """Of the members, in their order."""
    cost: ClassifierCost
    """Of the ensemble, measured in the same rounds."""

    def as_dict(self) -> dict[str, Json]:
        """Returns all results in JSON types."""
        fitted = self.fitted
        members: list[Json] = [
            {**as_json(member), "classifier": str(folder), **single.as_dict(), "cost": as_json(cost)}
            for member, folder, single, cost in zip(fitted.members, fitted.folders, fitted.singles, self.costs)
        ]
        return {
            "folder": str(self.folder),
            "members": members,
            "best": str(fitted.folders[fitted.best]),
            "weights": fitted.weights,
            "equal": fitted.equal.as_dict(),
            "weighted": fitted.weighted.as_dict(),
            "calibrated": fitted.calibrated.as_dict(),
            "cost": as_json(self.cost),
            "card": self.card.as_dict(),
        }


@restored()
@checked
def fit_ensemble(
    classifiers: Sequence[MemberLike], dataset: DatasetLike | None = None, *, weights: Sequence[float] | None = None
) -> FittedEnsemble:
    """Fits an ensemble of classifiers on the validation split, and measures it once on the test split.

    First each member gets the temperature T_i with the smallest validation log loss (arXiv:1706.04599). Then the
    weights w on the simplex minimize the validation log loss of p = sum_i w_i softmax(logits_i / T_i). A mean of
    calibrated probabilities is too cautious (Ranjan and Gneiting 2010, doi:10.1111/j.1467-9868.2009.00726.x), so the
    result gets a temperature of its own, too.

    The members chose their best epoch on the same validation split. That makes its losses too good; those of the test
    split are not.

    Args:
        classifiers: folders or pretrained names, two or more.
        dataset: images to use instead of the first dataset that all classifiers have in common. Its name must be in all
            of their cards.
        weights: weights to use instead of fitted ones: numbers >= 0 that sum to 1, one for each classifier.

    Raises `InputError` for classifiers that do not match, see `find_members`, for weights that are not on the simplex,
    and for a dataset without labels, or with other images or classes.
    """
    return _find_and_fit(classifiers, dataset, weights)[2]


@restored()
@checked
def make_ensemble(
    classifiers: Sequence[MemberLike],
    output: str | os.PathLike[str] | None,
    *,
    dataset: DatasetLike | None = None,
    reading: ReadingOptions | None = None,
    weights: Sequence[float] | None = None,
) -> MadeEnsemble:
    """Fits an ensemble, and writes classifier.keras and its card, config.json: a classifier like any other.

    Args:
        classifiers, dataset, weights: as for `fit_ensemble`.
        output: folder to create. None: the next number in runs/.
        reading: how the images of a dataset that is given by its name are read. None: as in the training of a member.

    Raises `InputError` as `fit_ensemble` does, and if the folder cannot be used. Nothing is written then. The cost is
    measured after the folder is complete.
    """
    run_folder.check_output(output)
    device = runtime.start()
    found, loaded, fitted = _find_and_fit(classifiers, dataset, weights, reading)
    with deferred_signals():  # a folder without a card would be no classifier
        folder = run_folder.new_run(output, NAME)
        path = folder / run_folder.CLASSIFIER
        files.write(path, fitted.model.save)
        card = _card(found, fitted, device, files.sha256(path))
        files.write_json(folder / run_folder.CONFIG, card.as_dict())
    images = as_input(fitted.dataset.test.images[:BATCH])
    costs = measure_costs([*loaded, fitted.model], [*(member.file.path for member in found), path], images)
    return MadeEnsemble(folder, card, fitted, tuple(costs[:-1]), costs[-1])


def _card(found: Sequence[FoundClassifier], fitted: FittedEnsemble, device: str, sha256: str) -> ClassifierCard:
    used = [member.card for member, share in zip(found, fitted.members) if share.weight > 0]
    return ClassifierCard(
        name=NAME,
        members=fitted.members,
        data_sets=common_datasets([member.card for member in found]),
        dataset=replace(
            found[0].card.dataset,
            name=fitted.dataset.name,
            num_classes=fitted.dataset.num_classes,
            train=max(card.dataset.train for card in used),
            left_out=min(card.dataset.left_out for card in used),
            validation=len(fitted.dataset.validation),
            test=len(fitted.dataset.test),
            train_sha256=fitted.dataset.fingerprint,
        ),
        weights=fitted.model.count_params(),
        accuracy={
            "validation": 1 - fitted.weighted.validation.error_rate.value,
            "test": 1 - fitted.weighted.test.error_rate.value,
        },
        by_class=fitted.by_class,
        calibration=fitted.calibration,
        seconds=round(sum(card.seconds for card in used), 1),
        device=device,
        versions=runtime.versions(),
        git_revision=runtime.git_revision(),
        sha256=sha256,
    )


def _find_and_fit(
    classifiers: Sequence[MemberLike],
    dataset: DatasetLike | None,
    weights: Sequence[float] | None,
    reading: ReadingOptions | None = None,
) -> tuple[list[FoundClassifier], list[keras.Model], FittedEnsemble]:
    """Returns the members, their networks, and the ensemble."""
    found, name = find_members(classifiers, os.fspath(dataset) if isinstance(dataset, (str, os.PathLike)) else None)
    if weights is not None:
        check_weights("weights", weights, len(found))
    loaded = [load_classifier(member)[0] for member in found]
    is_named = dataset is None or isinstance(dataset, (str, os.PathLike))
    used = _load_dataset(name, found, reading or ReadingOptions()) if is_named else as_dataset(dataset)
    return found, loaded, _fit(found, loaded, used, weights)


def _load_dataset(name: str, found: Sequence[FoundClassifier], reading: ReadingOptions) -> Dataset:
    """Loads a dataset with the options with which a member was trained, and those that are given in their place."""
    config = next((member.card.config for member in found if member.card.config is not None), ClassifierConfig())
    return load_dataset(name, fallback="none", **reading.over(config.data).loading)


def _labels(
    dataset: Dataset, found: Sequence[FoundClassifier], loaded: Sequence[keras.Model], *, rejects: bool
) -> dict[str, np.ndarray]:
    """Returns the labels of both splits. Raises `InputError` unless the dataset suits the members."""
    for member, classifier in zip(found, loaded):
        classes = classifier.output_shape[1] - rejects
        if dataset.num_classes not in (0, classes):
            received = f"{dataset.num_classes} in {dataset.name}"
            raise InputError(
                "The dataset has other classes", expected=f"the {classes} of the classifier", received=received
            )
        check_card(dataset, member.card)
    labels = {}
    for split in SPLITS:
        known = dataset.splits[split].labels
        if known is None:
            raise InputError("An ensemble needs labels", expected=f"labels in the {split} split", received="none")
        labels[split] = np.asarray(known)
    return labels


def _fit(
    found: Sequence[FoundClassifier], loaded: Sequence[keras.Model], dataset: Dataset, given: Sequence[float] | None
) -> FittedEnsemble:
    from sklearn.metrics import classification_report  # slow to import

    calibration = found[0].card.calibration
    rejects = calibration is not None and calibration.rejects
    labels = _labels(dataset, found, loaded, rejects=rejects)
    logits = [_logits(classifier, dataset) for classifier in loaded]
    temperatures = [fit_temperature(one["validation"], labels["validation"]) for one in logits]

    def score(of_split: dict[str, np.ndarray], temperature: float = 1.0) -> EnsembleScore:
        scores = {
            split: Score.of(of_split[split], labels[split], temperature=temperature, rejects=rejects)
            for split in labels
        }
        return EnsembleScore(scores["validation"], scores["test"])

    singles = tuple(map(score, logits, temperatures))
    if given is None:
        weights = fit_weights([one["validation"] for one in logits], labels["validation"], temperatures)
    else:
        weights = check_weights("weights", given, len(found))
    equal = np.full(len(found), 1 / len(found))
    pooled = {split: pool_logits([one[split] for one in logits], equal, temperatures) for split in labels}
    model = build_ensemble(loaded, weights.tolist(), temperatures)
    of_model = _logits(model, dataset)
    calibrated = Calibration(temperature=fit_temperature(of_model["validation"], labels["validation"]), rejects=rejects)
    answered = of_model["test"][:, : dataset.num_classes].argmax(axis=1)
    return FittedEnsemble(
        model=model,
        members=tuple(
            EnsembleMember(
                name=member.card.name,
                sha256=member.card.sha256,
                weight=weight,
                temperature=temperature,
                members=member.card.members,
            )
            for member, weight, temperature in zip(found, weights.tolist(), temperatures)
        ),
        calibration=calibrated,
        folders=tuple(member.file.path.parent for member in found),
        weights="fitted" if given is None else "given",
        singles=singles,
        best=int(np.argmin([single.validation.log_loss for single in singles])),
        equal=score(pooled),
        weighted=score(of_model),
        calibrated=score(of_model, calibrated.temperature),
        dataset=dataset,
        by_class=classification_report(labels["test"], answered, output_dict=True, zero_division=0.0),
    )


def _logits(classifier: keras.Model, dataset: Dataset) -> dict[str, np.ndarray]:
    """Computes the logits of the images of both splits."""
    extractor = Extractor(classifier)
    return {split: extractor.arrays(as_input(dataset.splits[split].images))["logits"] for split in SPLITS}
