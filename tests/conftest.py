"""Shared fixtures: quiet TensorFlow, small datasets, and tiny runs of the command line."""

import gc
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import hypothesis
import numpy as np
import pytest
from filelock import FileLock
from helpers.commands import OFFLINE, UNWATCHED, Gan, run_gan
from helpers.fork_server import ForkServer

gc.set_threshold(50_000, 20, 20)  # tracing creates many long-lived objects, which Python would scan too often

hypothesis.settings.register_profile("busy", deadline=None)  # a slow machine must not fail a test
hypothesis.settings.load_profile("busy")


def pytest_runtest_teardown() -> None:
    """Allows all kernels again after a deterministic run, which restricts its process for good.

    Otherwise a later test of the same process behaves differently, depending on the order of the tests: Keras refuses
    XLA, for example.
    """
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config  # TensorFlow has no public function for it

        config.disable_op_determinism()


@pytest.fixture(scope="session")
def gan_command() -> Gan:
    """Runs `gan` commands in new processes."""
    return run_gan


def shared(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Returns a folder that `make` fills once for all workers of pytest-xdist. Tests must only read it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock"), timeout=600):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed or was killed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished run of 12 steps on the embedded digits in a new process, and the output of `gan train --json`."""

    def make(folder: Path) -> None:
        options = ["--dataset", "mnist5k", "--steps", 12, "--batch-size", 32, "--eval-every", 160, "--seed", 3]
        done = run_gan("train", *options, "--output", folder / "run", "--json")
        assert done.returncode == 0, done.stderr
        (folder / "stdout").write_text(done.stdout, encoding="utf-8")
        (folder / "stderr").write_text(done.stderr, encoding="utf-8")

    folder = shared(tmp_path_factory, "tiny", make)
    out, err = ((folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    return {"folder": folder / "run", "result": json.loads(out), "stdout": out, "stderr": err}


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Runs `gan` commands in forks, with a fault on request."""
    started = ForkServer()
    yield started
    started.close()


@pytest.fixture(scope="session")
def toy(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished, uninterrupted run of `UNWATCHED`."""

    def make(folder: Path) -> None:
        status, printed = fork_server.run("train", *UNWATCHED, "--output", folder / "run", output=folder / "output")
        assert status == 0, printed

    return shared(tmp_path_factory, "toy", make) / "run"


@pytest.fixture(scope="session")
def forked_gan(fork_server: ForkServer) -> Gan:
    """Runs `gan` commands like `gan_command`, but in forks, which saves the slow import of TensorFlow."""

    def run(*arguments: object, env: Mapping[str, str] | None = None, **options: Any) -> Any:
        return fork_server.complete(*arguments, environment={**OFFLINE, **(env or {})}, **options)

    return run


@pytest.fixture
def float64() -> Iterator[None]:
    """Makes networks of this test compute in float64.

    Equivalent trainings then agree closely on every machine. In float32, the last bits depend on the kernels and
    threads of a CPU, and a gradient jumps where the input of a ReLU is almost zero.
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
    """Full MNIST; skips the test if the dataset is not prepared."""
    from gan import load_dataset

    data_dir = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    if not list(data_dir.glob("mnist/*/dataset_info.json")):
        pytest.skip("full MNIST is not prepared here (TFDS_DATA_DIR)")
    return load_dataset("mnist", fallback="none")


@pytest.fixture(scope="session")
def small_classifier(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(folder, info) of a small classifier of the embedded digits, trained as by `gan train-classifier`."""
    from gan.config import ClassifierConfig
    from gan.evaluation.classifier.extractor import load_classifier
    from gan.evaluation.classifier.training import make_classifier

    config = ClassifierConfig(dataset="mnist5k", width=8, blocks=1, epochs=4, batch_size=64, learning_rate=5e-3)

    def make(folder: Path) -> None:
        make_classifier(config, folder / "small", name="small")

    folder = shared(tmp_path_factory, "classifier", make) / "small"
    return folder, load_classifier(folder)[1]


@pytest.fixture
def chunks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes in bytes of the chunks of images that a source passes to `storage.store`."""
    from gan.data import storage

    store, sizes = storage.store, []

    def record_sizes(image_chunks: Any, limit: int | None = None) -> np.ndarray:
        return store((sizes.append(chunk.nbytes) or chunk for chunk in image_chunks), limit)

    monkeypatch.setattr(storage, "store", record_sizes)
    return sizes
