"""Folders of images that tests paint."""

import numpy as np
from PIL import Image

from gan.data import images


def paint_shapes(folder, size, count=24, *, colour=True, classes=("round", "square")):
    """Pictures of one bright disc or square on a dark ground, in a sub-folder for each class, or none."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for number in range(count):
        kind = number % max(1, len(classes))
        centre, radius = rng.uniform(0.3, 0.7, 2) * size, rng.uniform(0.15, 0.3) * min(size)
        away = np.abs(np.stack([rows - centre[0], columns - centre[1]]))
        inside = np.hypot(*away) < radius if kind == 0 else away.max(axis=0) < radius
        pixels = np.where(inside[..., None], rng.integers(120, 256, 3), 20).astype(np.uint8)
        file = folder / (classes[kind] if classes else "") / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels if colour else pixels[..., 0]).save(file)
    return folder


def paint_noise(folder, count=20, *, size=(32, 32), channels=3, first=0, suffix=".png"):
    """Writes `count` pictures of noise, each another, of a seed that is its number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        picture = np.random.default_rng(number).integers(0, 256, (*size, channels)).astype(np.uint8)
        images.to_pil(picture).save(folder / f"{number:03d}{suffix}")
    return folder
