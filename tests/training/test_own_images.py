"""Tests of the command line from a folder of images to samples."""

import json

import pytest
from helpers.comparison import size_of
from helpers.painting import paint_shapes

TINY = ["--steps", 4, "--batch-size", 8, "--latent-dim", 4, "--g-width", 2, "--d-width", 2, "--steps-per-execution", 2]


@pytest.mark.parametrize(
    ("size", "classes", "options"),
    [
        ((16, 16), ("round", "square"), ["--augment", "translation", "cutout"]),
        ((32, 24), (), ["--conditioning", "none"]),
        ((50, 40), ("a", "b"), ["--image-size", "17x14", "--arch", "resnet", "--conditioning", "concat"]),
    ],
)
def test_trains_on_a_folder_of_images_and_samples(fork_server, tmp_path, size, classes, options):
    images, run = paint_shapes(tmp_path / "images", size, classes=classes), tmp_path / "run"
    status, printed = fork_server.run(
        "train", "--dataset", images, "--output", run, *TINY, *options, output=tmp_path / "output"
    )
    assert status == 0, printed
    record = json.loads((run / "config.json").read_text())
    expected = (17, 14) if "--image-size" in options else size
    assert record["dataset"]["image_shape"] == [*expected, 3]
    assert record["dataset"]["num_classes"] == len(classes)
    status, printed = fork_server.run(
        "sample", run, "--num", 5, "--out", tmp_path / "samples", "--json", output=tmp_path / "output"
    )
    assert status == 0, printed
    samples = sorted((tmp_path / "samples").iterdir())
    assert [size_of(file) for file in samples] == [expected[::-1]] * 5
    status, printed = fork_server.run("train", "--resume", run, output=tmp_path / "output")
    assert (status, "is finished" in printed) == (0, True), printed


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda f: paint_shapes(f, (32, 32), classes=()), [], "has no labels"),
        (lambda f: paint_shapes(f, (5, 300)), [], "8x256"),
        (lambda f: paint_shapes(f, (32, 32)), ["--channels", "1"], "channels"),
        (lambda f: paint_shapes(f, (32, 32), classes=("only",)), [], "class"),
        (lambda f: f.mkdir() or f, [], "No images"),
        (lambda f: paint_shapes(paint_shapes(f, (32, 32)), (32, 32), classes=()), [], "sub-folders"),
        (lambda f: paint_shapes(f, (32, 32)), ["--batch-size", "8", "--critic-steps", "9"], "batch"),
    ],
    ids=["no labels", "size", "channels", "one class", "empty", "mixed", "batch"],
)  # fmt: skip
def test_rejects_unusable_images_with_one_line_and_writes_nothing(fork_server, tmp_path, make, options, message):
    run = tmp_path / "run"
    status, printed = fork_server.run(
        "train", "--dataset", make(tmp_path / "images"), "--output", run, *TINY, *options, output=tmp_path / "output"
    )
    lines = [line for line in printed.splitlines() if line.startswith("gan: ") and "warning" not in line]
    assert status == 2, printed
    assert len(lines) == 1, printed
    assert message in lines[0]
    assert "Traceback" not in printed
    assert not run.exists()
