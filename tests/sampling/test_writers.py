"""Tests .npz files that are written in pieces."""

from pathlib import Path

import numpy as np
import pytest

from gan.sampling.writers import Pieces, save_npz


def test_pieces_give_the_same_file_as_numpy(tmp_path: Path):
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 3, 1), dtype=np.uint8)
    indices = np.arange(10) - 5
    pieces = {
        "images": Pieces(images.shape, images.dtype, (images[part] for part in (slice(7), slice(7, 7), slice(7, 10)))),
        "indices": Pieces((10,), indices.dtype, [indices[::-1][::-1]]),
    }
    save_npz(tmp_path / "pieces.npz", pieces)
    np.savez(tmp_path / "whole.npz", images=images, indices=indices)
    assert (tmp_path / "pieces.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    with np.load(tmp_path / "pieces.npz", allow_pickle=False) as read:
        np.testing.assert_array_equal(read["images"], images)


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (np.zeros((3, 2), np.uint8), "Expected 4 rows. Received 3"),
        (np.zeros((5, 2), np.uint8), "Expected 4 rows. Received 5"),
        (np.zeros((4, 3), np.uint8), "Bad piece of `a`"),
        (np.zeros((4, 2), np.float32), "Bad piece of `a`"),
    ],
)
def test_rejects_pieces_that_do_not_match_the_declared_array(tmp_path, piece, message):
    with pytest.raises(ValueError, match=message):
        save_npz(tmp_path / "a.npz", {"a": Pieces((4, 2), np.dtype(np.uint8), [piece])})
