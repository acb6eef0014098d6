"""Tests `gan classify` with the pretrained classifier: answers, refusals, and the image of what it saw."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A seven, a letter and blank paper, with noise."""
    folder = tmp_path_factory.mktemp("pictures")
    lines = {
        "7": [[(60, 60), (190, 55), (110, 230)]],
        "A": [[(60, 230), (130, 50), (200, 230)], [(88, 160), (172, 160)]],
        "blank": [],
    }
    for name, strokes in lines.items():
        page = Image.new("L", (260, 280), 215)
        for stroke in strokes:
            ImageDraw.Draw(page).line(stroke, fill=40, width=14, joint="curve")
        noise = np.random.default_rng(0).normal(0, 6, (280, 260))
        Image.fromarray((np.asarray(page) + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{name}.png")
    return folder


def test_every_outcome_is_printed_and_a_refusal_has_status_2(forked_gan, pictures, tmp_path):
    files = [pictures / f"{name}.png" for name in ("A", "7", "blank")]
    done = forked_gan("classify", *files, "--show", tmp_path / "new" / "seen.png")
    assert done.returncode == 2
    letter, seven, blank, show = done.stdout.splitlines()
    assert "A.png" in letter
    assert "no digit: " in letter
    assert "label 7, probability" in seven
    assert blank.endswith("no digit: only specks or noise")
    assert show.split() == ["show", str(tmp_path / "new" / "seen.png")]
    assert done.stderr.startswith(
        "gan: Not read as a digit: 2 of 3 images. Expected one digit in each image. Received: "
    )
    with Image.open(tmp_path / "new" / "seen.png") as seen:
        assert seen.width > seen.height > 150

    done = forked_gan("classify", *files, "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert list(found) == [str(file) for file in files]
    assert found[str(files[1])]["label"] == 7
    assert set(found[str(files[1])]) == {"label", "probability"}
    assert found[str(files[0])]["label"] is None
    assert 0 <= found[str(files[0])]["probability"] <= 1
    assert found[str(files[2])] == {"label": None, "probability": None, "reason": "only specks or noise"}


def test_the_bound_can_be_changed(forked_gan, pictures):
    done = forked_gan("classify", pictures / "A.png", "--bound", 0)
    assert done.returncode == 0, done.stderr
    assert "label" in done.stdout
    assert forked_gan("classify", pictures / "7.png").returncode == 0
    assert forked_gan("classify", pictures / "7.png", "--bound", 1).returncode == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bound", "1.5"], "Bad `--bound`. Expected a probability from 0 to 1. Received: bound=1.5."),
        (["--bound", "nan"], "Bad `--bound`"),
        (["--show", "seen.jpg"], "Bad `--show`. Expected a .png file."),
    ],
)
def test_bad_options_are_rejected_first(forked_gan, pictures, options, words):
    done = forked_gan("classify", pictures / "7.png", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
