"""Warnings about a dataset that loads, but may not hold what its owner expects: range of values, small classes."""

import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gan.data import storage
from gan.data.split import Split

NARROW = 64
"""Smallest difference between the brightest and the darkest pixel of a dataset that is not reported, of 255."""
SHALLOW = 2**14
"""Smallest peak of 16-bit images that is not reported, of 65,535."""
SMALL_CLASS = 6
"""Number of images of a class below which holding out a sixth of them gives less than one image."""
_NAMED = 10


def report_range(arrays: Iterable[np.ndarray], peak: int | None = None, *, from_files: bool = True) -> None:
    """Warns about images that are almost black, have little contrast, or have a single color each.

    Args:
        arrays: images, each uint8 [N, H, W, C]. Reading stops at the first chunk that proves a usual range.
        peak: largest value of the images with more than 8 bits, before their conversion. None: there are none.
        from_files: whether `--pixel-range` can mend it.
    """
    low, high, plain = 255, 0, True
    for chunk in (chunk for images in arrays for chunk in storage.in_chunks(images)):
        low, high = min(low, int(chunk.min())), max(high, int(chunk.max()))
        plain = plain and not (chunk != chunk[:, :1, :1]).any()
        if high - low >= NARROW and not plain:
            break
    found = None
    if peak is not None and peak < SHALLOW:
        bits = max(1, peak.bit_length())
        found = (
            f"The values of the 16-bit images reach {peak:,} of 65,535, so they are dark. If their range is "
            f"{bits} bits, use --pixel-range 0 {2**bits - 1} (pixel_range=)"
        )
    elif low == high:
        found = f"All pixels of all images have the value {low} of 0 to 255"
    elif high - low < NARROW:
        low_end, high_end = (0, 2 ** high.bit_length() - 1) if high < NARROW else (low, high)
        scaled = f"np.rint((images - {low_end}.0) * (255 / {high_end - low_end})).astype('uint8')"
        option = f"--pixel-range {low_end} {high_end} (pixel_range=)" if from_files else scaled
        found = (
            f"The pixels have values from {low} to {high} of 0 to 255{', almost black' if high < NARROW else ''}. "
            f"{option} uses the whole range"
        )
    elif plain:
        found = "Each image has a single color"
    if found is not None:
        warnings.warn(found, stacklevel=3)


def report_small_classes(splits: Mapping[str, Split], num_classes: int, names: Sequence[str]) -> None:
    """Warns about classes without a training image, and about small classes without an image to hold out.

    names: names of the classes. Without names, classes are reported by number.
    """
    if not num_classes:
        return
    counts = {
        split: np.bincount(part.labels, minlength=num_classes)
        for split, part in splits.items()
        if part.labels is not None
    }
    totals = np.sum(list(counts.values()), axis=0)
    untrained = np.flatnonzero(counts["train"] == 0)
    if untrained.size:
        warnings.warn(
            f"Classes without a training image, because their images are held out: {_listed(untrained, totals, names)}."
            " More images of a class, or splits of your own, avoid this",
            stacklevel=3,
        )
    for split in ("validation", "test"):
        missing = np.flatnonzero((counts[split] == 0) & (totals < SMALL_CLASS) & (counts["train"] > 0))
        if missing.size:
            warnings.warn(f"Classes too small for a {split} image: {_listed(missing, totals, names)}", stacklevel=3)


def _listed(classes: np.ndarray, totals: np.ndarray, names: Sequence[str]) -> str:
    listed = [f"{names[k] if names else k} ({totals[k]} image{'s' * int(totals[k] != 1)})" for k in classes[:_NAMED]]
    rest = len(classes) - len(listed)
    return ", ".join(listed) + (f" and {rest} more" if rest else "")
