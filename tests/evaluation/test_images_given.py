"""Tests of the check of images in [-1, 1] that a caller gives."""

import numpy as np
import pytest

from gan import InputError
from gan.data import images as pixels
from gan.evaluation.images import as_images

RNG = np.random.default_rng(0)


def test_right_images_do_not_change():
    images = RNG.uniform(-1, 1, (2, 6, 4, 3)).astype(np.float32)
    assert as_images(images, (6, 4, 3)) is not None
    np.testing.assert_array_equal(as_images(images.astype(np.float64), (6, 4, 3)), images)
    np.testing.assert_array_equal(as_images(images.tolist(), (6, 4, 3)), images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["one", "channels first", "one, channels first", "no channel", "one, no channel"])
def test_the_error_names_the_line_that_gives_the_shape(channels, form):
    right = RNG.uniform(-1, 1, (1, 6, 4, channels)).astype(np.float32)
    images = {
        "one": right[0],
        "channels first": np.moveaxis(right, -1, 1),
        "one, channels first": np.moveaxis(right[0], -1, 0),
        "no channel": right[..., 0],
        "one, no channel": right[0, ..., 0],
    }[form]
    with pytest.raises(InputError, match=r"shape \[N, 6, 4, ") as raised:
        as_images(images, (6, 4, channels))
    line = raised.value.expected.partition(": ")[2].removesuffix(" has this shape")
    if channels == 3 and "no channel" in form:
        assert line == ""
    else:
        np.testing.assert_array_equal(eval(line, {"np": np, "images": images}), right)


def test_the_error_names_the_line_that_gives_the_range():
    data = RNG.integers(0, 256, (2, 6, 4, 1), np.uint8)
    with pytest.raises(InputError, match=r"values in \[-1, 1\]: .*values from 0 to 255") as raised:
        as_images(data, (6, 4, 1), "originals")
    line = raised.value.expected.partition(": ")[2].removesuffix(" converts values from 0 to 255")
    found = eval(line.replace("gan.images", "images"), {"images": pixels, "originals": data})
    np.testing.assert_array_equal(as_images(found, (6, 4, 1)), pixels.from_uint8(data.astype(np.float32)))


@pytest.mark.parametrize("images", [[[1], [1, 2]], np.array(["a"]), object(), None, np.zeros((0, 6, 4, 1)), 3])
def test_rejects_other_things(images):
    with pytest.raises(InputError, match="Bad `images`"):
        as_images(images, (6, 4, 1))
