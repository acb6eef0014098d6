"""From a folder of pictures to samples, through the command line."""

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
def test_a_folder_of_pictures_trains_and_sample(fork_server, tmp_path, size, classes, options):
    pictures, run = paint_shapes(tmp_path / "pictures", size, classes=classes), tmp_path / "run"
    status, said = fork_server.run(
        "train", "--dataset", pictures, "--output", run, *TINY, *options, said=tmp_path / "said"
    )
    assert status == 0, said
    record = json.loads((run / "config.json").read_text())
    expected = (17, 14) if "--image-size" in options else size
    assert record["dataset"]["image_shape"] == [*expected, 3]
    assert record["dataset"]["num_classes"] == len(classes)
    status, said = fork_server.run(
        "sample", run, "--num", 5, "--out", tmp_path / "drawn", "--json", said=tmp_path / "said"
    )
    assert status == 0, said
    drawn = sorted((tmp_path / "drawn").iterdir())
    assert [size_of(file) for file in drawn] == [expected[::-1]] * 5
    status, said = fork_server.run("train", "--resume", run, said=tmp_path / "said")
    assert (status, "is finished" in said) == (0, True), said


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
def test_what_cannot_be_learnt_from_is_refused_in_a_line_and_leaves_nothing(
    fork_server, tmp_path, make, options, message
):
    run = tmp_path / "run"
    status, said = fork_server.run(
        "train", "--dataset", make(tmp_path / "pictures"), "--output", run, *TINY, *options, said=tmp_path / "said"
    )
    lines = [line for line in said.splitlines() if line.startswith("gan: ") and "warning" not in line]
    assert status == 2, said
    assert len(lines) == 1, said
    assert message in lines[0]
    assert "Traceback" not in said
    assert not run.exists()
