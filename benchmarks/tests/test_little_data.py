import json

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.tests.tables import rows_of


@pytest.fixture
def squares(tmp_path):
    """A dataset of colored squares, 16 x 16, in three splits and two classes."""
    rng, arrays = np.random.default_rng(0), {}
    for split, size in (("train", 240), ("val", 200), ("test", 200)):
        images = np.full((size, 16, 16, 3), 255, np.uint8)
        images[:, 4:12, 4:12] = rng.integers(0, 256, (size, 1, 1, 3))
        arrays |= {f"x_{split}": images, f"y_{split}": np.arange(size) % 2}
    np.savez(tmp_path / "squares.npz", **arrays)
    return tmp_path / "squares.npz"


def test_bad_input_is_rejected(squares, tmp_path, capsys):
    for options, message in (
        (["--sizes", "5", "5"], "Bad `sizes`"),
        (["--sizes", "-1"], "Bad `sizes`"),
        (["--seeds", "0", "0"], "Bad `seeds`"),
        (["--jobs", "0"], "Bad `jobs`"),
        (["--num", "1"], "Bad `num`"),
        (["--preset", "unknown"], "Unknown preset"),
        (["--dataset", str(squares), "--sizes", "241"], "Too few training images"),
        (["--dataset", str(squares), "--sizes", "240", "0"], "Bad `sizes`"),
    ):
        assert main(["little-data", *options, "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_trains_each_method_on_each_size_once(squares, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["little-data", "--dataset", str(squares), "--sizes", "200", "0", "--seeds", "0", "--images", "128"]
    words += ["--jobs", "2", "--num", "200", "--out", str(out)]
    assert main(words) == 0
    assert len(rows_of(capsys.readouterr().out)) == 1 + 2 * 3 + 1  # with the names of columns, and real images
    runs = json.loads((out / "results.json").read_text(encoding="utf-8"))["runs"]
    assert sorted(runs) == sorted(f"{name}-{size}-0" for name in ("none", "DiffAugment", "ADA") for size in (200, 240))
    assert all(run["num"] == 200 for run in runs.values())
    assert runs["ADA-200-0"]["augment_probability"]
    assert not runs["none-200-0"]["augment_probability"]
    assert np.load(out / "data" / "squares-200.npz")["x_train"].shape == (200, 16, 16, 3)
    (out / "runs" / "ADA-200-0" / "generator.keras").unlink()
    assert main(words) == 0  # nothing is trained or evaluated again
