"""Tests of the command line from a folder of images to samples."""

import json

import numpy as np
import pytest
from helpers.comparison import size_of
from helpers.painting import paint_shapes

TINY = ["--steps", 4, "--batch-size", 8, "--latent-dim", 4, "--g-width", 2, "--d-width", 2, "--steps-per-execution", 2]


@pytest.mark.parametrize(
    ("size", "classes", "options"),
    [
        pytest.param((16, 16), ("round", "square"), ["--augment", "translation", "cutout"], marks=pytest.mark.slow),
        pytest.param((32, 24), (), ["--conditioning", "none"], marks=pytest.mark.slow),
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


@pytest.mark.slow  # the names of labels in tests/sampling/test_labels.py are the stand-in
def test_classes_are_shown_and_taken_by_name(fork_server, tmp_path):
    paint_shapes(tmp_path / "images", (16, 16), count=36, classes=("2", "1", "10"))
    run, output = tmp_path / "run", tmp_path / "output"
    named = "0 = 1, 1 = 2, 2 = 10"
    status, printed = fork_server.run("train", "--dataset", tmp_path / "images", "--output", run, *TINY, output=output)
    assert (status, f"classes: {named}" in printed) == (0, True), printed
    status, printed = fork_server.run("info", run, output=output)
    assert (status, named in printed) == (0, True), printed
    for label, number in (("1", 0), ("10", 2)):
        file = tmp_path / f"{label}.npz"
        status, printed = fork_server.run("sample", run, "--num", 3, "--label", label, "--out", file, output=output)
        assert status == 0, printed
        with np.load(file) as arrays:
            assert arrays["labels"].tolist() == [number] * 3
    status, printed = fork_server.run("sample", run, "--label", "11", output=output)
    assert status == 2
    assert "or a name such as 1. Received: 11" in printed
    status, printed = fork_server.run(
        "project", run, "--label", "0-1", *(tmp_path / "images/1").glob("*.png"), output=output
    )
    assert (status, "one class" in printed) == (2, True), printed

    # The classes of an earlier revision, which were sorted as text, are not mistaken for those of today.
    record = json.loads((run / "config.json").read_text())
    record["dataset"]["class_names"] = ["1", "10", "2"]
    del record["result"]
    (run / "config.json").write_text(json.dumps(record))
    status, printed = fork_server.run("train", "--resume", run, output=output)
    assert status == 2
    assert "another order when the run started. Expected class 1 = 10. Received: class 1 = 2" in printed


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda f: paint_shapes(f, (32, 32), classes=()), [], "has no labels"),
        (lambda f: paint_shapes(f, (5, 300)), [], "8x256"),
        (lambda f: paint_shapes(f, (32, 32), classes=("only",)), [], "class"),
        (lambda f: f.mkdir() or f, [], "No images"),
        (lambda f: paint_shapes(paint_shapes(f, (32, 32)), (32, 32), classes=()), [], "sub-folders"),
        (lambda f: paint_shapes(f, (32, 32)), ["--batch-size", "8", "--critic-steps", "9"], "batch"),
    ],
    ids=["no labels", "size", "one class", "empty", "mixed", "batch"],
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
