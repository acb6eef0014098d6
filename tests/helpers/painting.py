"""Writes folders of images for tests."""

import numpy as np
from PIL import Image

from gan.data import images


def paint_shapes(folder, size, count=24, *, classes=("round", "square")):
    """Writes RGB images of a bright disc or square on a dark background, in one subfolder per class."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for number in range(count):
        kind = number % max(1, len(classes))
        center, radius = rng.uniform(0.3, 0.7, 2) * size, rng.uniform(0.15, 0.3) * min(size)
        distance = np.abs(np.stack([rows - center[0], columns - center[1]]))
        inside = np.hypot(*distance) < radius if kind == 0 else distance.max(axis=0) < radius
        pixels = np.where(inside[..., None], rng.integers(120, 256, 3), 20).astype(np.uint8)
        file = folder / (classes[kind] if classes else "") / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return folder


def paint_noise(folder, count=20, *, size=(32, 32), channels=3, first=0, suffix=".png"):
    """Writes `count` different images of noise; the seed of an image is its number in the file name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, channels)).astype(np.uint8)
        images.to_pil(pixels).save(folder / f"{number:03d}{suffix}")
    return folder
