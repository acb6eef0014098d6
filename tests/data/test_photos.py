"""`photos`: crops of photographs, none of which shares a pixel with a crop of another split."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from gan import InputError, load_dataset
from gan.data.sources import photos


def ramps(monkeypatch, *shapes):
    """Makes photographs whose colors say which pixel they are: (number, row, column) of each, [H, W, 3]."""
    made = {f"photo-{k}": np.stack(np.broadcast_arrays(k, *np.ogrid[:h, :w]), 2) for k, (h, w) in enumerate(shapes)}
    monkeypatch.setitem(photos._PHOTOGRAPHS, "photos", lambda: {name: p.astype(np.uint8) for name, p in made.items()})


def test_each_photograph_is_a_class_and_each_crop_a_part_of_it():
    dataset = load_dataset("photos")
    assert (dataset.name, dataset.class_names, dataset.image_shape) == ("photos", ("china", "flower"), (32, 32, 3))
    assert {name: np.bincount(part.labels).tolist() for name, part in dataset.splits.items()} == {
        "train": [1600, 1600],
        "validation": [320, 320],
        "test": [320, 320],
    }
    china, flower = load_sample_images().images
    np.testing.assert_array_equal(dataset.train.images[0], china[:32, :32])
    np.testing.assert_array_equal(dataset.test.images[-1], flower[-32:, -32:])
    assert load_dataset("photos").fingerprint == dataset.fingerprint


@pytest.mark.parametrize("size", [None, (20, 9), 30])
def test_no_pixel_is_in_two_splits(monkeypatch, size):
    ramps(monkeypatch, (200, 220), (64, 250))
    pixels = {}
    for name, split in load_dataset("photos", image_size=size).splits.items():
        pixels[name] = np.unique(split.images.reshape(-1, 3).astype(int) @ [2**16, 2**8, 1])
        np.testing.assert_array_equal(split.images[:, 0, 0, 0], split.labels)
    found, counts = np.unique(np.concatenate(list(pixels.values())), return_counts=True)
    assert counts.max() == 1
    assert len(found) > 0.95 * (200 * 220 + 64 * 250)


def test_crops_have_the_requested_size_and_channels():
    dataset = load_dataset("photos", image_size=(24, 40), channels=1)
    assert dataset.image_shape == (24, 40, 1)
    assert len(np.unique(dataset.train.images.reshape(len(dataset.train), -1), axis=0)) > 3_000


def test_a_crop_that_just_fits_gives_one_column():
    dataset = load_dataset("photos", image_size=96)
    assert {name: len(part) for name, part in dataset.splits.items()} == {"train": 3200, "validation": 80, "test": 80}


@pytest.mark.parametrize("size", ["97", "428x32"])
def test_a_crop_that_does_not_fit_is_refused(size):
    with pytest.raises(InputError, match=r"Bad `image_size`\. Expected at most 427x96 pixels"):
        load_dataset("photos", image_size=size)


def test_scikit_image_has_more_photographs():
    dataset = load_dataset("photos-6")
    assert dataset.class_names == ("china", "flower", "astronaut", "cat", "coffee", "rocket")
    assert np.bincount(dataset.train.labels).tolist() == [1600] * 6
    crops = [image.tobytes() for split in dataset.splits.values() for image in split.images]
    assert len(set(crops)) == len(crops)  # the sky around the rocket has many equal parts
    assert len(crops) < 6 * 2240


def test_without_scikit_image_the_message_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"skimage is not installed.*pip install"):
        load_dataset("photos-6")
