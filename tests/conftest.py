"""What the tests share: TensorFlow without chatter, small data, and one tiny run made through the command line."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import hypothesis
import numpy as np
import pytest
from nursery import Nursery
from PIL import Image

hypothesis.settings.register_profile("busy", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("busy")

OFFLINE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "", "http_proxy": "http://127.0.0.1:9"}
"""A proxy that refuses stands for hosts that cannot be reached."""

TOY = [
    "--dataset", "mnist5k", "--steps", "20", "--eval-every", "96", "--batch-size", "16", "--latent-dim", "8",
    "--g-width", "4", "--d-width", "4", "--steps-per-execution", "4", "--deterministic", "--seed", "5",
]  # fmt: skip
"""A run of 20 steps in intervals of 6, the last of 2; r1 is due in steps 1 and 17."""

ROOT = Path(__file__).parents[1]
Gan = Callable[..., subprocess.CompletedProcess[str]]


def run_gan(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Any:
    """`python -m gan ARGUMENTS` as a user would run it, with no data host in reach."""
    return subprocess.run(
        [sys.executable, "-m", "gan", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **OFFLINE, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def gan_command() -> Gan:
    return run_gan


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished run of 12 steps on the embedded digits, and what `gan train --json` said of it."""
    folder = tmp_path_factory.mktemp("tiny") / "run"
    done = run_gan(
        "train",
        "--dataset",
        "mnist5k",
        "--steps",
        12,
        "--batch-size",
        32,
        "--eval-every",
        160,
        "--output",
        folder,
        "--seed",
        3,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    return {"folder": folder, "said": json.loads(done.stdout), "stdout": done.stdout, "stderr": done.stderr}


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Runs `gan` commands in forks, quickly, and makes them fail."""
    started = Nursery()
    yield started
    started.close()


@pytest.fixture(scope="session")
def toy(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of `TOY`, in one go."""
    folder = tmp_path_factory.mktemp("toy") / "run"
    status, said = nursery.run("train", *TOY, "--output", folder, said=folder.with_name("said"))
    assert status == 0, said
    return folder


@pytest.fixture
def float64() -> Iterator[None]:
    """Networks that are built in this test compute in float64.

    Trainings that should agree then agree closely on every machine. In float32, their last bits depend on the kernels
    and threads of a CPU, and a gradient jumps where the input of a ReLU is almost zero.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(scope="session")
def digits() -> Any:
    """The embedded 5,000 digits."""
    from gan import load_dataset

    return load_dataset("mnist5k")


@pytest.fixture(scope="session")
def full_mnist() -> Any:
    """Full MNIST, where it is prepared; skips where it is not."""
    from gan import load_dataset

    data_dir = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    if not list(data_dir.glob("mnist/*/dataset_info.json")):
        pytest.skip("full MNIST is not prepared here (TFDS_DATA_DIR)")
    return load_dataset("mnist", fallback="none")


@pytest.fixture(scope="session")
def small_classifier(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small classifier of the embedded digits, made as the command does: (folder, card)."""
    from gan.classifier_training import make_classifier
    from gan.config import ClassifierConfig

    folder = tmp_path_factory.mktemp("classifier") / "small"
    config = ClassifierConfig(dataset="mnist5k", width=8, blocks=1, epochs=6, batch_size=64, learning_rate=5e-3)
    return folder, make_classifier(config, folder, name="small")


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of each chunk of images that a source has given to `storage.store`."""
    from gan.data import storage

    store, sizes = storage.store, []

    def watched(given: Any, limit: int | None = None) -> np.ndarray:
        return store((sizes.append(chunk.nbytes) or chunk for chunk in given), limit)

    monkeypatch.setattr(storage, "store", watched)
    return sizes


def small_gan(classes: int = 10, *, seed: int = 0, **compile_options: Any) -> Any:
    """A compiled GAN of a few thousand weights for 28 x 28 x 1, the same for the same seed."""
    import keras

    from gan import GAN, build_discriminator, build_generator

    keras.utils.set_random_seed(seed)
    gan = GAN(
        build_generator((28, 28, 1), 8, classes, width=4), build_discriminator((28, 28, 1), classes, width=4), seed=seed
    )
    options: dict[str, Any] = {"penalties": ["r1"], **compile_options}
    optimizers = [keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99) for _ in range(2)]
    gan.compile(*optimizers, **options)
    return gan


def values(network: Any) -> list[np.ndarray]:
    """Copies of all variables of a network or optimizer."""
    return [np.array(variable.numpy()) for variable in network.variables]


def assert_same(left: list[np.ndarray], right: list[np.ndarray]) -> None:
    """Bit-identical, and as many."""
    assert len(left) == len(right)
    for a, b in zip(left, right):
        np.testing.assert_array_equal(a, b)


def rows_of(log: Path) -> list[dict[str, str]]:
    """The rows of a log.csv."""
    with log.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of an image file, in pixels."""
    with Image.open(picture) as opened:
        return opened.size


def differs(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return any(not np.array_equal(a, b) for a, b in zip(left, right))


def assert_same_run(run: Path, other: Path) -> None:
    """Bit-identical variables, callbacks, generator and pictures, and all of the log but seconds."""
    from gan import load_generator, state

    one, two = state.latest(run)[0], state.latest(other)[0]
    assert one is not None
    assert two is not None
    assert {name.split("/")[0] for name in one.arrays} - {"callbacks"} == {
        "generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer"
    }  # fmt: skip
    assert list(one.arrays) == list(two.arrays)
    assert_same([*one.arrays.values()], [*two.arrays.values()])
    assert (one.interval, one.step, one.images, one.stopped) == (two.interval, two.step, two.images, two.stopped)
    assert _without_seconds(one.callbacks) == _without_seconds(two.callbacks)
    assert _without_seconds(rows_of(run / "log.csv")) == _without_seconds(rows_of(other / "log.csv"))
    assert_same(*(values(load_generator(folder)) for folder in (run, other)))
    pictures = [{file.name: file.read_bytes() for file in (f / "samples").iterdir()} for f in (run, other)]
    assert pictures[0] == pictures[1]


def _without_seconds(facts: Any) -> Any:
    if isinstance(facts, dict):
        return {name: _without_seconds(value) for name, value in facts.items() if "seconds" not in name}
    return [_without_seconds(row) for row in facts] if isinstance(facts, list) else facts
