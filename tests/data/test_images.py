"""Tests conversion, grids and files of images."""

import numpy as np
import pytest
from PIL import Image

from gan.data import images
from gan.errors import InputError


def test_every_byte_survives_the_round_trip():
    all_bytes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_uint8(images.from_uint8(all_bytes.astype(np.float32))), all_bytes)


def test_range_limits_map_exactly():
    np.testing.assert_array_equal(images.from_uint8(np.array([0.0, 127.5, 255.0])), [-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(images.to_uint8(np.array([-1.0, 0.0, 1.0])), [0, 128, 255])


def test_clips_out_of_range_values_and_rejects_nan():
    np.testing.assert_array_equal(images.to_uint8(np.array([-9.0, 9.0])), [0, 255])
    with pytest.raises(ValueError, match="Expected finite"):
        images.to_uint8(np.array([np.nan]))


@pytest.mark.parametrize("junk", [None, "x", [[1], [1, 2]], {"a": 1}, np.zeros((2, 3)), np.zeros((1, 2, 2, 1))])
def test_rejects_other_kinds_of_images(junk):
    with pytest.raises(InputError, match=r"uint8 \[N, H, W, C\]"):
        images.grid(junk, 3)
    if not isinstance(junk, np.ndarray) and junk is not None:
        with pytest.raises(InputError, match=r"floats in \[-1, 1\]"):
            images.to_uint8(junk)
    with pytest.raises(InputError, match="columns"):
        images.grid(np.zeros((1, 2, 2, 1), np.uint8), 0)


def test_grid_is_filled_row_by_row():
    squares = np.stack([np.full((2, 2, 1), value, np.uint8) for value in (1, 2, 3)])
    grid = images.grid(squares, columns=2, padding=1)
    assert grid.shape == (7, 7, 1)
    assert [grid[1, 1, 0], grid[1, 4, 0], grid[4, 1, 0]] == [1, 2, 3]
    assert grid[4, 4, 0] == 64  # background: there is no fourth image
    assert images.grid(squares, columns=2, padding=1, scale=3).shape == (21, 21, 1)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_png_round_trip_is_exact(tmp_path, channels, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, channels)).astype(np.uint8)
    images.save_png(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as read:
        assert read.mode == mode
        np.testing.assert_array_equal(np.asarray(read).reshape(pixels.shape), pixels)


def test_gif_has_all_frames_and_loops(tmp_path):
    for number in range(3):
        images.save_png(tmp_path / f"{number}.png", np.full((4, 4, 1), 100 * number, np.uint8))
    images.save_gif(tmp_path / "animation.gif", sorted(tmp_path.glob("*.png")))
    with Image.open(tmp_path / "animation.gif") as animation:
        assert animation.n_frames == 3
        assert animation.info["loop"] == 0


def test_a_long_animation_keeps_evenly_spaced_frames_and_both_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MOST_FRAMES", 4)
    frames = [tmp_path / f"{number:02d}.png" for number in range(10)]
    for number, frame in enumerate(frames):
        images.save_png(frame, np.full((4, 4, 1), 20 * number, np.uint8))
    images.save_gif(tmp_path / "animation.gif", frames)
    with Image.open(tmp_path / "animation.gif") as animation:
        assert animation.n_frames == 4
        gray_values = []
        for number in range(4):
            animation.seek(number)
            gray_values.append(animation.convert("L").getpixel((0, 0)))
    assert gray_values == [0, 60, 120, 180]


def test_an_image_of_the_target_size_is_read_unchanged(tmp_path):
    for shape in ((5, 6, 1), (5, 6, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        images.save_png(tmp_path / "a.png", pixels)
        read = images.read_image(tmp_path / "a.png", shape)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(images.to_uint8(read), pixels)


def test_converts_size_and_channels_and_fills_transparency_with_black(tmp_path):
    pixels = np.zeros((40, 20, 4), np.uint8)
    pixels[:20] = (255, 0, 0, 255)
    pixels[20:] = (255, 255, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = images.to_uint8(images.read_image(tmp_path / "a.png", (8, 8, 3)))
    assert read[1, 4].tolist() == [255, 0, 0]
    assert read[6, 4].tolist() == [0, 0, 0]
    assert images.to_uint8(images.read_image(str(tmp_path / "a.png"), (8, 8, 1)))[1, 4, 0] == 76  # luma: 0.299 * 255


def test_rejects_other_channel_counts(tmp_path):
    with pytest.raises(InputError, match="1 or 3 channels"):
        images.read_image(tmp_path / "a.png", (8, 8, 2))


def test_scales_16_bit_images_and_rejects_unknown_ranges(tmp_path):
    values = np.array([[0, 255, 256, 65_535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    (tmp_path / "a.pgm").write_bytes(b"P5 4 1 65535\n" + values.astype(">u2").tobytes())
    for name in ("a.png", "a.pgm"):
        assert np.asarray(images.open_image(tmp_path / name))[0, :, 0].tolist() == [0, 0, 1, 255]
    for name, other in (("float.tif", values / np.float32(65_535)), ("int.tif", values.astype(np.int32) * 2)):
        Image.fromarray(other).save(tmp_path / name)
        with pytest.raises(InputError, match="unknown range"):
            images.open_image(tmp_path / name)


@pytest.mark.parametrize(
    ("shape", "size", "crop"),
    [((4, 6), (4, 6), (0, 4, 0, 6)), ((4, 8), (4, 4), (0, 4, 2, 6)), ((9, 4), (3, 4), (3, 6, 0, 4))],
)
def test_cover_crops_the_center_without_changing_pixels(shape, size, crop):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    top, bottom, left, right = crop
    covered = np.asarray(images.cover(Image.fromarray(pixels), size))
    np.testing.assert_array_equal(covered, pixels[top:bottom, left:right])


def test_cover_is_antialiased():
    checkerboard = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.ptp(np.asarray(images.cover(Image.fromarray(checkerboard), (7, 7))).astype(int)) < 40


def test_to_uint8_does_not_modify_its_input():
    values = np.array([-2.0, 0.25], np.float32)
    images.to_uint8(values)
    np.testing.assert_array_equal(values, np.array([-2.0, 0.25], np.float32))
    np.testing.assert_array_equal(images.to_uint8(np.array([3e38, -3e38], np.float32)), [255, 0])
    with pytest.raises(ValueError, match="finite"):
        images.to_uint8(np.array([0.0, -np.inf]))
