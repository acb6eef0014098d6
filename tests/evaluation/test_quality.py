"""Tests the quality claims of docs/results.md with a classifier that the test trains on real digits."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.commands import run_gan

from gan import generate, load_generator
from gan.data import images

pytestmark = pytest.mark.slow


def floats(digits):
    return images.from_uint8(digits.astype(np.float32))


def train_classifier(dataset, epochs):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((28, 28, 1))]
    for filters in (32, 64):
        layers += [keras.layers.Conv2D(filters, 3, padding="same", use_bias=False), keras.layers.BatchNormalization()]
        layers += [keras.layers.ReLU(), keras.layers.MaxPooling2D()]
    layers += [keras.layers.Flatten(), keras.layers.Dropout(0.4), keras.layers.Dense(10)]
    classifier = keras.Sequential(layers)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * (len(dataset.train) // 64))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], jit_compile=False)
    classifier.fit(floats(dataset.train.images), dataset.train.labels, batch_size=64, epochs=epochs, verbose=0)
    accuracy = classifier.evaluate(floats(dataset.test.images), dataset.test.labels, verbose=0)[1]
    return classifier, accuracy


def mean_distance_within_classes(digits, labels):
    means = []
    for label in range(10):
        flat = digits[labels == label][:100].reshape(-1, 784)
        distances = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
        means.append(distances.sum() / (len(flat) * (len(flat) - 1)))
    return np.mean(means)


def check(dataset, run, *, agreement, accuracy, epochs):
    classifier, reached = train_classifier(dataset, epochs)
    assert reached >= accuracy
    fake, labels = generate(load_generator(run), 1_000, seed=1), np.arange(1_000) % 10
    predicted = np.asarray(classifier(fake, training=False)).argmax(axis=1)
    assert (predicted == labels).mean() >= agreement
    real = mean_distance_within_classes(floats(dataset.train.images), dataset.train.labels)
    assert mean_distance_within_classes(fake, labels) >= 0.8 * real


def test_the_quick_run_on_embedded_digits(digits, tmp_path):
    done = run_gan("train", "--dataset", "mnist5k", "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    check(digits, tmp_path / "run", agreement=0.95, accuracy=0.97, epochs=12)


def test_the_run_on_full_mnist(full_mnist, tmp_path):
    done = run_gan("train", "--dataset-fallback", "none", "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    check(full_mnist, tmp_path / "run", agreement=0.98, accuracy=0.99, epochs=6)


def test_an_evaluation_of_ten_thousand_samples_uses_less_than_three_gibibytes(full_mnist, tmp_path):
    code = (
        "import re, sys; from gan.cli import main; status = main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr); sys.exit(status)"
    )  # not `ru_maxrss`, which starts with the memory of the process that started this one
    command = [sys.executable, "-c", code, "evaluate", "mnist", "--tolerance", "0.02"]
    command += ["--output", str(tmp_path / "r")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) < 3 * 2**20  # kilobytes
    assert "Within tolerance: you may ship it" in (tmp_path / "r" / "report.html").read_text()
