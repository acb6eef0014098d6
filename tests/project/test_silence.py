"""Tests that a program that imports `gan` prints no messages of libraries and keeps its own log levels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import ROOT

PROGRAM = """
from gan import GAN, build_discriminator, build_generator, generate, load_dataset, load_generator
from keras.optimizers import Adam

generate(load_generator("mnist"), 2, seed=0, labels=7)
digits = load_dataset("{dataset}")
gan = GAN(build_generator(digits.image_shape, 8, 10, width=4), build_discriminator(digits.image_shape, 10, width=4))
gan.compile(Adam(1e-3), Adam(1e-3))
gan.fit(digits.train.batches(16, steps=2), shuffle=False)
gan.generator_ema.save("generator.keras")
"""

OWN_LEVELS = """
import logging, os, sys
import absl.logging

sys.ps1 = ">>> "  # an interactive session, in which TensorFlow sets the level of its logger

absl.logging.set_verbosity("info")
logging.getLogger("tensorflow").setLevel(logging.INFO)
logging.getLogger().setLevel(logging.CRITICAL)
import gan

gan.GAN
gan.start_tensorflow()
assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
assert absl.logging.get_verbosity() == absl.logging.INFO
assert logging.getLogger("tensorflow").level == logging.INFO
assert logging.getLogger().level == logging.CRITICAL
"""


def run(program, folder, **variables):
    """Runs a program as a user does. TF_CPP_MIN_LOG_LEVEL is set only if `variables` contains it."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("dataset", ["mnist5k", pytest.param("mnist", marks=pytest.mark.slow)])
def test_a_program_that_imports_gan_first_prints_no_messages_of_libraries(tmp_path, dataset):
    if dataset == "mnist":
        data_dir = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
        if not list(data_dir.glob("mnist/*/dataset_info.json")):
            pytest.skip("full MNIST is not prepared here (TFDS_DATA_DIR)")
    done = run(PROGRAM.format(dataset=dataset), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "d_loss" in done.stdout  # the progress bar of Keras
    assert (tmp_path / "generator.keras").exists()


def test_log_levels_of_the_caller_stay(tmp_path):
    done = run(OWN_LEVELS, tmp_path, TF_CPP_MIN_LOG_LEVEL="0")
    assert done.returncode == 0, done.stderr
    assert "oneDNN custom operations are on" in done.stderr
