"""Tests of the option `data_on_device` of training runs: what a run records, and that it changes no result."""

import io
from dataclasses import replace

import pytest
from helpers.comparison import assert_same_run
from helpers.tiny import QUICK
from rich.console import Console

from gan.config import ModelConfig
from gan.models import resident_fit
from gan.saving import metadata
from gan.training.train import resume, train

CONFIG = replace(
    QUICK,
    model=ModelConfig(arch="mlp", latent_dim=8, g_width=2, d_width=2),
    optimization=replace(QUICK.optimization, steps=4, learning_rate_end=1.0),
    eval_every=32,
)


def run(folder, **options):
    """Trains, and returns what the run printed."""
    printed = io.StringIO()
    train(replace(CONFIG, **options), output=folder, console=Console(file=printed, width=300))
    return printed.getvalue()


def test_a_run_that_cannot_keep_its_images_on_the_device_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(resident_fit, "CPU_BYTES", 1)
    said = run(tmp_path / "run", data_on_device="on")
    assert "the images stay on the host: they have " in said
    assert ", images on the device" not in said
    assert metadata.load(tmp_path / "run").config.data_on_device == "off"


@pytest.mark.slow  # tests of the models compare the paths, and the test above reads the record
def test_runs_on_the_device_and_streamed_are_the_same_also_if_resumed(tmp_path):
    assert ", images on the device" in run(tmp_path / "on")
    assert metadata.load(tmp_path / "on").config.data_on_device == "on"
    assert ", images on the device" not in run(tmp_path / "off", data_on_device="off")
    assert_same_run(tmp_path / "on", tmp_path / "off")

    quiet = Console(file=io.StringIO())
    for before, then in (("off", "on"), ("on", "off"), ("on", "auto")):
        folder = tmp_path / f"{before}-{then}"
        run(folder, data_on_device=before, optimization=replace(CONFIG.optimization, steps=2))
        config = replace(metadata.load(folder).config, data_on_device=then, optimization=CONFIG.optimization)
        resume(folder, config=config, console=quiet)
        assert metadata.load(folder).config.data_on_device == (then if then != "auto" else before)
        assert_same_run(tmp_path / "on", folder)
