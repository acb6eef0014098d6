"""Tests of the classifiers of reports and probes: training, cards, distortions and the pretrained ones."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import values

from gan.config import ClassifierConfig
from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor, as_input, classify, load_classifier
from gan.evaluation.classifier.network import build_classifier
from gan.evaluation.classifier.training import Distortion, _BestWeights, make_classifier, train_classifier
from gan.saving import files, models
from gan.saving.metadata import classifier_card
from gan.tolerance import Confirmation, wilson_interval
from gan.training.callbacks import ToleranceEarlyStopping


def test_a_small_classifier_learns_and_writes_its_card(small_classifier, digits):
    folder, card = small_classifier
    assert card.accuracy["test"] > 0.93
    assert json.loads((folder / "config.json").read_text())["sha256"] == files.sha256(folder / "classifier.keras")
    assert set(card.by_class) >= {str(label) for label in range(10)}
    assert set(card.by_class["7"]) == {"precision", "recall", "f1-score", "support"}
    classifier, _ = load_classifier(folder)
    labels, probabilities = classify(classifier, as_input(digits.test.images))
    assert np.mean(labels == digits.test.labels) == card.accuracy["test"]
    assert ((probabilities >= 0.1) & (probabilities <= 1)).all()


def test_outputs_do_not_depend_on_the_batch_and_count_every_image(small_classifier, digits):
    classifier, _ = load_classifier(small_classifier[0])
    images = as_input(digits.test.images[:53])
    extractor = Extractor(classifier)
    assert (extractor.features, extractor.classes) == (128, 10)
    whole = extractor.arrays(images)
    assert {name: part.shape for name, part in whole.items()} == {"features": (53, 128), "logits": (53, 10)}
    for name, part in extractor.arrays(images, batch_size=7).items():
        np.testing.assert_allclose(part, whole[name], atol=1e-4)
    np.testing.assert_allclose(whole["logits"], classifier(images, training=False), atol=1e-4)


def test_rejects_a_tampered_or_missing_classifier(small_classifier, tmp_path):
    for name in ("classifier.keras", "config.json"):
        (tmp_path / name).write_bytes((small_classifier[0] / name).read_bytes())
    load_classifier(tmp_path)
    with (tmp_path / "classifier.keras").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="does not match its card"):
        load_classifier(tmp_path)
    with pytest.raises(InputError, match="No such classifier"):
        load_classifier("nonsense")


def test_a_distortion_of_strength_zero_does_not_change_images():
    images = tf.random.stateless_uniform((3, 12, 12, 1), (0, 0), -1, 1)
    np.testing.assert_allclose(Distortion(0.0, 0.0, 0.0)(images, tf.constant([0, 0])), images, atol=1e-5)


def test_a_distortion_rotates_about_the_center_and_shifts_within_its_limits():
    point = np.full((200, 21, 21, 1), -1.0, np.float32)
    point[:, 9:12, 9:12] = 1.0
    rows = np.arange(21)
    ink = (Distortion(180.0, 0.0, 0.0)(tf.constant(point), tf.constant([1, 2])).numpy()[..., 0] + 1) / 2
    np.testing.assert_allclose((ink.sum(axis=2) @ rows) / ink.sum(axis=(1, 2)), 10, atol=0.1)
    ink = (Distortion(0.0, 3.0, 0.0)(tf.constant(point), tf.constant([1, 2])).numpy()[..., 0] + 1) / 2
    shift = (ink.sum(axis=2) @ rows) / ink.sum(axis=(1, 2)) - 10
    assert 2 < np.abs(shift).max() <= 3.01
    assert shift.min() < 0 < shift.max()


def test_a_distortion_is_a_function_of_its_key():
    images, distort = tf.random.stateless_uniform((4, 12, 12, 1), (0, 0), -1, 1), Distortion()
    first = distort(images, tf.constant([5, 1]))
    np.testing.assert_array_equal(first, distort(images, tf.constant([5, 1])))
    assert not np.allclose(first, distort(images, tf.constant([5, 2])))


def test_a_distortion_rotates_up_to_its_angle_and_never_flips():
    """A dot to the right of the center and a dot above it: their angles distinguish a rotation from a flip."""
    dots = np.full((2, 300, 41, 41, 1), -1.0, np.float32)
    dots[0, :, 19:22, 33:36] = dots[1, :, 5:8, 19:22] = 1.0
    angles = []
    for points, (right, up) in zip(dots, ((14, 0), (0, 14))):
        ink = Distortion(shift=0.0)(tf.constant(points), tf.constant([1, 2])).numpy()[..., 0] + 1
        rows, columns = (ink.sum(axis=axis) @ np.arange(41) / ink.sum(axis=(1, 2)) - 20 for axis in (2, 1))
        angles.append(np.angle((columns - 1j * rows) / (right + 1j * up), deg=True))
    both = np.mean(angles, axis=0)  # the two axes are scaled differently
    assert 9 < np.abs(both).max() < 15
    assert both.min() < 0 < both.max()
    assert np.abs(angles).max() < 30  # a flip would rotate one of the dots by 180 degrees


def test_keeps_the_best_epoch_and_the_first_of_equal_ones():
    model, best = (
        keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]),
        _BestWeights("val_accuracy"),
    )
    best.set_model(model)
    for epoch, value in enumerate((0.5, 0.9, 0.9, 0.7)):
        model.set_weights([np.array([[float(epoch)]])])
        best.on_epoch_end(epoch, {"val_accuracy": value})
    assert best.weights[0].item() == 1.0


@pytest.mark.usefixtures("float64")
def test_training_is_reproducible(digits):
    small = digits.train.take(np.arange(0, 4_000, 10))
    options = {"num_classes": 10, "width": 4, "blocks": 1, "epochs": 1, "batch_size": 50, "seed": 1}
    first, second = (train_classifier(small, digits.validation, **options) for _ in range(2))
    for a, b in zip(values(first), values(second)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    with pytest.raises(InputError, match=r"`batch_size`. Expected a whole number from 1 to 400"):
        train_classifier(small, digits.validation, **{**options, "batch_size": 401})


class Recorder(keras.callbacks.Callback):
    """Records what a callback sees, and stops the training after an epoch (numbered from 0)."""

    def __init__(self, stop_after=99):
        super().__init__()
        self.calls, self.logs, self.weights, self.stop_after = [], [], [], stop_after

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_train_end(self, logs=None):
        self.calls.append("failed" if (logs or {}).get("failed") else "end")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(epoch)
        self.logs.append(dict(logs))
        self.weights.append(self.model.get_weights())
        self.model.stop_training = epoch == self.stop_after


SMALL = {"num_classes": 10, "width": 2, "blocks": 1, "batch_size": 50, "seed": 1}


def fit_plainly(train, validation, *, epochs, num_classes, width, blocks, batch_size, seed):
    """Trains as `train_classifier` does, in a loop over `fit` with the best epoch as its only callback."""
    keras.utils.set_random_seed(seed)
    model = build_classifier(train.images.shape[1:], num_classes, width=width, blocks=blocks)
    steps, best, distort = len(train) // batch_size, _BestWeights("val_accuracy"), Distortion()
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * steps, alpha=0.01)
    kept = 0.5 ** (batch_size / min(20_000, max(1, epochs * len(train) // 32)))
    optimizer = keras.optimizers.Adam(rate, use_ema=True, ema_momentum=kept, ema_overwrite_frequency=steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    for epoch in range(epochs):
        batches = train.batches(
            batch_size, steps=steps, seed=seed, first_step=epoch * steps, reshuffle_each_iteration=False
        ).enumerate(epoch * steps)
        model.fit(
            batches.map(lambda step, data: (distort(data[0], tf.stack([tf.constant(seed, tf.int64), step])), data[1])),
            validation_data=(as_input(validation.images), validation.labels),
            validation_batch_size=500,
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=[best],
            shuffle=False,
            verbose=0,
        )
    return best.weights


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_callbacks_change_nothing(digits):
    small = digits.train.take(np.arange(0, 4_000, 20))
    watched = train_classifier(small, digits.validation, **SMALL, epochs=3, callbacks=[Recorder()])
    for a, b in zip(watched.get_weights(), fit_plainly(small, digits.validation, **SMALL, epochs=3), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_callbacks_see_a_single_training_of_which_the_best_epoch_is_returned(digits):
    small, recorder = digits.train.take(np.arange(0, 4_000, 20)), Recorder(stop_after=1)
    returned = train_classifier(small, digits.validation, **SMALL, epochs=4, callbacks=[recorder])
    assert recorder.calls == ["begin", 0, 1, "end"]
    assert recorder.params["epochs"] == 4
    for logs in recorder.logs:
        wrong = round((1 - logs["val_accuracy"]) * 500)
        assert logs["val_error_rate"] == pytest.approx(wrong / 500)
        assert logs["val_error_rate_upper"] == pytest.approx(wilson_interval(wrong, 500)[1])
    best = int(np.argmax([logs["val_accuracy"] for logs in recorder.logs]))
    for a, b in zip(returned.get_weights(), recorder.weights[best], strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_that_a_callback_sets_at_the_end_are_returned(digits):
    class Zeros(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.set_weights([np.zeros_like(weight) for weight in self.model.get_weights()])

    small = digits.train.take(np.arange(0, 4_000, 20))
    returned = train_classifier(small, digits.validation, **SMALL, epochs=1, callbacks=[Zeros()])
    assert not any(weight.any() for weight in returned.get_weights())


def test_an_error_of_a_callback_ends_the_training(digits):
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise OSError("the disk is full")

    recorder = Recorder()
    small = digits.train.take(np.arange(0, 4_000, 20))
    with pytest.raises(OSError, match="the disk is full"):
        train_classifier(small, digits.validation, **SMALL, epochs=2, callbacks=[recorder, Failing()])
    assert recorder.calls == ["begin", 0, "failed"]


def test_a_tolerance_needs_a_callback_that_confirms_it(digits, tmp_path):
    config = ClassifierConfig(dataset="mnist5k", tolerance=0.02)
    watching = ToleranceEarlyStopping("val_error_rate_upper", "min", target=0.02)
    for callbacks in ([], [watching]):
        with pytest.raises(InputError, match=r"Nothing confirms the tolerance.*Received: tolerance=0\.02"):
            make_classifier(config, tmp_path / "new", name="new", dataset=digits, callbacks=callbacks)
    assert not (tmp_path / "new").exists()


def test_a_card_has_confirmations_and_a_tolerance_only_if_there_are_some(small_classifier):
    _, card = small_classifier
    assert "confirmations" not in card.as_dict()
    assert "tolerance" not in card.as_dict()["config"]
    done = Confirmation(attempt=1, interval=3, wrong=1, num=500, confidence=0.95, verdict="within")
    confirmed = replace(card, config=replace(card.config, tolerance=0.02), confirmations=(done,))
    assert confirmed.as_dict()["config"]["tolerance"] == 0.02
    assert classifier_card(json.loads(json.dumps(confirmed.as_dict())), "config.json") == confirmed


def test_rejects_a_malformed_card(small_classifier, tmp_path):
    (tmp_path / "classifier.keras").write_bytes((small_classifier[0] / "classifier.keras").read_bytes())
    for card in ("[]", "{}", '{"sha256": "x"}'):
        (tmp_path / "config.json").write_text(card)
        with pytest.raises(InputError, match=r"in .*config\.json\. Expected"):
            load_classifier(tmp_path)


def test_rejects_a_dataset_without_labels(digits):
    from gan.data.split import Split

    with pytest.raises(InputError, match="labels"):
        train_classifier(Split(digits.train.images, None), digits.validation, num_classes=10)


def pretrained(name):
    if not (models.pretrained_folder() / name).is_dir():
        pytest.fail(f"{name} is not pretrained")
    return load_classifier(name)


def test_pretrained_classifiers_reach_the_accuracy_of_their_cards(digits):
    accuracy = {}
    for name, minimum in (("mnist-classifier", 0.995), ("mnist-probe", 0.990)):
        classifier, card = pretrained(name)
        assert card.accuracy["test"] >= minimum
        labels, _ = classify(classifier, as_input(digits.train.images))  # no classifier was trained on these images
        accuracy[name] = np.mean(labels == digits.train.labels)
        assert accuracy[name] >= minimum - 0.004
        assert card.data_sets == ("mnist", "mnist5k")
        assert card.dataset.left_out + card.dataset.train == 50_000


@pytest.mark.slow  # the test above reads the 4,000 embedded digits
def test_pretrained_classifiers_reach_their_accuracy_on_full_mnist(full_mnist):
    for name in ("mnist-classifier", "mnist-probe"):
        classifier, card = pretrained(name)
        labels, _ = classify(classifier, as_input(full_mnist.test.images))
        assert np.mean(labels == full_mnist.test.labels) == pytest.approx(card.accuracy["test"], abs=1e-4)


def test_the_probe_is_at_least_four_times_cheaper():
    """The cost is the number of multiplications in convolutions and dense layers, not a time."""

    def cost(model):
        total = 0
        for layer in model.layers:
            if hasattr(layer, "kernel"):
                positions = np.prod(layer.output.shape[1:-1]) if "conv" in layer.name else 1
                total += int(np.prod(layer.kernel.shape) * positions)
        return total

    assert cost(pretrained("mnist-classifier")[0]) >= 4 * cost(pretrained("mnist-probe")[0])
