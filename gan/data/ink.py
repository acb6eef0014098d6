"""Separates the ink of handwriting from its background: uneven light, noise and ruled lines.

All arrays are float32 [H, W]. Ink is at least 0, and greater where it differs more from its background.
"""

import numpy as np
from scipy import ndimage

from gan.utils.types import Tensor


def estimate_noise(brightness: np.ndarray) -> float:
    """Estimates the standard deviation of noise that is independent for each pixel.

    It is the median absolute response of the mask [[1, -2, 1], [-2, 4, -2], [1, -2, 1]], which cancels any sum of a
    function of the row and a function of the column. Strokes and edges hardly change a median. Images with a side of
    fewer than 16 pixels count as free of noise.

    Source: J. Immerkaer, Fast noise variance estimation, 1996. doi:10.1006/cviu.1996.0060
    """
    if min(brightness.shape) < 16:
        return 0.0
    second = np.diff(np.diff(brightness, 2, axis=0), 2, axis=1)
    return float(np.median(np.abs(second))) / (6 * 0.6745)


def remove_background(brightness: np.ndarray, width: int, *, is_dark: bool) -> np.ndarray:
    """Computes how much darker (or lighter) each pixel is than the background: the ink.

    The background is the morphological closing (for light ink, the opening) with a square of `width` pixels. It follows
    slopes and edges of shadows exactly, and bridges strokes that are narrower than the square. Dark ink is divided by
    the background, because a shadow dims ink and paper by the same factor.
    """
    width = max(3, width)
    reach = width // 2 + 1
    padded = np.pad(brightness, reach, mode="edge")  # both halves of a closing must see what lies beyond the border
    inner = (slice(reach, -reach), slice(reach, -reach))
    if is_dark:
        background = ndimage.grey_closing(padded, size=(width, width), mode="nearest")[inner]
        ink = (background - brightness) / np.maximum(background, 0.1)
    else:
        ink = brightness - ndimage.grey_opening(padded, size=(width, width), mode="nearest")[inner]
    return np.maximum(ink - np.median(ink), 0.0)  # noise raises a closing above the true background


def remove_lines(ink: np.ndarray, *, most_degrees: float = 6.0) -> np.ndarray:
    """Removes ruled lines: straight, thin, parallel, from border to border, horizontal or vertical up to a tilt.

    The ink of a line is the median along it, and is subtracted. Strokes that cross a line keep their excess; where they
    are no darker than the line, the gap is closed across it.
    """
    return _remove_rows(_remove_rows(ink, most_degrees).T, most_degrees).T


def _remove_rows(ink: np.ndarray, most_degrees: float) -> np.ndarray:
    """Removes lines along the rows."""
    height, width = ink.shape
    if min(height, width) < 40:
        return ink
    peak = float(np.quantile(ink, 0.998))
    if peak <= 0:
        return ink
    columns = np.arange(width) - width / 2
    step = max(1, width // 48)
    some = np.minimum(ink[:, ::step], 0.3 * peak)  # a stroke must not outweigh a line

    def sharpness(degrees: float) -> float:
        return float(np.var(_sheared(some, np.tan(np.radians(degrees)) * columns[::step]).mean(axis=1)))

    coarse = max(np.arange(-most_degrees, most_degrees + 0.1), key=sharpness)
    chosen = np.tan(np.radians(max(coarse + np.arange(-0.75, 0.8, 0.25), key=sharpness)))
    shifts = chosen * columns
    sheared = _sheared(ink, shifts)
    profile = _line_profile(sheared)
    is_line = profile > 0.08 * peak
    is_line &= _run_lengths(is_line) <= max(3, 0.04 * height)
    if not is_line.any():
        return ink
    near = ndimage.maximum_filter1d(is_line, 3)
    level = np.where(near, ndimage.maximum_filter1d(np.median(sheared, axis=1), 3), 0.0)[:, None]
    excess = np.where(sheared > 1.5 * level, sheared, 0.0)
    cleaned = np.where(near[:, None], excess, sheared)
    reach = int(_run_lengths(near).max()) + 2
    bridged = ndimage.grey_closing(cleaned, size=(2 * (reach // 2) + 1, 1))
    cleaned = np.where(near[:, None], np.minimum(np.maximum(cleaned, bridged), np.maximum(sheared, 0)), cleaned)
    return _sheared(cleaned, -shifts)


def _sheared(ink: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Shifts each column down by whole pixels; borders are repeated."""
    rows = np.arange(ink.shape[0])[:, None] + np.rint(shifts).astype(int)[None]
    return np.take_along_axis(ink, np.clip(rows, 0, ink.shape[0] - 1), axis=0)


def _line_profile(ink: np.ndarray) -> np.ndarray:
    """Returns the ink of a line at each row: the least of the medians of its left, middle and right third."""
    thirds = [np.median(part, axis=1) for part in np.array_split(ink, 3, axis=1)]
    profile = np.minimum.reduce([np.median(ink, axis=1), thirds[0], thirds[2]])
    return np.maximum(profile - np.median(profile), 0.0)


def _run_lengths(flags: np.ndarray) -> np.ndarray:
    """Returns the length of the run of true values at each position; 0 where false."""
    runs, count = ndimage.label(flags)
    return np.bincount(runs.ravel(), minlength=count + 1)[runs] * flags


def otsu_threshold(values: np.ndarray, bins: int = 256) -> float:
    """Computes the threshold that maximizes the variance between the two classes it makes. Otsu, 1979.

    Returns the least value if all values are about equal.
    """
    if np.ptp(values) < 1e-4:
        return float(values.min())
    counts, edges = np.histogram(values, bins)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1:][np.nanargmax(np.where(np.isfinite(between), between, -1.0))])


def label_marks(mask: np.ndarray) -> tuple[Tensor, int]:
    """Labels connected marks, diagonals included: (whole numbers [H, W], their count)."""
    return ndimage.label(mask, structure=np.ones((3, 3)))
