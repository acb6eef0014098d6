"""Compares networks, runs and files."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def values(network: Any) -> list[np.ndarray]:
    """Returns copies of all variables of a network or optimizer."""
    return [np.array(variable.numpy()) for variable in network.variables]


def assert_same(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    """Asserts that two lists of arrays are bit-identical and have the same length."""
    assert len(left) == len(right)
    for a, b in zip(left, right):
        np.testing.assert_array_equal(a, b)


def rows_of(log: Path) -> list[dict[str, str]]:
    """Returns the rows of a log.csv."""
    with log.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def size_of(image: Path) -> tuple[int, int]:
    """Returns width and height of an image file, in pixels."""
    with Image.open(image) as opened:
        return opened.size


def differs(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    """Returns whether any pair of arrays differs."""
    return any(not np.array_equal(a, b) for a, b in zip(left, right))


def assert_same_run(run: Path, other: Path) -> None:
    """Asserts that two run folders have bit-identical states, generators, samples and logs, apart from seconds."""
    from gan import load_generator
    from gan.saving import training_state

    one, two = training_state.latest(run)[0], training_state.latest(other)[0]
    assert one is not None
    assert two is not None
    assert {name.split("/")[0] for name in one.arrays} - {"callbacks", "augment"} == {
        "generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer", "step", "images_seen",
        "step_means",
    }  # fmt: skip
    assert list(one.arrays) == list(two.arrays)
    assert_same([*one.arrays.values()], [*two.arrays.values()])
    assert (one.interval, one.step, one.images, one.stopped) == (two.interval, two.step, two.images, two.stopped)
    assert _without_seconds(one.callbacks) == _without_seconds(two.callbacks)
    assert _without_seconds(rows_of(run / "log.csv")) == _without_seconds(rows_of(other / "log.csv"))
    assert_same(*(values(load_generator(folder)) for folder in (run, other)))
    samples = [{file.name: file.read_bytes() for file in (f / "samples").iterdir()} for f in (run, other)]
    assert samples[0] == samples[1]


def _without_seconds(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_seconds(value) for name, value in content.items() if "seconds" not in name}
    return [_without_seconds(row) for row in content] if isinstance(content, list) else content
