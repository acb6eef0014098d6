"""Tests calibrated probabilities, the bound of refusal, and answers for image files."""

import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw

from gan.errors import InputError
from gan.evaluation.classifier.answers import answer, read_digits
from gan.evaluation.classifier.calibration import choose_bound, fit_temperature, probabilities
from gan.evaluation.classifier.extractor import as_input, load_classifier
from gan.evaluation.classifier.sheet import draw_readings
from gan.evaluation.features import FEATURES
from gan.saving.metadata import Calibration, ClassifierCard, ClassifierDataset

STROKES = {
    1: [(130, 50), (126, 230)],
    4: [(150, 240), (150, 45), (55, 170), (205, 170)],
    7: [(60, 60), (190, 55), (110, 230)],
}
LIGHTS = {"even": (0.0, 0.0), "noise": (0.0, 6.0), "shade": (0.25, 0.0), "both": (0.25, 6.0)}
"""Name -> light that is lost across the page, as a share, and the noise of the sensor, of 255."""


def photographed(paper, shade, noise):
    """Returns a gray page in uneven light, with noise."""
    rng = np.random.default_rng(0)
    light = 1 - shade + shade * np.linspace(0, 1, paper.width)
    pixels = np.asarray(paper, float) * light + rng.normal(0, 1, (paper.height, paper.width)) * noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def drawn(strokes, shade=0.25, noise=6.0, paper=215, ink=40, width=14):
    """Photographs strokes (lists of points) on a gray page."""
    page = Image.new("L", (260, 280), paper)
    for stroke in strokes:
        ImageDraw.Draw(page).line(stroke, fill=ink, width=width, joint="curve")
    return photographed(page, shade, noise)


@pytest.fixture(scope="module")
def reader():
    return load_classifier("mnist-reader")


def read(reader, tmp_path, pictures, **options):
    files = [tmp_path / f"{number}.png" for number in range(len(pictures))]
    for file, picture in zip(files, pictures):
        picture.save(file)
    return read_digits(files, *reader, **options)


def test_temperature_is_found_again():
    """Labels are drawn from softmax(logits / 2.5), so 2.5 is the best temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 5, (20_000, 10)).astype(np.float32)
    shares = probabilities(logits, Calibration(temperature=2.5))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    labels = (shares.cumsum(axis=1) > rng.uniform(size=(len(logits), 1))).argmax(axis=1)
    assert fit_temperature(logits, labels) == pytest.approx(2.5, rel=0.03)


@pytest.mark.parametrize(("most", "answered"), [(0.0, 0), (0.1, 1), (0.25, 2), (0.39, 3)])
def test_bound_answers_at_most_the_share(most, answered):
    others = np.arange(1, 11) / 11
    bound = choose_bound(others, most)
    assert np.count_nonzero(others >= bound) == answered
    assert np.count_nonzero(others >= np.nextafter(bound, 0)) == answered + 1  # no smaller bound does
    with pytest.raises(InputError, match="No bound can be chosen"):
        choose_bound(np.array([]), most)


@pytest.fixture(scope="module")
def copying():
    """A classifier whose three logits are the first three pixels."""
    inputs = keras.Input((1, 4, 1))
    pixels = keras.layers.Flatten(name=FEATURES)(inputs)
    return keras.Model(inputs, keras.layers.Lambda(lambda x: x[:, :3])(pixels))


def card(**calibration):
    made = Calibration(**calibration) if calibration else None
    dataset = ClassifierDataset(image_shape=(1, 4, 1))
    return ClassifierCard(data_sets=("mnist",), dataset=dataset, sha256="", calibration=made)


def test_answers_follow_temperature_bound_and_the_outcome_of_no_class(copying):
    logits = np.log([[0.7, 0.2, 0.1, 1.0], [0.3, 0.5, 0.2, 1.0], [0.1, 0.2, 0.7, 1.0]])
    batch = logits.astype(np.float32)[:, None, :, None]

    def outcomes(*more, **calibration):
        return [(a.label, round(a.probability, 3)) for a in answer(copying, card(**calibration), batch, **dict(more))]

    assert outcomes() == [(0, 0.7), (1, 0.5), (2, 0.7)]
    assert outcomes(bound=0.6) == [(0, 0.7), (None, 0.5), (2, 0.7)]
    assert outcomes(("bound", 0.4), bound=0.6) == [(0, 0.7), (1, 0.5), (2, 0.7)]
    assert outcomes(bound=0.4, rejects=True) == [(0, 0.7), (1, 0.5), (None, 0.2)]
    squared = 0.49 / (0.49 + 0.04 + 0.01)
    assert outcomes(temperature=0.5)[0] == (0, round(squared, 3))
    refused = answer(copying, card(bound=0.6, rejects=True), batch)
    assert refused[1].reason == "looks like 1 with probability 0.50, less than 0.60"
    assert refused[2].reason == "no digit, with probability 0.70"
    assert [a.best for a in refused] == [0, 1, 1]


def test_twelve_photographs_are_read(reader, tmp_path):
    pictures = [drawn([points], *light) for points in STROKES.values() for light in LIGHTS.values()]
    readings = read(reader, tmp_path, pictures)
    assert [reading.answer.label for reading in readings] == [label for label in STROKES for _ in LIGHTS]


CONDITIONS = {
    "chalk": lambda points: drawn([points], paper=40, ink=220),
    "thin pen": lambda points: drawn([points], width=3),
    "faint": lambda points: drawn([points], ink=165, noise=3),
    "hard shadow": lambda points: Image.fromarray(
        (np.asarray(drawn([points])) * np.where(np.arange(260) < 120, 1, 0.6)).astype(np.uint8)
    ),
    "ruled": lambda points: Image.fromarray(
        np.minimum(np.asarray(drawn([points], width=9)), np.where(np.arange(280) % 28 < 2, 150, 255)[:, None]).astype(
            np.uint8
        )
    ),
    "rotated": lambda points: drawn([points]).rotate(6, fillcolor=190),
    "large": lambda points: drawn([points]).resize((2_600, 2_800)),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_digits_are_read_in_other_conditions(reader, tmp_path, name):
    """A bare bar may be refused: it is also a letter."""
    readings = read(reader, tmp_path, [CONDITIONS[name](points) for points in STROKES.values()])
    bar, *others = (reading.answer for reading in readings)
    assert (bar.label, bar.best) in ((1, 1), (None, 1))
    assert [given.label for given in others] == [4, 7]


def test_digits_of_the_dataset_are_read(reader, tmp_path, digits):
    images, labels = digits.test.images[::5], digits.test.labels[::5]
    readings = read(reader, tmp_path, [Image.fromarray(image[..., 0]) for image in images])
    answers = [reading.answer.label for reading in readings]
    assert np.mean([given is not None for given in answers]) >= 0.9
    assert all(given in (None, label) for given, label in zip(answers, labels))


OTHERS = {
    "A": drawn([[(60, 230), (130, 50), (200, 230)], [(88, 160), (172, 160)]]),
    "K": drawn([[(80, 50), (80, 230)], [(190, 50), (80, 150), (200, 230)]]),
    "M": drawn([[(50, 230), (60, 50), (130, 160), (200, 50), (210, 230)]]),
    "cross": drawn([[(130, 60), (130, 230)], [(50, 145), (210, 145)]]),
    "two digits": drawn([[(20, 60), (110, 55), (60, 230)], [(180, 50), (178, 230)]], width=10),
    "paper": drawn([]),
    "noise": Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)),
    "tiles": Image.fromarray((np.indices((200, 200)) // 20).sum(axis=0).astype(np.uint8) % 2 * 200),
}


@pytest.mark.parametrize("name", OTHERS)
def test_pictures_without_one_digit_are_refused(reader, tmp_path, name):
    (reading,) = read(reader, tmp_path, [OTHERS[name]])
    assert reading.answer.label is None
    assert reading.answer.reason


def test_a_file_that_cannot_be_read_does_not_stop_others(reader, tmp_path):
    drawn([STROKES[7]]).save(tmp_path / "7.png")
    (tmp_path / "text.png").write_text("no")
    one, other = read_digits([tmp_path / "text.png", tmp_path / "7.png"], *reader)
    assert (one.answer.label, one.found, one.answer.reason) == (None, None, "This file is not an image")
    assert other.answer.label == 7
    left, top, right, bottom = other.found.box
    np.testing.assert_allclose([left, top, right, bottom], [54, 49, 197, 236], atol=6)

    sheet = draw_readings([one, other])
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] > 2 * 300
    assert (sheet == (220, 30, 30)).all(axis=-1).any()  # the box


def test_an_own_classifier_without_a_bound_answers_every_picture(small_classifier, tmp_path, digits):
    classifier, card = load_classifier(small_classifier[0])
    assert card.calibration.temperature > 0
    assert card.calibration.bound is None
    answers = answer(classifier, card, as_input(digits.test.images[:20]))
    assert all(given.label is not None for given in answers)
    shares = probabilities(np.array([[1.0, 2.0, 4.0]]), Calibration())
    np.testing.assert_allclose(shares, np.exp([[1, 2, 4]]) / np.exp([1, 2, 4]).sum())
