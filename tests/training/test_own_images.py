"""From a folder of pictures to samples, through the command line."""

import json

import numpy as np
import pytest
from conftest import size_of
from PIL import Image

TINY = ["--steps", 4, "--batch-size", 8, "--latent-dim", 4, "--g-width", 2, "--d-width", 2, "--steps-per-execution", 2]


def paint(folder, size, count=24, *, colour=True, classes=("round", "square")):
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


@pytest.mark.parametrize(
    ("size", "classes", "options"),
    [
        ((32, 32), ("round", "square"), ["--augment", "translation", "cutout"]),
        ((96, 64), (), ["--conditioning", "none"]),
        ((50, 40), ("a", "b"), ["--image-size", "33x26", "--arch", "resnet", "--conditioning", "concat"]),
    ],
)
def test_a_folder_of_pictures_trains_and_sample(nursery, tmp_path, size, classes, options):
    pictures, run = paint(tmp_path / "pictures", size, classes=classes), tmp_path / "run"
    status, said = nursery.run("train", "--dataset", pictures, "--output", run, *TINY, *options, said=tmp_path / "said")
    assert status == 0, said
    record = json.loads((run / "config.json").read_text())
    expected = (33, 26) if "--image-size" in options else size
    assert record["dataset"]["image_shape"] == [*expected, 3]
    assert record["dataset"]["num_classes"] == len(classes)
    status, said = nursery.run("sample", run, "--num", 5, "--out", tmp_path / "drawn", "--json", said=tmp_path / "said")
    assert status == 0, said
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [size_of(file) for file in drawn] == [expected[::-1]] * 5
    status, said = nursery.run("train", "--resume", run, said=tmp_path / "said")
    assert (status, "is finished" in said) == (0, True), said


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda f: paint(f, (32, 32), classes=()), [], "has no labels"),
        (lambda f: paint(f, (5, 300)), [], "8x256"),
        (lambda f: paint(f, (32, 32)), ["--channels", "1"], "channels"),
        (lambda f: paint(f, (32, 32), classes=("only",)), [], "class"),
        (lambda f: f.mkdir() or f, [], "No pictures"),
        (lambda f: paint(paint(f, (32, 32)), (32, 32), classes=()), [], "sub-folders"),
        (lambda f: paint(f, (32, 32)), ["--batch-size", "8", "--critic-steps", "9"], "batch"),
    ],
    ids=["no labels", "size", "channels", "one class", "empty", "mixed", "batch"],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_refused_in_a_line_and_leaves_nothing(nursery, tmp_path, make, options, message):
    run = tmp_path / "run"
    status, said = nursery.run(
        "train", "--dataset", make(tmp_path / "pictures"), "--output", run, *TINY, *options, said=tmp_path / "said"
    )
    lines = [line for line in said.splitlines() if line.startswith("gan: ") and "warning" not in line]
    assert status == 2, said
    assert len(lines) == 1, said
    assert message in lines[0]
    assert "Traceback" not in said
    assert not run.exists()
