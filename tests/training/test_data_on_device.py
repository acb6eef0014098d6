"""Tests of the option `data_on_device` of training runs: what a run records, and that it changes no result."""

import io
from dataclasses import replace

import pytest
from helpers.comparison import assert_same_run
from helpers.tiny import QUICK
from rich.console import Console

from gan.config import ModelConfig
from gan.distributed.agreement import broadcast_config
from gan.distributed.devices import start
from gan.models import resident_fit
from gan.saving import metadata
from gan.saving.commands import restart_command
from gan.training.setup import prepare_training
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


@pytest.mark.parametrize("asked", ["on", "auto"])
def test_images_that_stay_on_the_host_are_told_if_that_was_asked_for(asked, digits, monkeypatch):
    monkeypatch.setattr(resident_fit, "CPU_BYTES", 1)
    said: list[str] = []
    devices = start(log=said.append)
    config = broadcast_config(devices, replace(CONFIG, data_on_device=asked))
    setup = prepare_training(config, digits, devices, said.append)
    assert any("the images stay on the host: they have " in line for line in said) == (asked == "on")
    assert not any(", images on the device" in line for line in said)
    assert setup.config.data_on_device == asked  # a run that resumes elsewhere decides again
    assert setup.gan.data_on_device is False  # no interval warns


@pytest.mark.slow  # tests of the models compare the paths, and the test above reads what is recorded
def test_runs_on_the_device_and_streamed_are_the_same_also_if_resumed(tmp_path):
    assert ", images on the device" in run(tmp_path / "on")
    assert metadata.load(tmp_path / "on").config.data_on_device == "auto"
    assert "data-on-device" not in restart_command(tmp_path / "on")
    assert ", images on the device" not in run(tmp_path / "off", data_on_device="off")
    assert "--data-on-device off" in restart_command(tmp_path / "off")
    assert_same_run(tmp_path / "on", tmp_path / "off")

    quiet = Console(file=io.StringIO())
    for before, then in (("off", "on"), ("on", "off"), ("on", "auto")):
        folder = tmp_path / f"{before}-{then}"
        run(folder, data_on_device=before, optimization=replace(CONFIG.optimization, steps=2))
        config = replace(metadata.load(folder).config, data_on_device=then, optimization=CONFIG.optimization)
        resume(folder, config=config, console=quiet)
        assert metadata.load(folder).config.data_on_device == then
        assert_same_run(tmp_path / "on", folder)
