"""Training of the reference classifier, and its folder with a card."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gan.config import ClassifierConfig, DataConfig
from gan.data.load import DatasetLike, as_dataset, load_dataset
from gan.data.sources.mnist5k import EMBEDDED
from gan.data.split import Split
from gan.errors import InputError, check_positive, check_seed, check_whole
from gan.evaluation.classifier.calibration import fit_temperature
from gan.evaluation.classifier.extractor import Extractor, as_input
from gan.evaluation.classifier.network import build_classifier
from gan.evaluation.metrics.error_rate import ClassifierErrorRate
from gan.saving import files, run_folder
from gan.saving.metadata import Calibration, ClassifierCard, ClassifierDataset
from gan.tolerance import Confirmation
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.global_state import restored
from gan.utils.single_training import SingleTraining


@dataclass(frozen=True)
class Distortion:
    """Random rotation, shift and zoom of training digits, each uniform up to the given limit.

    The limits keep digits recognizable: a 6 rotated by 15 degrees is still a 6. Flips are excluded, because a mirrored
    2 is not a digit, and a mirrored 5 resembles a 2. Large rotations are excluded, because half a turn makes a 6 a 9.
    """

    degrees: float = 12.0
    """Maximum rotation, in both directions."""
    shift: float = 2.0
    """Maximum shift in pixels, along both axes."""
    zoom: float = 0.12
    """Maximum relative change of size, drawn for each axis separately."""

    def __call__(self, images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Distorts each image of [B, H, W, C] in [-1, 1] differently, as a function of `key` (two whole numbers)."""
        count = tf.shape(images)[0]
        height, width = images.shape[1], images.shape[2]
        drawn = tf.random.stateless_uniform((5, count), key, -1.0, 1.0, alg="philox")
        angle = drawn[0] * self.degrees * np.pi / 180
        zoom_x, zoom_y = 1 + drawn[1] * self.zoom, 1 + drawn[2] * self.zoom
        a, b = tf.cos(angle) * zoom_x, -tf.sin(angle) * zoom_y
        c, d = tf.sin(angle) * zoom_x, tf.cos(angle) * zoom_y
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2  # the center of the image moves only by the shift
        shift_x = middle_x - a * middle_x - b * middle_y + drawn[3] * self.shift
        shift_y = middle_y - c * middle_x - d * middle_y + drawn[4] * self.shift
        nothing = tf.zeros(count)
        transforms = tf.stack([a, b, shift_x, c, d, shift_y, nothing, nothing], axis=1)
        return keras.ops.image.affine_transform(
            images, transforms, fill_mode="constant", fill_value=-1.0, data_format="channels_last"
        )


@restored()
@checked
def train_classifier(
    train: Split,
    validation: Split,
    *,
    num_classes: int,
    width: int = 32,
    blocks: int = 2,
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    distortion: Distortion | None = None,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> keras.Model:
    """Trains a classifier, and returns it, uncompiled, with the weights of the best epoch on `validation`.

    The optimizer is Adam with cosine decay and a moving average of the weights (half-life 20,000 images, at most 1/32
    of the run). `distortion` (None: `Distortion()`) draws a new distortion of each training image in each epoch.

    Args:
        callbacks: Keras callbacks. Their logs are accuracy and loss, and those of `ClassifierErrorRate`, of both
            splits: accuracy, error_rate, val_error_rate_upper, and so on. At the end of an epoch, the model has the
            averaged weights. Weights that a callback sets when the training ends replace those of the best epoch.
        verbose: what is printed: 0, nothing; 1, a progress bar; 2, a line for each epoch.
    """
    check_whole("epochs", epochs, 1)
    check_positive("learning_rate", learning_rate)
    check_seed(seed)
    if train.labels is None or validation.labels is None:
        raise InputError("A classifier needs labels", expected="splits with labels", received="none")
    check_whole("batch_size", batch_size, 1, len(train))
    distortion = distortion or Distortion()
    keras.utils.set_random_seed(seed)
    classifier = build_classifier(train.images.shape[1:], num_classes, width=width, blocks=blocks)
    steps = len(train) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps, alpha=0.01)
    kept = 0.5 ** (batch_size / min(20_000, max(1, epochs * len(train) // 32)))
    classifier.compile(
        keras.optimizers.Adam(rate, use_ema=True, ema_momentum=kept, ema_overwrite_frequency=steps),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", ClassifierErrorRate()],
        jit_compile=False,
    )
    shown = [_Progress()] if verbose and sys.stdout is not None else []  # it would fail on pythonw, without stdout
    # the best weights first, so that a later callback may replace them
    called = [_BestWeights("val_accuracy"), *shown, *callbacks]
    callback_list = SingleTraining(
        called, add_history=True, model=classifier, epochs=epochs, steps=steps, verbose=verbose
    )
    with callback_list.training():
        for epoch in range(epochs):
            batches = train.batches(
                batch_size, steps=steps, seed=seed, first_step=epoch * steps, reshuffle_each_iteration=False
            )
            distorted = batches.enumerate(epoch * steps).map(
                lambda step, data: (distortion(data[0], tf.stack([tf.constant(seed, tf.int64), step])), data[1]),
                num_parallel_calls=2,
            )
            classifier.fit(
                distorted,
                validation_data=(as_input(validation.images), validation.labels),
                validation_batch_size=500,
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=callback_list,
                shuffle=False,
            )
            if classifier.stop_training:
                break
    # without the optimizer, whose state is three times the weights and which a clone would keep
    plain = keras.Model.from_config(classifier.get_config())
    plain.set_weights(classifier.get_weights())
    return plain


class _BestWeights(keras.callbacks.Callback):
    """Restores, when a training ends, the weights of the epoch with the highest value of a log.

    Of equal epochs, the first one counts.
    """

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor
        self.best = -np.inf
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        value = (logs or {})[self.monitor]
        if value > self.best:
            self.best, self.weights = value, self.model.get_weights()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self.weights:
            self.model.set_weights(self.weights)


class _Progress(keras.callbacks.ProgbarLogger):
    """Prints the logs as Keras does, without the error rate: it is 1 - accuracy."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        super().on_train_batch_end(batch, _without_error_rate(logs))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        super().on_epoch_end(epoch, _without_error_rate(logs))


def _without_error_rate(logs: dict[str, float] | None) -> dict[str, float]:
    return {name: value for name, value in (logs or {}).items() if "error_rate" not in name}


@restored()
@checked
def make_classifier(
    config: ClassifierConfig,
    output: str | Path | None,
    *,
    name: str,
    dataset: DatasetLike | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> ClassifierCard:
    """Trains a classifier, measures it once on the test split, and writes classifier.keras and its card, config.json.

    The temperature of its probabilities is fitted on the validation split.

    The embedded digits are removed from the training images of `mnist`, so that the classifier can also evaluate
    `mnist5k`. Returns the card: the supported datasets, accuracies, a report per class (precision, recall, f1,
    support), the confirmations of a callback, and the SHA-256 that loading checks.

    Args:
        config: options. A tolerance needs a callback that confirms it: `ToleranceEarlyStopping(..., confirm=...)`.
        output: folder to create. None: the next number in runs/.
        name: name of the classifier.
        dataset: images to use instead of the dataset of `config`, as for `gan.train`.
        callbacks, verbose: as for `train_classifier`.

    Raises `InputError` if the dataset has no labels or is not available, or the folder cannot be used.
    """
    from sklearn.metrics import classification_report  # slow to import; `gan train` imports this module

    run_folder.check_output(output)
    device = runtime.start(seed=config.seed)
    if dataset is None:
        dataset = load_dataset(config.dataset, fallback=config.data.dataset_fallback, **config.data.loading)
    dataset = as_dataset(dataset)
    if not dataset.num_classes:
        raise InputError("A classifier needs labels", expected="a dataset with labels", received=config.dataset)
    train = without_embedded(dataset.train, config.data) if dataset.name == "mnist" else dataset.train
    started, revision = time.monotonic(), runtime.git_revision()
    classifier = trained(
        config, train, dataset.validation, num_classes=dataset.num_classes, callbacks=callbacks, verbose=verbose
    )
    seconds = time.monotonic() - started
    extractor = Extractor(classifier)
    logits = {
        split: extractor.arrays(as_input(part.images))["logits"]
        for split, part in (("validation", dataset.validation), ("test", dataset.test))
    }
    seen = {split: found.argmax(axis=1) for split, found in logits.items()}
    temperature = fit_temperature(logits["validation"], np.asarray(dataset.validation.labels))
    folder = run_folder.new_run(output, name)
    files.write(folder / run_folder.CLASSIFIER, classifier.save)
    card = ClassifierCard(
        name=name,
        config=config,
        data_sets=(dataset.name, EMBEDDED) if dataset.name == "mnist" else (dataset.name,),
        dataset=ClassifierDataset(
            name=dataset.name,
            image_shape=dataset.image_shape,
            num_classes=dataset.num_classes,
            train=len(train),
            left_out=len(dataset.train) - len(train),
            validation=len(dataset.validation),
            test=len(dataset.test),
            train_sha256=dataset.fingerprint,
        ),
        weights=classifier.count_params(),
        accuracy={
            "validation": float(np.mean(seen["validation"] == dataset.validation.labels)),
            "test": float(np.mean(seen["test"] == dataset.test.labels)),
        },
        by_class=classification_report(dataset.test.labels, seen["test"], output_dict=True, zero_division=0.0),
        calibration=Calibration(temperature=temperature),
        confirmations=_confirmations(callbacks),
        seconds=round(seconds, 1),
        device=device,
        versions=runtime.versions(),
        git_revision=revision,
        sha256=files.sha256(folder / run_folder.CLASSIFIER),
    )
    files.write_json(folder / run_folder.CONFIG, card.as_dict())
    return card


def trained(
    config: ClassifierConfig,
    train: Split,
    validation: Split,
    *,
    num_classes: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> keras.Model:
    """Trains the classifier of a configuration on the given splits, see `train_classifier`.

    Raises `InputError` for a configuration with a tolerance that no callback confirms.
    """
    if config.tolerance is not None and not any(getattr(callback, "confirm", None) for callback in callbacks):
        expected = "a callback that does: ToleranceEarlyStopping(..., confirm=...)"
        raise InputError("Nothing confirms the tolerance", expected=expected, received=f"tolerance={config.tolerance}")
    return train_classifier(
        train,
        validation,
        num_classes=num_classes,
        width=config.width,
        blocks=config.blocks,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
        callbacks=callbacks,
        verbose=verbose,
    )


def _confirmations(callbacks: Sequence[keras.callbacks.Callback]) -> tuple[Confirmation, ...]:
    found = [one for callback in callbacks for one in getattr(callback, "confirmations", ())]
    return tuple(one for one in found if isinstance(one, Confirmation))


def without_embedded(split: Split, data: DataConfig | None = None) -> Split:
    """Removes the digits of `mnist5k` from a split of `mnist`. data: the options that read it; None: the defaults."""
    embedded = load_dataset(EMBEDDED, **(data or DataConfig()).loading)
    known = {image.tobytes() for part in (embedded.train, embedded.validation, embedded.test) for image in part.images}
    return split.take(np.flatnonzero([image.tobytes() not in known for image in split.images]))
