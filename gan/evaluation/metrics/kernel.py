"""Kernel distance between two sets of features."""

import numpy as np

from gan.errors import check, check_seed
from gan.utils.arguments import check_axes, checked

KERNEL_BLOCKS = 10
"""Default of `blocks`."""


@checked
def kernel_distance(
    real: np.ndarray, fake: np.ndarray, *, blocks: int = KERNEL_BLOCKS, seed: int = 0
) -> tuple[float, float]:
    """Computes (unbiased squared MMD, its standard error) of features [N, F] and [M, F].

    The kernel is (x.y / F + 1)^3 (arXiv:1801.01401, section 3). On Inception features, this distance is called KID.
    Unlike the Frechet distance, it has no bias that depends on the number of images. It can be slightly negative. The
    standard error is a jackknife estimate (doi:10.1214/aos/1176345462): each of `blocks` parts of both sets is left out
    in turn. `seed` assigns the images to the parts.

    Raises `InputError` below two images per block, or for features that are not finite.
    """
    check_axes("real", real, "NF")
    check_axes("fake", fake, "NF")
    check_seed(seed)
    check(blocks >= 2, "blocks", "at least 2", blocks)
    fewest = min(len(real), len(fake))
    check(fewest >= 2 * blocks, "features", f"at least {2 * blocks} real and {2 * blocks} fake", fewest)
    check(real.shape[1:] == fake.shape[1:], "features", f"the shape of real features, {real.shape[1:]}", fake.shape[1:])
    for features in (real, fake):
        check(bool(np.isfinite(features).all()), "features", "finite numbers", "NaN or infinity")
    rng = np.random.default_rng(seed)  # images can be sorted by class, and the parts must have the same distribution
    dealt = [features[rng.permutation(len(features))].astype(np.float64) for features in (real, fake)]
    reals, fakes = ([features[i::blocks] for i in range(blocks)] for features in dealt)
    sizes = [np.array([len(part) for part in parts]) for parts in (reals, fakes)]
    sums = [kernel_sums(a, b) for a, b in ((reals, reals), (fakes, fakes), (reals, fakes))]
    own = [np.array([np.sum((np.sum(x**2, axis=1) / x.shape[1] + 1) ** 3) for x in parts]) for parts in (reals, fakes)]

    def distance(kept: np.ndarray) -> float:
        both = np.ix_(kept, kept)
        n, m = (size[kept].sum() for size in sizes)
        within_real = (sums[0][both].sum() - own[0][kept].sum()) / (n * (n - 1))
        within_fake = (sums[1][both].sum() - own[1][kept].sum()) / (m * (m - 1))
        return float(within_real + within_fake - 2 * sums[2][both].sum() / (n * m))

    every = np.arange(blocks)
    without = [distance(np.delete(every, i)) for i in every]
    return distance(every), float(np.sqrt((blocks - 1) * np.var(without)))


def kernel_sums(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    """Returns the sums of the kernel over all pairs of images, for each pair of parts: [parts of a, parts of b].

    The kernel is (x.y / F + 1)^3. Parts are features float64 [N, F], of any N each. If `a` is `b`, pairs of an image
    with itself are included, and half the work is saved.
    """

    def pair(x: np.ndarray, y: np.ndarray) -> float:
        kernel = x @ y.T / x.shape[1] + 1
        return float(np.vdot(kernel * kernel, kernel))  # ten times faster than ** 3

    if a is b:
        sums = np.array([[pair(x, y) if i <= j else 0.0 for j, y in enumerate(b)] for i, x in enumerate(a)])
        return sums + np.triu(sums, 1).T
    return np.array([[pair(x, y) for y in b] for x in a])
