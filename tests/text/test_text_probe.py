"""What is measured on a text GAN while it trains, and the sheet of its texts."""

from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.recognizers import record_of, tiny_corpus, write_table

from gan.data.images import from_uint8
from gan.errors import InputError
from gan.text.data.corpora import load_corpus
from gan.text.generation.quality import principal_components
from gan.text.generation.text_images import image_dataset, numbers_to_images
from gan.text.generation.text_probe import make_text_probe
from gan.text.generation.text_sheet import draw_sheet
from gan.text.recognition.recognizer import Recognizer
from gan.text.recognition.recognizer_config import RecognizerConfig
from gan.text.recognition.recognizer_network import build_recognizer


@pytest.mark.parametrize("length", [5, pytest.param(12, marks=pytest.mark.slow)])
def test_the_probe_reads_what_the_recognizer_reads(tmp_path: Path, length: int) -> None:
    corpus = tiny_corpus(tmp_path)  # categories east and west
    keras.utils.set_random_seed(0)
    letters = "".join(reversed(corpus.alphabet.letters[1:])) + "?"
    options = RecognizerConfig(windows=(2,), filters=3, embedding=2, members=1)
    network = build_recognizer(len(letters) + 2, length, 3, options).network
    recognizer = Recognizer(network, record_of(letters, length, "west", "north", "east"))
    dataset = image_dataset(corpus)
    probe = make_text_probe(recognizer, corpus, dataset, sha256="0")
    assert probe.sha256 == "0"
    (metric,) = probe.metrics
    split = dataset.validation
    found = metric.extract(from_uint8(split.images.astype(np.float32)))
    expected = recognizer.outputs(corpus.validation.texts)
    np.testing.assert_allclose(found["logits"][:, :3], expected["logits"][:, [2, 0, 1]], atol=1e-5)
    assert np.all(found["logits"][:, 3] == -np.inf)
    mean, components = principal_components(recognizer.outputs(corpus.train.texts)["features"])
    np.testing.assert_allclose(found["features"], (expected["features"] - mean) @ components, atol=1e-5)
    for images, labels in probe.batches:
        metric.update_state(images, images, labels)
    results = metric.result()
    assert float(results["error_rate"]) == np.mean(found["logits"].numpy().argmax(axis=1) != corpus.validation.labels)
    assert float(results["frechet_distance"]) == pytest.approx(0, abs=1e-6)


def test_the_probe_ends_a_text_at_its_first_end(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path)
    options = RecognizerConfig(windows=(2,), filters=3, embedding=2, members=1)
    network = build_recognizer(corpus.alphabet.size, corpus.length, 2, options).network
    recognizer = Recognizer(network, corpus.describe())
    (metric,) = make_text_probe(recognizer, corpus, image_dataset(corpus)).metrics
    size = corpus.alphabet.size
    numbers = np.array([[2, 3, 0, 4, 5], [2, 3, 0, 0, 0]])
    images = 2.0 * np.eye(size, dtype=np.float32)[np.pad(numbers, ((0, 0), (0, corpus.length - 5)))][:, :, None] - 1.0
    first, second = metric.extract(images)["logits"].numpy()
    assert first.tolist() == second.tolist()


def test_the_probe_counts_the_errors_of_the_report(tmp_path: Path) -> None:
    path = write_table(tmp_path / "names.csv")
    path.write_text(path.read_text(encoding="utf-8").replace("ona,", " ona,"), encoding="utf-8")
    corpus = load_corpus(path)
    options = RecognizerConfig(windows=(2,), filters=3, embedding=2, members=1)
    network = build_recognizer(corpus.alphabet.size, corpus.length, 2, options).network
    recognizer = Recognizer(network, corpus.describe())
    (metric,) = make_text_probe(recognizer, corpus, image_dataset(corpus)).metrics

    texts = ["", "  ", "bd\ufffdona", "bd ona", " bd  ona", "b d ona "]
    numbers = corpus.alphabet.encode(texts, corpus.length)
    images = from_uint8(numbers_to_images(numbers, corpus.alphabet.size).astype(np.float32))
    found = metric.extract(images)["logits"].numpy()
    assert found.argmax(axis=1)[:3].tolist() == [2, 2, 2]
    np.testing.assert_allclose(found[3:, :2], recognizer.outputs(texts[3:])["logits"], atol=1e-5)
    assert np.all(found[3:, 2] == -np.inf)


def test_a_recognizer_of_other_categories(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path)
    options = RecognizerConfig(windows=(2,), filters=3, embedding=2, members=1)
    network = build_recognizer(corpus.alphabet.size, corpus.length, 2, options).network
    recognizer = Recognizer(network, record_of(corpus.alphabet.letters, corpus.length, "east", "south"))
    with pytest.raises(InputError, match=r"does not know these categories.*west"):
        make_text_probe(recognizer, corpus, image_dataset(corpus))


def test_a_sheet_has_a_row_for_each_category() -> None:
    blank = draw_sheet([("", ["", ""]), ("", ["", ""])])
    assert (blank.shape, blank.dtype, blank.min()) == ((2 * 8 + 2 * 22, 2 * 8 + 2 * 190 + 95, 1), np.uint8, 255)
    drawn = draw_sheet([("fi", ["ruotsi", "suomi"]), ("tr", ["", "i" * 100])])
    assert drawn.shape == blank.shape
    assert all(part.min() < 255 for part in (drawn[:30, :95], drawn[:30, 95:285], drawn[30:, 285:]))
    assert drawn[30:, 110:285].min() == 255
