"""Makes a mixture of saved generators, and writes its folder: generator.keras and mixture.json."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from gan.config import DataConfig
from gan.data.load import load_dataset
from gan.errors import InputError
from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.load import load_generator
from gan.models.networks.mixture import build_mixture
from gan.saving import files, run_folder
from gan.saving.metadata import RunDataset, check_dataset
from gan.saving.mixture import FitRecord, MixtureComponent, MixtureRecord, save_mixture
from gan.selection.mixture_inputs import MixtureInputs, name_of
from gan.selection.mixture_weights import MIXTURE_SEED, MixtureFit, fit_mixture
from gan.utils import tensorflow as runtime
from gan.utils.signals import deferred_signals


@dataclass(frozen=True)
class SavedMixture:
    """The folder of a mixture, and its record."""

    folder: Path
    record: MixtureRecord


def make_mixture(
    given: MixtureInputs,
    output: str | os.PathLike[str] | None = None,
    *,
    num: int | None = None,
    seed: int = MIXTURE_SEED,
) -> SavedMixture:
    """Fits the weights of a mixture, unless they are given, and writes its folder.

    Args:
        given: the generators, from `MixtureInputs.find`.
        output: a new or empty folder. None: the next numbered folder in `runs/`.
        num, seed: samples of the fit, as for `fit_mixture`.

    Raises `InputError` as `build_mixture`, `fit_mixture` and `load_dataset` do, and for images that have changed since
    the training. Then nothing is written.
    """
    run_folder.check_output(output)
    generators = [load_generator(saved.file) for saved in given.saved]  # type: ignore[arg-type]  # not exported
    fit, data, config = None, given.known, given.data
    equal = [1 / len(generators)] * len(generators)
    first = build_mixture(generators, equal if given.weights is None else given.weights)  # refused before the data
    if data is None:
        config = _for_images(config, first.output_shape[1:])
    if given.classifier is not None or data is None:
        dataset = load_dataset(config.dataset if data is None else data.name, fallback="none", **config.loading)
        if data is not None:
            check_dataset(data, dataset.describe(), "The images have changed since the training of the generators")
        data = dataset.describe()
        if given.classifier is not None:
            fit = fit_mixture(generators, dataset, given.classifier, num=num, seed=seed)
    weights = given.weights if fit is None else fit.weights
    assert weights is not None  # given or fitted
    mixture = build_mixture(generators, weights)
    if tuple(mixture.output_shape[1:]) != data.image_shape:
        raise InputError(
            "Generators and dataset differ in image shape",
            expected=str(data.image_shape),
            received=str(tuple(mixture.output_shape[1:])),
        )
    with deferred_signals():
        folder = run_folder.new_run(output, "mixture")
        path = folder / run_folder.GENERATOR
        files.write(path, mixture.save)
        record = _record(replace(given, data=config), generators, data, weights, fit, files.sha256(path))
        save_mixture(folder, record)
    return SavedMixture(folder, record)


def _for_images(data: DataConfig, shape: tuple[int, int, int]) -> DataConfig:
    """Returns the options that load a dataset with the image shape of the generators, where they say nothing else."""
    height, width, channels = shape
    size = replace(data, image_size=data.image_size or f"{height}x{width}")
    if channels not in (1, 3) or data.channels is not None:
        return size
    return replace(size, channels=channels)  # type: ignore[arg-type]  # 1 or 3


def _record(
    given: MixtureInputs,
    generators: Sequence[keras.Model],
    data: RunDataset,
    weights: tuple[float, ...],
    fit: MixtureFit | None,
    sha256: str,
) -> MixtureRecord:
    components = tuple(
        MixtureComponent(
            name=name_of(saved),
            sha256=saved.summary.sha256,
            weight=weight,
            latent_dim=NetworkInputs.of(generator).latent_dim,
            train_sha256=saved.trained_on.train_sha256 if saved.trained_on else None,
        )
        for saved, generator, weight in zip(given.saved, generators, weights)
    )
    found = None
    if fit is not None and given.classifier is not None:
        found = FitRecord(
            num=fit.num,
            seed=fit.seed,
            split=fit.split,
            classifier_sha256=given.classifier.card.sha256,
            distance=fit.distance,
            equal=fit.equal,
            single=fit.single,
        )
    return MixtureRecord(
        components=components,
        fit=found,
        data=given.data,
        dataset=data,
        versions=runtime.versions(),
        git_revision=runtime.git_revision(),
        sha256=sha256,
    )
