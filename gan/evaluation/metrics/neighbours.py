"""The nearest real image to each fake, and what that says about memorisation."""

from dataclasses import dataclass

import numpy as np

from gan.errors import check
from gan.evaluation.metrics.paired import ssim_of_pairs

LEAST_GROUPS = 30
"""Fakes that differ, in effect, below which nobody can tell what share of them is copied."""


@dataclass(frozen=True)
class Neighbours:
    """For each fake the index of its MSE-nearest real, that MSE, and the SSIM of the pair: each [N].

    The SSIM of images with a side below 11 pixels is NaN.
    """

    index: np.ndarray
    mse: np.ndarray
    ssim: np.ndarray


def nearest_neighbours(fake: np.ndarray, real: np.ndarray) -> Neighbours:
    """Pairs each fake [N, H, W, C] with its MSE-nearest real [M, H, W, C], for `nearest_mse` and `nearest_ssim`.

    Lower MSE and higher SSIM mean nearer, not better: a copy is as near as can be. Raises `InputError` where a side has
    no images, or values that are not finite.
    """
    _check_images(fake, real)
    index, mse = _nearest(fake, real)
    return Neighbours(index, mse, ssim_of_pairs(fake, real[index]))


def copied_share(fake: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """How much of what a generator makes is copied: {`copied_share`, `copied_share_lower`, `copied_share_upper`}.

    The training images are dealt, by `seed`, into folds of the held-out set's size (a rest that is no fold is left
    out, and counted as the others are). In a fold, the nearest image to a fake that
    copies nothing lies in the fold or in the held-out set with the same chance, so 2 (P - 1/2) is the share of fakes
    that copy an image of that fold; the sum over the folds is that of all. 1: everything is copied, 0: nothing. The
    interval is +-1.96 standard errors of the mean over fakes, those with one nearest held-out image taken together:
    ten fakes that look the same are one observation. Where there are fewer than 30 such observations (N^2 / sum of the
    squared sizes of the groups) nothing can be told, and all three are NaN.

    Blur does no harm to this, as it does to a mere difference of nearest distances: a blurred held-out digit is still
    nearest to the held-out set. Raises `InputError` when there are fewer training images than held-out ones, no images,
    or values that are not finite.
    """
    _check_images(fake, held_out)
    folds = len(train) // len(held_out)
    check(folds >= 1, "train", f"at least the {len(held_out)} held-out images", len(train))
    index, away = _nearest(fake, held_out)
    in_train = np.zeros(len(fake))
    dealt = np.random.default_rng(seed).permutation(len(train))[: folds * len(held_out)]
    for fold in np.split(train[dealt], folds):
        near = _nearest(fake, fold)[1]
        in_train += np.where(near == away, 0.5, near < away) / folds
    scale = 2 * len(train) / len(held_out)
    share = scale * (in_train.mean() - 0.5)
    group = np.unique(index, return_inverse=True)[1]
    sizes = np.bincount(group)
    if len(fake) ** 2 / np.sum(sizes**2) < LEAST_GROUPS:
        return dict.fromkeys(("copied_share", "copied_share_lower", "copied_share_upper"), float("nan"))
    apart = np.bincount(group, in_train - in_train.mean())
    error = scale * np.sqrt(np.sum(apart**2) * len(sizes) / (len(sizes) - 1)) / len(fake)
    return {
        "copied_share": float(share),
        "copied_share_lower": float(share - 1.96 * error),
        "copied_share_upper": float(share + 1.96 * error),
    }


def _check_images(*sets: np.ndarray) -> None:
    for images in sets:
        check(len(images) > 0, "images", "one or more on each side", f"{len(images)} of them")
        check(bool(np.isfinite(images).all()), "images", "finite ones", "NaN or infinity")


def _nearest(fake: np.ndarray, real: np.ndarray, *, chunk: int = 250) -> tuple[np.ndarray, np.ndarray]:
    """(index of the nearest real to each fake, mean squared difference to it), in chunks of fakes.

    They are found by |x|^2 - 2 x.y in float32, one matrix product a chunk; the difference itself is then taken pixel by
    pixel, so that it is exact where images are equal.
    """
    fake, real = (np.ascontiguousarray(images.reshape(len(images), -1), np.float32) for images in (fake, real))
    lengths = np.einsum("nd,nd->n", real, real)
    index, mse = np.empty(len(fake), np.int64), np.empty(len(fake))
    for start in range(0, len(fake), chunk):
        part = slice(start, start + chunk)
        score = (-2.0 * fake[part]) @ real.T
        score += lengths
        index[part] = score.argmin(axis=1)
        mse[part] = np.square((fake[part] - real[index[part]]).astype(np.float64)).mean(axis=1)
    return index, mse
