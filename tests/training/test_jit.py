"""Tests of XLA in training runs: the option `jit`, what a run records of it, and what a resumed run uses."""

import io
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import QUICK
from rich.console import Console

from gan import load_generator
from gan.config import ModelConfig
from gan.models import jit, self_test, xla
from gan.models.jit import Decision
from gan.models.self_test import SelfTest
from gan.saving import metadata
from gan.training.train import resume, train

CONFIG = replace(
    QUICK,
    model=ModelConfig(arch="mlp", latent_dim=8, g_width=2, d_width=2),
    optimization=replace(QUICK.optimization, steps=4),
    eval_every=64,
)


def run(folder, **options):
    """Trains, and returns what the run printed."""
    printed = io.StringIO()
    train(replace(CONFIG, **options), output=folder, console=Console(file=printed, width=300))
    return printed.getvalue()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jit") / "plain"
    run(folder)
    return folder


@pytest.fixture
def requests(monkeypatch):
    """Records what is requested of XLA. XLA is on if it is requested, but the plain graph computes the steps."""
    made = []

    def decide(gan, requested, **_):
        made.append(requested)
        return Decision(requested == "on", "")

    monkeypatch.setattr(jit, "decide", decide)
    monkeypatch.setattr(xla, "programs", lambda gan: gan.train_step)
    return made


def weights(folder):
    return load_generator(folder).get_weights()


@pytest.mark.slow  # the test of a failed self-test, below, is the stand-in
def test_a_run_records_its_mode_and_a_resumed_run_uses_it_unless_told_otherwise(requests, plain, tmp_path):
    assert metadata.load(plain).config.jit == "off"  # "auto" on a CPU
    folder = tmp_path / "run"
    assert ", XLA" in run(folder, jit="on")
    assert metadata.load(folder).config.jit == "on"

    requests.clear()
    quiet = Console(file=io.StringIO())
    resume(folder, images=80, console=quiet)
    assert [one for one in requests if one != "auto"] == ["on"]  # "auto" is the default of `GAN.compile`
    assert metadata.load(folder).config.jit == "on"

    record = metadata.load(folder).config
    longer = replace(record.optimization, steps=None, images=96)
    resume(folder, config=replace(record, jit="off", optimization=longer), console=quiet)
    assert metadata.load(folder).config.jit == "off"


def test_a_failed_self_test_costs_one_line_and_trains_the_same_run(monkeypatch, plain, tmp_path):
    failed = SelfTest("x", "a device", False, "the first steps with XLA took more than 60 s", "2026-01-02", 16)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.setattr(self_test, "self_test", lambda *_, **__: failed)
    printed = run(tmp_path / "run", jit="on")
    lines = [line for line in printed.splitlines() if line.startswith("XLA is off: ")]
    assert lines == ["XLA is off: the self-test of 2026-01-02 failed: the first steps with XLA took more than 60 s"]
    assert metadata.load(tmp_path / "run").config.jit == "off"
    for one, other in zip(weights(tmp_path / "run"), weights(plain), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow  # `test_xla` replaces a failing program by the plain graph
def test_a_run_records_that_xla_failed(monkeypatch, tmp_path):
    def broken(gan):
        plain = gan.train_step

        def step(data):
            tf.debugging.Assert(tf.equal(gan.step.value, -1), ["no plan"])
            return plain(data)

        return step

    monkeypatch.setattr(jit, "decide", lambda gan, requested, **_: Decision(requested == "on", ""))
    monkeypatch.setattr(xla, "programs", broken)
    with pytest.warns(UserWarning, match="XLA cannot run this train step"):
        run(tmp_path / "run", jit="on")
    assert metadata.load(tmp_path / "run").config.jit == "off"


@pytest.mark.slow  # `test_xla` compares the modes on a smaller network
def test_a_run_with_xla_ends_like_the_run_without_it(monkeypatch, plain, tmp_path):
    monkeypatch.setattr(jit, "decide", lambda gan, requested, **_: Decision(requested == "on", ""))
    assert ", XLA" in run(tmp_path / "run", jit="on")
    for one, other in zip(weights(tmp_path / "run"), weights(plain), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
