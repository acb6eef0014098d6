"""Tests of the line about the adaptive augmentation of a run."""

import pytest

from gan.training.summary import augmentation_summary


@pytest.mark.parametrize(
    ("column", "values", "lines"),
    [
        ("d_loss", ("0.5", "0.25"), []),
        ("augment_probability", ("0.0", "0.0"), ["Adaptive augmentation: the probability stayed 0, so no image"]),
        (
            "augment_probability",
            ("0.5", "0.25"),
            ["Adaptive augmentation: the mean probability was 0.250 in the last interval, at most 0.5"],
        ),
    ],
)
def test_says_whether_the_augmentation_ever_began(tmp_path, column, values, lines):
    rows = [f"{number},{64 * number},{value}" for number, value in enumerate(values, 1)]
    (tmp_path / "log.csv").write_text("\n".join([f"interval,images,{column}", *rows]), encoding="utf-8")
    found = augmentation_summary(tmp_path)
    assert [line[: len(start)] for line, start in zip(found, lines, strict=True)] == lines
