"""Tests datasets from folders of images."""

import numpy as np
import pytest
from helpers.painting import paint_noise
from PIL import Image

from gan.data import images
from gan.data.load import load_dataset
from gan.errors import InputError


@pytest.fixture
def two_classes(tmp_path):
    """24 RGB images of class a and 16 of class b, 8 x 12."""
    paint_noise(tmp_path / "set/a", 24, size=(8, 12))
    paint_noise(tmp_path / "set/b", 16, size=(8, 12), first=100)
    return tmp_path / "set"


@pytest.mark.parametrize("size", [(32, 32), (96, 64)])
def test_images_at_the_top_level_have_no_classes(tmp_path, size):
    dataset = load_dataset(str(paint_noise(tmp_path / "set", 40, size=size)))
    assert (dataset.image_shape, dataset.num_classes, dataset.class_names) == ((*size, 3), 0, ())
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [27, 6, 7]
    (real,) = dataset.train.batches(16, steps=1)
    assert (real.shape, real.dtype) == ((16, *size, 3), "float32")
    assert -1 <= real.numpy().min() < -0.9
    assert 0.9 < real.numpy().max() <= 1
    held_out = {image.tobytes() for part in (dataset.validation, dataset.test) for image in part.images}
    assert len(held_out) == 13
    assert not held_out & {image.tobytes() for image in dataset.train.images}


def test_subfolders_are_classes_in_sorted_order(two_classes):
    (two_classes / "b/deeper/still").mkdir(parents=True)
    (two_classes / "b/100.png").rename(two_classes / "b/deeper/still/100.PNG")
    for other in (".DS_Store", "Thumbs.db", "a/.hidden.png", "a/desktop.ini"):
        (two_classes / other).write_bytes(b"not an image")
    paint_noise(two_classes / ".thumbnails", 1)
    dataset = load_dataset(str(two_classes))
    assert (dataset.num_classes, dataset.class_names, dataset.image_shape) == (2, ("a", "b"), (8, 12, 3))
    parts = (dataset.train, dataset.validation, dataset.test)
    assert np.bincount(np.concatenate([part.labels for part in parts])).tolist() == [24, 16]
    second = np.random.default_rng(100).integers(0, 256, (8, 12, 3)).astype(np.uint8).tobytes()
    assert {y for part in parts for x, y in zip(part.images, part.labels) if x.tobytes() == second} == {1}


def test_held_out_images_depend_on_content_not_on_file_names(tmp_path):
    one, two = paint_noise(tmp_path / "one"), paint_noise(tmp_path / "two")
    (two / "000.png").rename(two / "zzz.png")
    first, second = load_dataset(str(one)), load_dataset(str(two))
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert first.fingerprint == second.fingerprint


def test_dataset_name_is_an_absolute_path(two_classes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset("./set")
    assert (dataset.name, dataset.title) == (str(two_classes), "set")
    monkeypatch.chdir("/")
    assert load_dataset(dataset.name).num_classes == 2


def test_train_and_test_folders_are_splits(tmp_path):
    paint_noise(tmp_path / "train", 12)
    paint_noise(tmp_path / "test", 5, first=50)
    dataset = load_dataset(str(tmp_path))
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [10, 2, 5]
    paint_noise(tmp_path / "validation", 3, first=70)
    dataset = load_dataset(str(tmp_path))
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [12, 3, 5]
    assert dataset.num_classes == 0


def test_each_class_needs_a_training_image(tmp_path):
    for number, name in enumerate(("train/x", "train/y", "test/x", "test/z")):
        paint_noise(tmp_path / name, 6, first=10 * number)
    with pytest.raises(InputError, match=r"different classes.*a training image of each class.*none of z \(6 in test\)"):
        load_dataset(str(tmp_path))
    (tmp_path / "test/z").rename(tmp_path / "test/y")
    dataset = load_dataset(str(tmp_path))
    assert (dataset.num_classes, np.bincount(dataset.test.labels).tolist()) == (2, [6, 6])
    (tmp_path / "test/x").rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(tmp_path / "train/x/more")
    with pytest.warns(UserWarning, match="Classes without an image in test: x"):
        dataset = load_dataset(str(tmp_path))
    assert dataset.test.labels.tolist() == [1] * 6


@pytest.mark.parametrize(("train", "validation"), [("train", "val"), ("Training", "valid"), ("train", "dev")])
def test_other_names_of_splits(tmp_path, train, validation):
    paint_noise(tmp_path / train, 12)
    paint_noise(tmp_path / validation, 6, first=50)
    dataset = load_dataset(str(tmp_path))
    assert [len(part) for part in dataset.splits.values()] == [10, 6, 2]
    (tmp_path / validation).rename(tmp_path / "bus")  # train and bus: two kinds of vehicles
    assert len(load_dataset(str(tmp_path)).class_names) == 2


@pytest.mark.parametrize("names", [("val", "test"), ("train", "val", "valid"), ("test", "dev")])
def test_rejects_splits_without_training_images_or_with_two_names(tmp_path, names):
    for number, name in enumerate(names):
        paint_noise(tmp_path / name, 6, first=10 * number)
    with pytest.raises(InputError, match="train, validation and test"):
        load_dataset(str(tmp_path))


def test_resizing_covers_the_target_and_crops_the_center(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (255, 0, 0)  # the middle third: a square crop shows only this
    wide[:10, 20:40, 1] = 90
    for number in range(12):
        Image.fromarray(wide).resize((60 + 30 * number, 20 + 10 * number)).save(tmp_path / f"{number}.png")
    dataset = load_dataset(str(tmp_path), image_size=(10, 10))
    assert dataset.image_shape == (10, 10, 3)
    assert (dataset.train.images[:, :, 2:8, ::2] == (255, 0)).all()
    tall = load_dataset(str(tmp_path), image_size=(20, 10))
    assert tall.image_shape == (20, 10, 3)


def test_mixed_sizes_require_image_size(tmp_path):
    paint_noise(tmp_path, 12)
    paint_noise(tmp_path, 1, size=(16, 48), first=99)
    with pytest.raises(InputError, match=r"000\.png: 32x32, 099\.png: 16x48") as raised:
        load_dataset(str(tmp_path))
    assert "--image-size" in str(raised.value)


def test_channels_follow_the_files_and_grayscale_converts_to_rgb(tmp_path):
    paint_noise(tmp_path, 12, channels=1)
    Image.fromarray(np.full((32, 32), 7, np.uint8)).convert("1").save(tmp_path / "one-bit.png")
    Image.fromarray(np.full((32, 32), 0x8001, np.uint16)).save(tmp_path / "sixteen.png")
    gray = load_dataset(str(tmp_path))
    assert gray.image_shape == (32, 32, 1)
    pixels = np.concatenate([part.images for part in (gray.train, gray.validation, gray.test)])
    assert (pixels == 0x80).all(axis=(1, 2, 3)).sum() == 1  # scaled to 8 bits; clipping would give 255
    color = load_dataset(str(tmp_path), channels=3)
    assert color.image_shape == (32, 32, 3)
    assert (color.train.images == color.train.images[..., :1]).all()


def test_one_channel_converts_color_to_luma(tmp_path):
    paint_noise(tmp_path, 12, channels=1)
    gray = np.full((32, 32, 3), 9, np.uint8)
    images.save_png(tmp_path / "rgb-but-gray.png", gray)
    with pytest.warns(UserWarning, match="12 of 13 images are gray and the others are in color, so all became RGB"):
        assert load_dataset(str(tmp_path)).image_shape[2] == 3  # the file header says RGB
    assert load_dataset(str(tmp_path), channels=1).image_shape[2] == 1  # gray pixels: no information is lost
    paint_noise(tmp_path, 2, first=50)
    gray = load_dataset(str(tmp_path), channels=1)
    with Image.open(tmp_path / "050.png") as opened:
        expected = np.asarray(opened.convert("L")).tobytes()
    assert expected in {image.tobytes() for part in gray.splits.values() for image in part.images}


def test_distinguishes_gray_and_color_palettes(tmp_path):
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8), "P")
    for number, palette in enumerate(([7, 7, 7] * 64, [7, 8, 7] * 64)):
        image.putpalette(palette)
        image.save(tmp_path / f"{number}.png")
    assert not images.has_color_mode(tmp_path / "0.png")
    assert images.has_color_mode(tmp_path / "1.png")
    assert not images.has_color_mode(tmp_path / "missing.png")


def test_applies_exif_orientation_and_black_background(tmp_path):
    paint_noise(tmp_path, 10, size=(6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, 0] = 255  # the left column becomes the top row
    Image.fromarray(pixels).save(tmp_path / "rotated.jpg", quality=100, subsampling=0, exif=exif)
    transparent = np.full((6, 4, 4), 200, np.uint8)
    transparent[..., 3] = 0
    Image.fromarray(transparent).save(tmp_path / "transparent.png")
    with pytest.warns(UserWarning, match="1 of 12 images have transparent parts, which became black .--background"):
        dataset = load_dataset(str(tmp_path))
    assert dataset.image_shape == (6, 4, 3)
    all_images = np.concatenate([part.images for part in (dataset.train, dataset.validation, dataset.test)])
    assert (all_images == 0).all(axis=(1, 2, 3)).sum() == 1
    assert ((all_images[:, 0] > 200).all(axis=(1, 2)) & (all_images[:, 2:] < 60).all(axis=(1, 2, 3))).sum() == 1


def damage(folder, count):
    """Truncates or empties the first `count` files of a folder."""
    for number, file in enumerate(sorted(folder.iterdir())[:count]):
        file.write_bytes(file.read_bytes()[:200] if number % 2 else b"")


def test_skips_and_names_damaged_files_up_to_corrupt_share(tmp_path):
    folder = paint_noise(tmp_path / "set", 40)
    whole = load_dataset(str(folder))
    damage(folder, 3)
    reasons = r"This file is empty: 000\.png, 002\.png; This image is damaged: 001\.png$"
    with pytest.warns(UserWarning, match=rf"skipped: 3 of 40 \(7\.50%\)\. {reasons}"):
        dataset = load_dataset(str(folder), corrupt_share=0.075)
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 37
    assert dataset.fingerprint != whole.fingerprint
    with pytest.raises(InputError, match=r"cannot be read.*at most 1\.00%.*3 of 40 \(7\.50%\).*empty: 000\.png"):
        load_dataset(str(folder))
    damage(folder, 40)
    with pytest.raises(InputError, match=r"40 of 40.*000\.png.*008\.png and 15 more"):
        load_dataset(str(folder), corrupt_share=0.5)


def test_labels_match_their_images_after_skipping_files(two_classes):
    damage(two_classes / "a", 4)
    with pytest.warns(UserWarning, match="4 of 40"):
        dataset = load_dataset(str(two_classes), corrupt_share=0.2)
    class_b = {
        np.random.default_rng(number).integers(0, 256, (8, 12, 3)).astype(np.uint8).tobytes()
        for number in range(100, 116)
    }
    for part in (dataset.train, dataset.validation, dataset.test):
        assert [image.tobytes() in class_b for image in part.images] == (part.labels == 1).tolist()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, r"No images in this folder.*\.jpg"),
        ({".": 12, "a": 12}, r"at the top of the folder and in sub-folders.*000\.png and a/"),
        ({"a": 12}, "Only one class.*at the top of the folder.*with a/"),
        ({".": 2}, r"Too few images.*at least 3.*sub-folders train, validation and test.*Received: 2\."),
        ({"train": 12, "test": 0}, "Only one class"),
    ],
)
def test_rejects_folders_that_are_not_a_dataset(tmp_path, counts, message):
    for name, count in counts.items():
        paint_noise(tmp_path / name, count)
    with pytest.raises(InputError, match=message):
        load_dataset(str(tmp_path))


def test_distinguishes_paths_and_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paint_noise(tmp_path / "mnist5k", 12)
    paint_noise(tmp_path / "cats", 12)
    assert load_dataset("cats").title == "cats"
    assert load_dataset("./mnist5k").image_shape == (32, 32, 3)
    assert load_dataset("mnist5k").image_shape == (28, 28, 1)
    for name in ("./missing", "missing/too", "~/missing-of-gan"):
        with pytest.raises(InputError, match="No such folder of images"):
            load_dataset(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": (0, 8)}, "Bad `image_size`"),
        ({"image_size": (8, 8, 3)}, "height x width"),
        ({"pixel_range": (9, 1)}, "two numbers, the lower first"),
        ({"background": "whitish"}, "a color such as black"),
        ({"channels": 2}, "Bad `channels`. Expected 1 or 3"),
        ({"corrupt_share": 1.5}, "a number from 0 to 1"),
    ],
)
def test_rejects_options_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        load_dataset("mnist5k", **options)
