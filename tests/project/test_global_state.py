"""Tests that public functions leave the global state of the process as it was, also after an error."""

import gc
import inspect
import locale
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import QUICK, small_gan

import gan
from gan import Dataset, InputError, classifier, perturbation, sampling
from gan.saving import metadata
from gan.utils.global_state import LOGGERS, restored

SHAPE = (12, 12, 1)
PIXELS = np.random.default_rng(0).integers(0, 256, (80, *SHAPE), np.uint8)
DATA = Dataset.from_arrays(PIXELS, np.arange(80) % 2)
CONFIG = replace(QUICK, optimization=replace(QUICK.optimization, steps=2, batch_size=8))


def keras_state():
    """Keras' own store of global state. Each thread has one."""
    store = inspect.getmodule(keras.utils.clear_session)
    names = ("global_random_seed", "global_seed_generator", "dtype_policy")
    return {name: store.get_global_attribute(name) for name in names}


def snapshot():
    """What a caller may have set, by name, as values that can be compared."""
    context = inspect.getmodule(tf.executing_eagerly).context()
    generator = keras_state()["global_seed_generator"]
    kind, keys, *position = np.random.get_state()  # noqa: NPY002 - of the caller
    return {
        "random": random.getstate(),
        "numpy.random": (kind, keys.tobytes(), *position),
        "tf.random": (context._seed, context._rng.getstate() if hasattr(context, "_rng") else None),
        "keras.random": (keras_state(), None if generator is None else np.array(generator.state).tolist()),
        "keras.config": (
            keras.config.dtype_policy().name,
            keras.config.floatx(),
            keras.config.image_data_format(),
            keras.config.epsilon(),
            keras.config.is_traceback_filtering_enabled(),
            keras.config.is_interactive_logging_enabled(),
        ),
        "tf.config": (tf.config.functions_run_eagerly(), tf.config.get_soft_device_placement()),
        "loggers": [
            (one.name, one.level, one.disabled, one.propagate, [*one.handlers], [*one.filters])
            for one in map(logging.getLogger, LOGGERS)
        ],
        "logging": (logging.root.manager.disable, logging.lastResort),
        "warnings": ([*warnings.filters], warnings.showwarning),
        "matplotlib": {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"},
        "numpy": (np.geterr(), np.get_printoptions()),
        "environment": (dict(os.environ), Path.cwd(), locale.setlocale(locale.LC_ALL), tempfile.tempdir),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGABRT)],
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "python": (sys.getrecursionlimit(), gc.get_threshold(), gc.isenabled(), [*sys.path]),
        "threads": sorted(thread.name for thread in threading.enumerate() if not thread.daemon),
    }


class Interrupting(keras.callbacks.Callback):
    """Behaves like Ctrl-C at the end of an interval, when files are being written."""

    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def raises(error, function, *arguments, **options):
    def call():
        with pytest.raises(error):
            function(*arguments, **options)

    return call


@pytest.fixture(scope="module")
def entries(tmp_path_factory):
    """Public entry -> a call of it. The objects are made before the snapshot."""
    folder, trained = tmp_path_factory.mktemp("runs"), small_gan(2, shape=SHAPE)
    generator = trained.generator_ema
    network = classifier.build_classifier(SHAPE, 2, width=1, blocks=1, features=3)
    run = gan.train(CONFIG, dataset=DATA, output=folder / "run").folder
    killed = gan.train(CONFIG, dataset=DATA, output=folder / "killed").folder
    metadata.save(killed, replace(metadata.load(killed), result=None, sha256=None))
    images = sampling.generate(generator, 2)
    split = DATA.train
    return {
        "train": lambda: gan.train(CONFIG, dataset=DATA, output=folder / "new"),
        "train, interrupted": raises(
            KeyboardInterrupt, gan.train, CONFIG, dataset=DATA, output=folder / "stopped", listeners=[Interrupting()]
        ),
        "train, refused": raises(InputError, gan.train, CONFIG, dataset="no-such-data", output=folder / "refused"),
        "resume": lambda: gan.resume(killed, dataset=DATA),
        "resume, finished": lambda: gan.resume(run, dataset=DATA),
        "resume, longer": lambda: gan.resume(run, dataset=DATA, images=32),
        "train_classifier": lambda: classifier.train_classifier(
            split, split, num_classes=2, width=1, blocks=1, epochs=1, batch_size=8
        ),
        "load_generator": lambda: gan.load_generator("mnist"),
        "load_discriminator": lambda: gan.load_discriminator(run),
        "load_classifier": lambda: gan.load_classifier("mnist-probe"),
        "load_dataset": lambda: gan.load_dataset("mnist5k"),
        "load_dataset, unknown": raises(InputError, gan.load_dataset, "no-such-dataset"),
        "generate": lambda: gan.generate(generator, 2),
        "generate by name": lambda: gan.generate("mnist", 1),
        "stream": lambda: list(sampling.stream(generator, 2)),
        "interpolate": lambda: gan.interpolate(generator, 0, 1, 2),
        "project": lambda: gan.project(generator, images, labels=0, steps=1, restarts=1),
        "generator_curve": lambda: perturbation.generator_curve(generator, network, 2, faults=["int8"]),
        "classify": lambda: classifier.classify(network, images),
    }


NAMES = [
    "train", "train, interrupted", "train, refused", "resume", "resume, finished", "resume, longer",
    "train_classifier", "load_generator", "load_discriminator", "load_classifier",
    "load_dataset", "load_dataset, unknown", "generate",
    "generate by name", "stream", "interpolate", "project", "generator_curve", "classify",
]  # fmt: skip


def test_the_table_has_every_entry(entries):
    assert list(entries) == NAMES


SLOW = ("resume, longer", "train_classifier")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in NAMES]
)
def test_a_public_function_leaves_the_global_state_as_it_was(entries, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("tensorflow"), "level", logging.NOTSET)
    keras.utils.set_random_seed(3)
    keras.random.normal((2,))  # makes the global generator of Keras
    before = snapshot()
    entries[name]()
    after = snapshot()
    assert {part: after[part] for part in before if after[part] != before[part]} == {}


def draw():
    """Numbers of all global generators. Each call continues their sequences."""
    return [
        random.random(),
        float(np.random.rand()),  # noqa: NPY002 - of the caller
        float(tf.random.uniform(())),
        float(keras.random.uniform(())),
    ]


@pytest.mark.parametrize("seeded", [False, True])
def test_sequences_of_random_numbers_continue(seeded):
    if seeded:
        keras.utils.set_random_seed(11)
        expected = [draw() for _ in range(3)]
        keras.utils.set_random_seed(11)
    first = draw()
    for seed in (0, 7):
        with restored():
            keras.utils.set_random_seed(seed)
            inside = draw()
        with restored():
            keras.utils.set_random_seed(seed)
            assert draw() == inside
    rest = [draw(), draw()]
    if seeded:
        assert [first, *rest] == expected
    numbers = [number for one in ([first], rest, [inside]) for numbers in one for number in numbers]
    assert len(set(numbers)) == len(numbers)


def test_everything_is_restored_after_an_exception():
    logger, handler = logging.getLogger("tensorflow"), logging.NullHandler()
    before = snapshot()
    changed = {}

    @restored()
    def change_everything():
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_image_data_format("channels_first")
        keras.config.set_epsilon(1e-3)
        logger.addHandler(handler)
        logger.setLevel(logging.CRITICAL if logger.level != logging.CRITICAL else logging.DEBUG)
        logger.propagate = not logger.propagate
        warnings.simplefilter("ignore")
        warnings.showwarning = print
        np.seterr(all="raise")
        os.environ["GAN_TEST_ONLY"] = "1"
        sys.stdout = sys.stderr
        keras.utils.set_random_seed(5)
        changed.update(snapshot())
        raise KeyError

    with pytest.raises(KeyError):
        change_everything()
    assert sum(changed[part] != before[part] for part in before) >= 9
    assert snapshot() == before
