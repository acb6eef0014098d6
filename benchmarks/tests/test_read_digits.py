import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import marks, photographs, read_digits
from benchmarks.cli import main
from benchmarks.marks import NON_DIGITS, Materials
from benchmarks.mnist_reader import NO_DIGIT, Read, picture, training_counts, write_reader
from benchmarks.photographs import KINDS, Scene, photograph
from benchmarks.tests.tables import rows_of
from gan.config import ClassifierConfig
from gan.errors import InputError


@pytest.fixture
def installed(monkeypatch):
    """Replaces fonts and photographs by those of packages that every installation for tests has."""
    for group in ("train", "bound", "test"):
        fonts = {**marks.FONTS, group: (("matplotlib", "mpl-data/fonts/ttf/DejaVuS*.ttf"),)}
        pictures = {**marks.PHOTOGRAPHS, group: (("skimage", "data/camera.png"),)}
        monkeypatch.setattr(marks, "FONTS", fonts)
        monkeypatch.setattr(marks, "PHOTOGRAPHS", pictures)


@pytest.fixture(scope="module")
def materials():
    return Materials("test", np.random.default_rng(0).integers(0, 256, (3, 28, 28)).astype(np.uint8))


@pytest.mark.parametrize("kind", [*KINDS, "MNIST", "drawn", *NON_DIGITS])
def test_a_picture_is_a_function_of_its_kind_and_number(installed, materials, kind):
    pixels, label = picture(kind, 1, materials, np.array([4, 5, 6]))
    again, _ = picture(kind, 1, materials, np.array([4, 5, 6]))
    others = [picture(kind, index, materials, np.array([4, 5, 6]))[0] for index in range(2, 9)]
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    np.testing.assert_array_equal(pixels, again)
    assert any(pixels.shape != other.shape or (pixels != other).any() for other in others)
    assert (label == NO_DIGIT) == (kind in NON_DIGITS)


def test_a_scene_has_the_light_that_it_states():
    rng = np.random.default_rng(0)
    gray = Scene(height=60, width=80, paper=(0.8, 0.8, 0.8))
    assert (photograph(None, gray, rng) == 204).all()
    shaded = photograph(None, replace(gray, slope=0.5), rng)
    np.testing.assert_allclose(shaded[0, :, 0], 204 * (1 - 0.5 * np.arange(80) / 80), atol=1)
    full = photograph(np.ones((50, 50), np.float32), replace(gray, ink=(0.1, 0.1, 0.1), size=0.5), rng)
    assert np.count_nonzero(full[..., 0] < 30) == pytest.approx(30 * 30, rel=0.02)
    noisy = photograph(None, replace(gray, noise=9), rng)
    assert np.std(noisy[..., 0]) == pytest.approx(9, rel=0.1)


def test_no_font_and_no_photograph_is_in_two_groups():
    for kinds in (marks.FONTS, marks.PHOTOGRAPHS):
        names = [name for group in kinds.values() for name in group]
        assert len(names) == len(set(names))
    assert not set(marks.LETTERS) & set(marks.DIGIT_SHAPES)


def test_missing_fonts_are_an_input_error(monkeypatch):
    with pytest.raises(InputError, match=r"pip install 'gan-reference\[photographs\]'"):
        marks.find_files("test", {"test": (("no_such_package", "*.ttf"),)})


def test_training_counts_cover_all_kinds():
    counts = training_counts(10_000)
    assert set(counts) == {*KINDS, "MNIST", "drawn", *NON_DIGITS}
    assert sum(counts.values()) == pytest.approx(10_000, rel=0.01)


@pytest.mark.slow
def test_read_digits_measures_answers_by_kind(installed, tmp_path, capsys):
    out = tmp_path / "read"
    options = ["read-digits", "--dataset", "mnist5k", "--digits", "1", "--others", "1", "--out", str(out)]
    assert main(options) == 0
    rows = rows_of(capsys.readouterr().out)[1:]
    assert [row[0] for row in rows] == [
        *KINDS, "drawn", read_digits.TOTALS[True], *NON_DIGITS, read_digits.TOTALS[False]
    ]  # fmt: skip
    assert rows[len(KINDS) + 1][1] == str(len(KINDS))
    assert all(row[3] == "-" for row in rows[len(KINDS) + 2 :])
    content = json.loads((out / "results.json").read_text())
    assert content["settings"]["bound"] > 0
    assert main(options) == 0  # nothing is measured again


def test_the_curve_counts_errors_above_each_bound():
    run = {
        "labels": [1, 2, 3, 4],
        "answers": [None] * 4,
        "best": [1, 2, 7, 4],
        "probabilities": [0.9, 0.8, 0.7, 0.6],
        "problems": [None] * 4,
    }
    none = {
        "labels": [None] * 2,
        "answers": [None] * 2,
        "best": [5, 5],
        "probabilities": [0.65, 0.99],
        "problems": [None, "blank"],
    }
    curves = read_digits.error_coverage(
        {"runs": {"plain": {"is_digit": True, **run}, "texture": {"is_digit": False, **none}}}
    )
    assert curves["wrong"] == [(50, 0), (75, pytest.approx(100 / 3)), (100, 25)]
    assert curves["others"] == [(50, 0), (75, 0), (100, 50)]


def test_a_reader_is_written_with_temperature_and_bound(tmp_path):
    from gan.evaluation.classifier import load_classifier

    rng = np.random.default_rng(0)
    labels = np.arange(64) % 11
    read = Read(rng.integers(0, 256, (64, 28, 28)).astype(np.uint8), labels, labels.astype(str), labels < 0, {})
    config = ClassifierConfig(width=2, blocks=1, epochs=1, batch_size=32)
    write_reader(tmp_path / "reader", read, read, config, "a device")
    model, card = load_classifier(tmp_path / "reader")
    assert model.output_shape == (None, 11)
    assert card.calibration.rejects
    assert 0 < card.calibration.bound < 1
    with zipfile.ZipFile(tmp_path / "reader" / "classifier.keras") as file:
        assert file.getinfo("model.weights.h5").file_size < 3 * 4 * model.count_params() + 50_000


def test_kinds_of_photographs_are_named_once():
    assert len(set(KINDS)) == len(KINDS)
    assert set(photographs.EFFECTS) < set(KINDS)
