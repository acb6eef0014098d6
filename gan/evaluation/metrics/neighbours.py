"""Nearest training images of samples, and the share of samples that copy them."""

from dataclasses import dataclass

import numpy as np

from gan.errors import check, check_seed
from gan.evaluation.metrics.paired import ssim_of_pairs
from gan.utils.arguments import checked

LEAST_GROUPS = 30
"""Minimum effective number of different samples for an estimate of the copied share."""


@dataclass(frozen=True)
class Neighbours:
    """Index of the real image nearest to each sample by MSE, this MSE, and the SSIM of the pair: each [N].

    The SSIM is NaN for images with a side below 11 pixels.
    """

    index: np.ndarray
    mse: np.ndarray
    ssim: np.ndarray


@checked
def nearest_neighbours(fake: np.ndarray, real: np.ndarray) -> Neighbours:
    """Finds the nearest real image [M, H, W, C] of each sample [N, H, W, C], by mean squared error (MSE).

    Lower MSE and higher SSIM mean nearer, not better: a copy is nearest. Raises `InputError` for an empty set, or
    values that are not finite.
    """
    _check_images(fake, real)
    index, mse = _nearest(fake, real)
    return Neighbours(index, mse, ssim_of_pairs(fake, real[index]))


@checked
def copied_share(fake: np.ndarray, train: np.ndarray, held_out: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Estimates the share of samples that copy training images.

    Returns {`copied_share`, `copied_share_lower`, `copied_share_upper`}. 1: all samples are copies; 0: none is. An
    estimate can lie outside [0, 1].

    `seed` splits the training images into folds of the size of the held-out set. An incomplete last fold is left out,
    and the result is extrapolated to its images. If a sample copies nothing, its nearest image lies in a fold or in the
    held-out set with equal probability. So 2 (P - 1/2) is the share of samples that copy an image of this fold, where P
    is the probability of the fold. The sum over all folds is the share of copies.

    The interval is +-1.96 standard errors of the mean over samples. Samples with the same nearest held-out image form a
    group, because ten equal samples are one observation. The effective number of observations is N^2 / (sum of the
    squared group sizes). Below 30 observations, all three values are NaN.

    Blur does not hide copies, unlike with a difference of nearest distances: a blurred held-out digit is still nearest
    to the held-out set. Raises `InputError` for fewer training images than held-out images, an empty set, or values
    that are not finite.
    """
    _check_images(fake, held_out, train)
    check_seed(seed)
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
        check(images.ndim == 4, "images", "shape [N, H, W, C]", f"shape {[*images.shape]}")
        check(images.size > 0, "images", "one or more in each set", f"{len(images)} images")
        check(images.shape[1:] == sets[0].shape[1:], "images", f"the same shape {sets[0].shape[1:]}", images.shape[1:])
        check(bool(np.isfinite(images).all()), "images", "finite values", "NaN or infinity")


def _nearest(fake: np.ndarray, real: np.ndarray, *, chunk: int = 250) -> tuple[np.ndarray, np.ndarray]:
    """Returns (index of the nearest real image of each sample, mean squared difference), in chunks of samples.

    |x|^2 - 2 x.y in float32 finds the nearest image, with one matrix product per chunk. The difference is then computed
    pixel by pixel, so it is exactly 0 for equal images.
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
