"""Sliced Wasserstein distance between the patches of two sets of images, at several resolutions."""

from collections.abc import Sequence

import numpy as np

from gan.errors import check, check_seed, check_whole
from gan.utils.arguments import check_axes, checked

PATCH = 7
"""Side of a patch, in pixels."""

SMALLEST_SIDE = 8
"""Side, in pixels, below which a level is not halved again, and below which the distance is not defined."""

PATCHES = 32
"""Patches that are drawn from each level of an image."""

BLOCK = 64
"""Images whose pyramids are in memory at the same time."""

DIRECTIONS = 128
"""Directions onto which patches are projected."""

SLICED = "sliced_wasserstein"
"""Name of the mean over the levels."""

_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


@checked
def sliced_wasserstein(
    real: np.ndarray, fake: np.ndarray, *, patches: int = PATCHES, directions: int = DIRECTIONS, seed: int = 0
) -> dict[str, float]:
    """Compares local structure at several resolutions (arXiv:1710.10196, section 5). Lower is better, 0: equal sets.

    Images [N, H, W, C] become Laplacian pyramids: each level holds the details that the next one, of half the size,
    lacks; the last one is a small copy of the image. From each level, the 7 x 7 patches at random positions are
    normalized per channel. The distance of a level is the mean, over random directions u of length 1, of the 1-D
    Wasserstein distance between the projections x.u of all patches: mean |sorted(real) - sorted(fake)|.

    Unlike in the paper, the mean and the standard deviation of the real patches normalize both sets, so another
    brightness or contrast counts too. The smallest level has a side of 8 to 15 pixels, not 16. All images share the
    positions of their index, so equal sets give 0 exactly. Values of different image sizes do not compare.

    Args:
        real: real images [N, H, W, C], with a side of at least 8 pixels.
        fake: as many samples of the same shape.
        patches: patches of each image and level.
        directions: number of random directions.
        seed: seed of the positions and the directions.

    Returns {`sliced_wasserstein`: mean over the levels, `sliced_wasserstein_HxW`: the level of this size}, finest
    first. Raises `InputError` for other shapes, or images that are not finite.
    """
    check_axes("real", real, "NHWC")
    check(fake.shape == real.shape, "fake", f"the shape of the real images, {real.shape}", fake.shape)
    smallest = min(real.shape[1:3])
    check(smallest >= SMALLEST_SIDE, "images", f"sides of at least {SMALLEST_SIDE} pixels", real.shape[1:3])
    check_whole("patches", patches, 1)
    check_whole("directions", directions, 1)
    check_seed(seed)
    for images in (real, fake):
        check(bool(np.isfinite(images).all()), "images", "finite numbers", "NaN or infinity")
    shapes = _level_shapes(real.shape[1:3])
    generators = [np.random.default_rng([seed, number]) for number in range(len(shapes))]
    positions = [
        [rng.integers(0, side - PATCH + 1, (len(real), patches)) for side in shape]
        for rng, shape in zip(generators, shapes)
    ]
    found = {}
    of_both = zip(_patches_of_levels(real, positions), _patches_of_levels(fake, positions))
    for rng, shape, (drawn, others) in zip(generators, shapes, of_both):
        mean, spread = (of(drawn, axis=(0, 1, 2), dtype=np.float64) for of in (np.mean, np.std))
        scale = np.where(spread > 0, spread, 1.0)
        drawn, others = (((part - mean) / scale).astype(np.float32).reshape(len(part), -1) for part in (drawn, others))
        name = f"{SLICED}_{shape[0]}x{shape[1]}"
        found[name] = sliced_distance(drawn, others, _unit_vectors(rng, directions, drawn.shape[1]))
    return {SLICED: float(np.mean([*found.values()])), **found}


@checked
def sliced_distance(a: np.ndarray, b: np.ndarray, directions: np.ndarray) -> float:
    """Computes the mean 1-D Wasserstein distance of points [N, D] over directions [K, D]: mean |sort(a.u) - sort(b.u)|.

    `b` has as many points as `a`.
    """
    check_axes("a", a, "ND")
    check(a.shape == b.shape, "b", f"shape {a.shape}", b.shape)
    check(directions.shape[1:] == a.shape[1:], "directions", f"shape [K, {a.shape[1]}]", directions.shape)
    total = 0.0
    for first in range(0, len(directions), 32):  # a part, so that the projections fit into memory
        axes = directions[first : first + 32].astype(a.dtype)
        along, beside = (np.sort(axes @ points.T, axis=1) for points in (a, b))
        total += float(np.abs(along - beside).mean(axis=1, dtype=np.float64).sum())
    return total / len(directions)


@checked
def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Splits images [N, H, W, C] into levels of details, from fine to coarse (doi:10.1109/TCOM.1983.1095851).

    A level is the difference between the image and its enlarged next smaller version; the last level is that version.
    A level of side n is followed by one of side ceil(n / 2), while that has at least 8 pixels.
    """
    check_axes("images", images, "NHWC")
    levels, rest = [], images
    for _ in _level_shapes(images.shape[1:3])[1:]:
        smaller = _blur(rest)[:, ::2, ::2]
        levels.append(rest - _enlarge(smaller, rest.shape))
        rest = smaller
    return [*levels, rest]


def _level_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Returns height and width of each level of the pyramid of images of a height and width."""
    shapes = [shape]
    while (min(shapes[-1]) + 1) // 2 >= SMALLEST_SIDE:
        shapes.append(tuple((side + 1) // 2 for side in shapes[-1]))
    return shapes


def _patches_of_levels(images: np.ndarray, positions: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Returns the patches [N * P, 7, 7, C] of each level at positions (rows [N, P], columns [N, P]).

    The pyramids of a few images at a time are in memory.
    """
    found: list[list[np.ndarray]] = [[] for _ in positions]
    for first in range(0, len(images), BLOCK):
        block = slice(first, first + BLOCK)
        levels = laplacian_pyramid(images[block].astype(np.float32))
        for parts, level, (rows, columns) in zip(found, levels, positions):
            parts.append(_patches(level, rows[block], columns[block]))
    return [np.concatenate(parts) for parts in found]


def _blur(images: np.ndarray) -> np.ndarray:
    """Applies the binomial filter 1 4 6 4 1 along height and width, with mirrored borders."""
    for axis in (1, 2):
        padding = [(2, 2) if number == axis else (0, 0) for number in range(4)]
        padded, length = np.pad(images, padding, mode="reflect"), images.shape[axis]
        parts = (np.take(padded, range(start, start + length), axis) for start in range(len(_BINOMIAL)))
        images = sum((weight * part for weight, part in zip(_BINOMIAL, parts)), np.zeros_like(images))
    return images


def _enlarge(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Doubles the height and the width to the ones of `shape`: zeros between the pixels, then four times the blur."""
    apart = np.zeros(shape, images.dtype)
    apart[:, ::2, ::2] = images
    return 4 * _blur(apart)


def _patches(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns the patches of images at positions [N, P]: [N * P, 7, 7, C]."""
    inside = np.arange(PATCH)
    number = np.arange(len(images))[:, None, None, None]
    found = images[number, rows[..., None, None] + inside[:, None], columns[..., None, None] + inside]
    return found.reshape(-1, PATCH, PATCH, images.shape[-1])


def _unit_vectors(rng: np.random.Generator, number: int, size: int) -> np.ndarray:
    vectors = rng.standard_normal((number, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
