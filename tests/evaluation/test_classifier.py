import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import values

from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor, as_input, classify, load_classifier
from gan.evaluation.classifier.training import Distortion, _BestWeights, train_classifier
from gan.saving import files, models


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
    pictures = as_input(digits.test.images[:53])
    extractor = Extractor(classifier)
    assert (extractor.features, extractor.classes) == (128, 10)
    whole = extractor.arrays(pictures)
    assert {name: part.shape for name, part in whole.items()} == {"features": (53, 128), "logits": (53, 10)}
    for name, part in extractor.arrays(pictures, batch_size=7).items():
        np.testing.assert_allclose(part, whole[name], atol=1e-4)
    np.testing.assert_allclose(whole["logits"], classifier(pictures, training=False), atol=1e-4)


def test_a_tampered_or_missing_classifier_is_refused(small_classifier, tmp_path):
    for name in ("classifier.keras", "config.json"):
        (tmp_path / name).write_bytes((small_classifier[0] / name).read_bytes())
    load_classifier(tmp_path)
    with (tmp_path / "classifier.keras").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="does not match its card"):
        load_classifier(tmp_path)
    with pytest.raises(InputError, match="No such classifier"):
        load_classifier("nonsense")


def test_no_distortion_leaves_pictures_alone():
    pictures = tf.random.stateless_uniform((3, 12, 12, 1), (0, 0), -1, 1)
    np.testing.assert_allclose(Distortion(0.0, 0.0, 0.0)(pictures, tf.constant([0, 0])), pictures, atol=1e-5)


def test_a_distortion_turns_about_the_middle_and_shifts_within_its_limits():
    point = np.full((200, 21, 21, 1), -1.0, np.float32)
    point[:, 9:12, 9:12] = 1.0
    rows = np.arange(21)
    ink = (Distortion(180.0, 0.0, 0.0)(tf.constant(point), tf.constant([1, 2])).numpy()[..., 0] + 1) / 2
    np.testing.assert_allclose((ink.sum(axis=2) @ rows) / ink.sum(axis=(1, 2)), 10, atol=0.1)
    ink = (Distortion(0.0, 3.0, 0.0)(tf.constant(point), tf.constant([1, 2])).numpy()[..., 0] + 1) / 2
    moved = (ink.sum(axis=2) @ rows) / ink.sum(axis=(1, 2)) - 10
    assert 2 < np.abs(moved).max() <= 3.01
    assert moved.min() < 0 < moved.max()


def test_a_distortion_is_a_function_of_its_key():
    pictures, distort = tf.random.stateless_uniform((4, 12, 12, 1), (0, 0), -1, 1), Distortion()
    first = distort(pictures, tf.constant([5, 1]))
    np.testing.assert_array_equal(first, distort(pictures, tf.constant([5, 1])))
    assert not np.allclose(first, distort(pictures, tf.constant([5, 2])))


def test_a_distortion_turns_up_to_its_angle_and_never_flips():
    """A dot to the right of the middle and one above it: their angles from the middle tell turn and flip."""
    place = np.full((2, 300, 41, 41, 1), -1.0, np.float32)
    place[0, :, 19:22, 33:36] = place[1, :, 5:8, 19:22] = 1.0
    turned = []
    for points, (right, up) in zip(place, ((14, 0), (0, 14))):
        ink = Distortion(shift=0.0)(tf.constant(points), tf.constant([1, 2])).numpy()[..., 0] + 1
        rows, columns = (ink.sum(axis=axis) @ np.arange(41) / ink.sum(axis=(1, 2)) - 20 for axis in (2, 1))
        turned.append(np.angle((columns - 1j * rows) / (right + 1j * up), deg=True))
    both = np.mean(turned, axis=0)  # zooms of the two axes move them apart
    assert 9 < np.abs(both).max() < 15
    assert both.min() < 0 < both.max()
    assert np.abs(turned).max() < 30  # 180 for one of them after a flip


def test_the_best_epoch_is_kept_and_the_first_of_equals():
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
def test_training_repeats_itself(digits):
    small = digits.train.take(np.arange(0, 4_000, 10))
    options = {"num_classes": 10, "width": 4, "blocks": 1, "epochs": 1, "batch_size": 50, "seed": 1}
    one, again = (train_classifier(small, digits.validation, **options) for _ in range(2))
    for a, b in zip(values(one), values(again)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    with pytest.raises(InputError, match=r"`batch_size`. Expected a whole number from 1 to 400"):
        train_classifier(small, digits.validation, **{**options, "batch_size": 401})


def test_a_card_of_something_else_is_refused(small_classifier, tmp_path):
    (tmp_path / "classifier.keras").write_bytes((small_classifier[0] / "classifier.keras").read_bytes())
    for card in ("[]", "{}", '{"sha256": "x"}'):
        (tmp_path / "config.json").write_text(card)
        with pytest.raises(InputError, match=r"in .*config\.json\. Expected"):
            load_classifier(tmp_path)


def test_a_data_set_without_labels_is_refused(digits):
    from gan.data.split import Split

    with pytest.raises(InputError, match="labels"):
        train_classifier(Split(digits.train.images, None), digits.validation, num_classes=10)


def pretrained(name):
    if not (models.pretrained_folder() / name).is_dir():
        pytest.fail(f"{name} is not pretrained")
    return load_classifier(name)


def test_pretrained_classifiers_are_as_good_as_their_cards_say(digits):
    accuracy = {}
    for name, least in (("mnist-classifier", 0.995), ("mnist-probe", 0.990)):
        classifier, card = pretrained(name)
        assert card.accuracy["test"] >= least
        labels, _ = classify(classifier, as_input(digits.train.images))  # none of these was trained on
        accuracy[name] = np.mean(labels == digits.train.labels)
        assert accuracy[name] >= least - 0.004
        assert card.data_sets == ("mnist", "mnist5k")
        assert card.dataset.left_out + card.dataset.train == 50_000


@pytest.mark.slow  # the test above reads the 4,000 embedded digits
def test_the_pretrained_classifiers_are_right_on_full_mnist(full_mnist):
    for name in ("mnist-classifier", "mnist-probe"):
        classifier, card = pretrained(name)
        labels, _ = classify(classifier, as_input(full_mnist.test.images))
        assert np.mean(labels == full_mnist.test.labels) == pytest.approx(card.accuracy["test"], abs=1e-4)


def test_the_probe_is_at_least_four_times_cheaper():
    """Counted in multiplications of the convolutions and dense layers, not timed."""

    def cost(model):
        total = 0
        for layer in model.layers:
            if hasattr(layer, "kernel"):
                places = np.prod(layer.output.shape[1:-1]) if "conv" in layer.name else 1
                total += int(np.prod(layer.kernel.shape) * places)
        return total

    assert cost(pretrained("mnist-classifier")[0]) >= 4 * cost(pretrained("mnist-probe")[0])
