"""Tests the reading of handwritten digits from photos and scans."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gan.data import images
from gan.data.handwriting import find_digit, read_digit
from gan.errors import InputError


@pytest.fixture(scope="module")
def seven(digits):
    """A real digit, uint8 [28, 28], light on dark."""
    return digits.test.images[digits.test.labels == 7][0, ..., 0]


def save_image(path, array, mode=None):
    Image.fromarray(array, mode).save(path)
    return path


def similar(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_a_dataset_digit_is_almost_unchanged(seven, tmp_path):
    read = read_digit(save_image(tmp_path / "a.png", seven))
    assert read.shape == (28, 28, 1)
    assert (read.min(), read.max()) == (-1.0, 1.0)
    assert similar(read, images.from_uint8(seven.astype(np.float32)))


def test_most_dataset_digits_are_almost_unchanged(digits):
    originals = digits.test.images[::4]  # 125 digits; the box of a few is not that of MNIST
    same = [similar(find_digit(Image.fromarray(one[..., 0])).pixels, as_float(one)) for one in originals]
    assert np.mean(same) >= 0.93


def as_float(image):
    return images.from_uint8(image.astype(np.float32))


def test_center_of_mass_matches_the_dataset(digits, tmp_path):
    """MNIST centers the mass at pixel (14, 14); the middle of pixels 0 to 27 is 13.5."""

    def center(batch):
        ink = (batch[..., 0] + 1) / 2
        return [np.mean(ink.sum(axis=axis) @ np.arange(28) / ink.sum(axis=(1, 2))) for axis in (2, 1)]

    originals = digits.test.images[::5]  # 100 digits, 10 of each class
    read = np.stack([read_digit(save_image(tmp_path / "a.png", digit[..., 0])) for digit in originals])
    np.testing.assert_allclose(center(images.from_uint8(originals.astype(np.float32))), 14, atol=0.1)
    np.testing.assert_allclose(center(read), 14, atol=0.1)


@pytest.mark.parametrize(
    "case",
    [
        "dark on light",
        "large",
        "color",
        "alpha black",
        "alpha white",
        "off center",
        "jpeg",
        "rotated",
        "16 bit",
        "speck",
        "corners",
    ],
)
def test_is_invariant_to_size_color_alpha_position_and_polarity(seven, tmp_path, case):
    expected = read_digit(save_image(tmp_path / "plain.png", seven))
    file = tmp_path / "other.png"
    if case == "dark on light":
        save_image(file, 255 - seven)
    elif case == "large":
        Image.fromarray(255 - seven).resize((400, 400), Image.Resampling.BICUBIC).save(file)
    elif case == "color":
        ink = seven[..., None] / 255
        save_image(file, ((1 - ink) * [250, 240, 200] + ink * [20, 30, 160]).astype(np.uint8))
    elif case.startswith("alpha"):
        value = 0 if case.endswith("black") else 255
        save_image(file, np.dstack([np.full((28, 28, 3), value, np.uint8), seven]))
    elif case == "off center":
        save_image(file, np.pad(seven, ((40, 2), (3, 80))))
    elif case == "rotated":  # phones store photos sideways, with the orientation in EXIF
        file = tmp_path / "other.jpg"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(255 - seven).resize((112, 112)).rotate(90).save(file, exif=exif)
    elif case == "16 bit":
        Image.fromarray(seven.astype(np.uint16) * 257).save(file)
    elif case == "speck":
        paper = np.pad(255 - seven, 20, constant_values=255)
        paper[3, 60] = 0
        save_image(file, paper)
    elif case == "corners":
        paper = np.pad(255 - seven, 20, constant_values=255)
        opacity = np.full(paper.shape, 255, np.uint8)
        opacity[:3, :3] = 0
        save_image(file, np.dstack([np.where(opacity > 0, paper, 0)] * 3 + [opacity]))
    else:
        file = tmp_path / "other.jpg"
        Image.fromarray(255 - seven).resize((112, 112)).save(file)
    assert similar(read_digit(file), expected)


def test_polarity_can_be_set(seven, tmp_path):
    file = save_image(tmp_path / "dark.png", 255 - seven)
    np.testing.assert_array_equal(read_digit(file, invert=True), read_digit(file))
    assert not similar(read_digit(file, invert=False), read_digit(file))


def test_rejects_images_without_a_digit(tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    save_image(tmp_path / "blank.png", np.full((20, 20), 200, np.uint8))
    Image.new("1", (8_000, 7_000)).save(tmp_path / "huge.png")
    for name, message in (
        ("text.png", "not an image"),
        ("empty.png", "is empty"),
        ("blank.png", "No digit in this image"),
        ("huge.png", "too large"),
        ("missing.png", "No such image file"),
    ):
        with pytest.raises(InputError, match=message):
            read_digit(tmp_path / name)
    whole = save_image(tmp_path / "noise.png", np.random.default_rng(0).integers(0, 255, (50, 50)).astype(np.uint8))
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[:900])
    with pytest.raises(InputError, match="This image is damaged"):
        read_digit(tmp_path / "half.png")


STROKES = {
    1: [(400, 150), (400, 650)],
    2: [(250, 280), (320, 180), (450, 160), (540, 240), (530, 350), (260, 640), (570, 640)],
    7: [(230, 170), (570, 170), (380, 650)],
}


@pytest.mark.parametrize("pen", [2, 4, 8, 30])
@pytest.mark.parametrize("label", STROKES)
def test_reads_digits_of_any_pen_width(label, pen, tmp_path):
    from gan.evaluation.classifier.extractor import classify, load_classifier

    page = Image.new("L", (800, 800), 255)
    ImageDraw.Draw(page).line(STROKES[label], fill=0, width=pen, joint="curve")
    page.save(tmp_path / "drawn.png")
    digit = read_digit(tmp_path / "drawn.png")
    assert digit.max() == pytest.approx(1.0)
    assert classify(load_classifier("mnist-classifier")[0], digit[None])[0].tolist() == [label]


def test_rejects_an_image_of_specks(tmp_path):
    page = np.full((1_000, 1_000), 255, np.uint8)
    page[0, 0] = page[-1, -1] = 0
    with pytest.raises(InputError, match="only specks"):
        read_digit(save_image(tmp_path / "specks.png", page))
