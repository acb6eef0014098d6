import numpy as np
import pytest
from helpers.painting import paint_noise
from PIL import Image

from gan.data import images
from gan.data.load import load_dataset
from gan.errors import InputError


@pytest.fixture
def two_classes(tmp_path):
    """24 pictures of class a, 16 of class b, 8 x 12 RGB."""
    paint_noise(tmp_path / "set/a", 24, size=(8, 12))
    paint_noise(tmp_path / "set/b", 16, size=(8, 12), first=100)
    return tmp_path / "set"


@pytest.mark.parametrize("size", [(32, 32), (96, 64)])
def test_pictures_at_the_top_are_a_set_without_classes(tmp_path, size):
    dataset = load_dataset(str(paint_noise(tmp_path / "set", 40, size=size)))
    assert (dataset.image_shape, dataset.num_classes, dataset.class_names) == ((*size, 3), 0, ())
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [27, 6, 7]
    (real,) = dataset.train.batches(16, steps=1)
    assert (real.shape, real.dtype) == ((16, *size, 3), "float32")
    assert -1 <= real.numpy().min() < -0.9
    assert 0.9 < real.numpy().max() <= 1
    held = {picture.tobytes() for part in (dataset.validation, dataset.test) for picture in part.images}
    assert len(held) == 13
    assert not held & {picture.tobytes() for picture in dataset.train.images}


def test_sub_folders_are_classes_in_their_sorted_order(two_classes):
    (two_classes / "b/deeper/still").mkdir(parents=True)
    (two_classes / "b/100.png").rename(two_classes / "b/deeper/still/100.PNG")
    for other in ("README.txt", ".DS_Store", "Thumbs.db", "a/.hidden.png", "a/notes.txt"):
        (two_classes / other).write_bytes(b"no picture")
    (two_classes / "empty").mkdir()
    paint_noise(two_classes / ".thumbnails", 1)
    dataset = load_dataset(str(two_classes))
    assert (dataset.num_classes, dataset.class_names, dataset.image_shape) == (2, ("a", "b"), (8, 12, 3))
    parts = (dataset.train, dataset.validation, dataset.test)
    assert np.bincount(np.concatenate([part.labels for part in parts])).tolist() == [24, 16]
    second = np.random.default_rng(100).integers(0, 256, (8, 12, 3)).astype(np.uint8).tobytes()
    assert {y for part in parts for x, y in zip(part.images, part.labels) if x.tobytes() == second} == {1}


def test_what_is_held_out_depends_on_the_pictures_not_on_their_names(tmp_path):
    one, two = paint_noise(tmp_path / "one"), paint_noise(tmp_path / "two")
    (two / "000.png").rename(two / "zzz.png")
    first, second = load_dataset(str(one)), load_dataset(str(two))
    np.testing.assert_array_equal(first.test.images, second.test.images)
    assert first.fingerprint == second.fingerprint


def test_the_name_finds_the_folder_again_from_anywhere(two_classes, tmp_path, monkeypatch):
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


def test_classes_below_splits_are_the_same_in_each(tmp_path):
    for number, name in enumerate(("train/x", "train/y", "test/x", "test/z")):
        paint_noise(tmp_path / name, 6, first=10 * number)
    with pytest.raises(InputError, match=r"different classes.*train: x, y; test: x, z"):
        load_dataset(str(tmp_path))
    (tmp_path / "test/z").rename(tmp_path / "test/y")
    dataset = load_dataset(str(tmp_path))
    assert (dataset.num_classes, np.bincount(dataset.test.labels).tolist()) == (2, [6, 6])


def test_sub_folders_called_like_splits_are_no_classes(tmp_path):
    paint_noise(tmp_path / "train", 6)
    paint_noise(tmp_path / "val", 6)
    with pytest.raises(InputError, match="train, validation and test"):
        load_dataset(str(tmp_path))
    (tmp_path / "val").rename(tmp_path / "bus")  # two kinds of vehicles
    assert load_dataset(str(tmp_path)).class_names == ("bus", "train")


def test_any_size_is_scaled_to_cover_and_cut_to_the_middle(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = (255, 0, 0)  # the middle third, all that a square shows
    for number in range(12):
        Image.fromarray(wide).resize((60 + 30 * number, 20 + 10 * number)).save(tmp_path / f"{number}.png")
    dataset = load_dataset(str(tmp_path), image_size=(10, 10))
    assert dataset.image_shape == (10, 10, 3)
    assert (dataset.train.images[:, :, 2:8] == (255, 0, 0)).all()
    tall = load_dataset(str(tmp_path), image_size=(20, 10))
    assert tall.image_shape == (20, 10, 3)


def test_different_sizes_need_one_to_be_asked_for(tmp_path):
    paint_noise(tmp_path, 12)
    paint_noise(tmp_path, 1, size=(16, 48), first=99)
    with pytest.raises(InputError, match=r"000\.png: 32x32, 099\.png: 16x48") as raised:
        load_dataset(str(tmp_path))
    assert "--image-size" in str(raised.value)


def test_channels_follow_the_files_and_greyscale_becomes_rgb_when_asked(tmp_path):
    paint_noise(tmp_path, 12, channels=1)
    Image.fromarray(np.full((32, 32), 7, np.uint8)).convert("1").save(tmp_path / "one-bit.png")
    Image.fromarray(np.full((32, 32), 0x8001, np.uint16)).save(tmp_path / "sixteen.png")
    grey = load_dataset(str(tmp_path))
    assert grey.image_shape == (32, 32, 1)
    pixels = np.concatenate([part.images for part in (grey.train, grey.validation, grey.test)])
    assert (pixels == 0x80).all(axis=(1, 2, 3)).sum() == 1  # scaled, where a cut would leave 255
    colour = load_dataset(str(tmp_path), channels=3)
    assert colour.image_shape == (32, 32, 3)
    assert (colour.train.images == colour.train.images[..., :1]).all()


def test_one_channel_would_lose_colours(tmp_path):
    paint_noise(tmp_path, 12, channels=1)
    grey = np.full((32, 32, 3), 9, np.uint8)
    images.save_png(tmp_path / "rgb-but-grey.png", grey)
    assert load_dataset(str(tmp_path)).image_shape[2] == 3  # what a header says
    assert load_dataset(str(tmp_path), channels=1).image_shape[2] == 1  # nothing is lost
    paint_noise(tmp_path, 2, first=50)
    with pytest.raises(InputError, match=r"2 color images of 15, the first is 050\.png"):
        load_dataset(str(tmp_path), channels=1)


def test_a_palette_of_greys_is_greyscale_and_one_of_colours_is_not(tmp_path):
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8), "P")
    for number, palette in enumerate(([7, 7, 7] * 64, [7, 8, 7] * 64)):
        picture.putpalette(palette)
        picture.save(tmp_path / f"{number}.png")
    assert not images.has_color_mode(tmp_path / "0.png")
    assert images.has_color_mode(tmp_path / "1.png")
    assert not images.has_color_mode(tmp_path / "missing.png")


def test_pictures_are_turned_and_laid_on_black(tmp_path):
    paint_noise(tmp_path, 10, size=(6, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:, 0] = 255  # the left column becomes the top row
    Image.fromarray(picture).save(tmp_path / "turned.jpg", quality=100, subsampling=0, exif=exif)
    clear = np.full((6, 4, 4), 200, np.uint8)
    clear[..., 3] = 0
    Image.fromarray(clear).save(tmp_path / "clear.png")
    dataset = load_dataset(str(tmp_path))
    assert dataset.image_shape == (6, 4, 3)
    everything = np.concatenate([part.images for part in (dataset.train, dataset.validation, dataset.test)])
    assert (everything == 0).all(axis=(1, 2, 3)).sum() == 1
    assert ((everything[:, 0] > 200).all(axis=(1, 2)) & (everything[:, 2:] < 60).all(axis=(1, 2, 3))).sum() == 1


def spoil(folder, count):
    for number, file in enumerate(sorted(folder.iterdir())[:count]):
        file.write_bytes(file.read_bytes()[:200] if number % 2 else b"")


def test_damaged_files_are_named_and_left_out_up_to_a_share(tmp_path, monkeypatch):
    folder = paint_noise(tmp_path / "set", 40)
    whole = load_dataset(str(folder))
    spoil(folder, 3)
    with pytest.warns(UserWarning, match=r"skipped: 3 of 40 \(7\.50%\): 000\.png, 001\.png, 002\.png$"):
        dataset = load_dataset(str(folder), corrupt_share=0.075)
    assert sum(map(len, (dataset.train, dataset.validation, dataset.test))) == 37
    assert dataset.fingerprint != whole.fingerprint
    with pytest.raises(InputError, match=r"Too many damaged.*at most 1\.00%.*3 of 40 \(7\.50%\): 000\.png"):
        load_dataset(str(folder))
    spoil(folder, 40)
    with pytest.raises(InputError, match=r"40 of 40.*000\.png.*039\.png"):
        load_dataset(str(folder), corrupt_share=0.5)
    monkeypatch.setattr("gan.data.sources.folder._NAMED", 5)
    with pytest.raises(InputError, match=r"40 of 40.*004\.png, \.\.\."):
        load_dataset(str(folder), corrupt_share=0.5)


def test_labels_stay_with_their_pictures_when_some_are_left_out(two_classes):
    spoil(two_classes / "a", 4)
    with pytest.warns(UserWarning, match="4 of 40"):
        dataset = load_dataset(str(two_classes), corrupt_share=0.2)
    of_b = {
        np.random.default_rng(number).integers(0, 256, (8, 12, 3)).astype(np.uint8).tobytes()
        for number in range(100, 116)
    }
    for part in (dataset.train, dataset.validation, dataset.test):
        assert [picture.tobytes() in of_b for picture in part.images] == (part.labels == 1).tolist()


@pytest.mark.parametrize(
    ("below", "message"),
    [
        ({}, r"No images in this folder.*\.jpg"),
        ({".": 12, "a": 12}, r"at the top of the folder and in sub-folders.*000\.png and a/"),
        ({"a": 12}, "Only one class.*at the top of the folder.*with a/"),
        ({".": 9}, r"Too few images.*at least 10.*Received: 9\."),
        ({"train": 12, "test": 0}, "Only one class"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, below, message):
    for name, count in below.items():
        paint_noise(tmp_path / name, count)
    with pytest.raises(InputError, match=message):
        load_dataset(str(tmp_path))


def test_paths_and_names_are_told_apart(tmp_path, monkeypatch):
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
        ({"image_size": (8, 8, 3)}, "height, width"),
        ({"channels": 2}, "Bad `channels`. Expected 1 or 3"),
        ({"corrupt_share": 1.5}, "a number from 0 to 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        load_dataset("mnist5k", **options)
