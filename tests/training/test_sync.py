"""Tests of the options that the workers of a run agree on. One process plays all workers."""

import json
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gan import resume, train
from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.distributed import agreement
from gan.errors import InputError
from gan.saving import metadata
from gan.training.callbacks import TrainingState
from gan.utils import tensorflow as runtime

FAST, SLOW = "mixed_bfloat16", "float32"
"""Precision that `auto` selects on a machine with bfloat16 instructions, and on a machine without them."""


class Workers:
    """A stand-in for a chief and a worker that call `broadcast_config` in turn and receive each other's messages."""

    def __init__(self, monkeypatch, chief, worker):
        self.machines = {"chief": chief, "worker": worker}
        self.message, self.calls = None, {"chief": [], "worker": []}
        monkeypatch.setattr(runtime, "resolve_precision", lambda policy: self.here if policy == "auto" else policy)

    def agree(self, role, options):
        self.role, self.here = role, self.machines[role]
        return agreement.broadcast_config(self, options)

    @property
    def is_chief(self):
        return self.role == "chief"

    def any_worker(self, flag):
        self.calls[self.role].append("any_worker")
        assert flag == (self.here == SLOW)
        return SLOW in self.machines.values()

    def broadcast(self, content):
        self.calls[self.role].append("broadcast")
        if self.role == "chief":
            self.message = json.dumps(content)
        return json.loads(self.message)


@pytest.mark.parametrize(
    ("chief", "worker", "requested", "used"),
    [
        (FAST, FAST, ("auto", "auto"), FAST),
        (FAST, SLOW, ("auto", "auto"), SLOW),
        (SLOW, FAST, ("auto", "auto"), SLOW),
        (SLOW, SLOW, ("auto", "auto"), SLOW),
        (SLOW, FAST, (FAST, "auto"), FAST),
        (FAST, FAST, (SLOW, "auto"), SLOW),
        (FAST, SLOW, (FAST, FAST), FAST),
        (FAST, SLOW, ("auto", SLOW), SLOW),
        (FAST, SLOW, (FAST, None), FAST),
    ],
)
def test_workers_on_different_machines_use_one_precision(monkeypatch, chief, worker, requested, used):
    workers = Workers(monkeypatch, chief, worker)
    options = [None if precision is None else TrainConfig(seed=7, precision=precision) for precision in requested]
    expected = TrainConfig(seed=7, precision=used)
    assert workers.agree("chief", options[0]) == expected
    assert workers.agree("worker", options[1]) == expected
    assert workers.calls["worker"] == workers.calls["chief"]  # otherwise one worker would wait for the other forever


@pytest.mark.parametrize(
    ("machines", "requested", "expected", "received"),
    [
        ((FAST, FAST), (SLOW, FAST), "precision='float32'", "precision='mixed_bfloat16'"),
        ((FAST, FAST), ("auto", SLOW), "precision='mixed_bfloat16'", "precision='float32'"),
        ((FAST, SLOW), ("auto", FAST), "precision='float32'", "precision='mixed_bfloat16'"),
    ],
)
def test_rejects_a_worker_that_requests_another_precision(monkeypatch, machines, requested, expected, received):
    workers = Workers(monkeypatch, *machines)
    chief, options = (TrainConfig(precision=precision) for precision in requested)
    workers.agree("chief", chief)
    with pytest.raises(InputError, match=rf"different options. Expected {expected}. Received: {received}\.$"):
        workers.agree("worker", options)


def test_rejects_a_worker_with_another_option_and_names_only_that_option(monkeypatch):
    workers = Workers(monkeypatch, FAST, SLOW)
    workers.agree("chief", TrainConfig())
    with pytest.raises(InputError, match=r"different options. Expected seed=0. Received: seed=1\.$"):
        workers.agree("worker", TrainConfig(seed=1))


def test_a_run_records_the_precision_of_auto_and_accepts_auto_on_resume(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "resolve_precision", lambda policy: FAST if policy == "auto" else policy)
    noise = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    config = TrainConfig(
        model=ModelConfig(arch="mlp", conditioning="none", latent_dim=2, g_width=2, d_width=2),
        optimization=OptimizationConfig(steps=1, batch_size=4, penalties=(), steps_per_execution=1),
    )
    dataset = Dataset.from_arrays(noise, name="noise")
    train(config, dataset=dataset, output=tmp_path / "run")
    record = metadata.load(tmp_path / "run")
    assert record.config == replace(config, precision=FAST, jit="off")
    monkeypatch.setattr(runtime, "resolve_precision", lambda policy: SLOW if policy == "auto" else policy)
    metadata.check_options(record, config)
    assert resume(tmp_path / "run", config=config).steps == 1
    with pytest.raises(InputError, match=f"Expected precision='{FAST}'. Received: precision='{SLOW}'"):
        metadata.check_options(record, replace(config, precision=SLOW))


def test_the_chief_and_the_other_workers_read_the_same_means_of_the_logs():
    """Several workers add up their means when one is read, so each of them must read as often as the chief."""
    reads = {}

    class Means:
        def __init__(self, role):
            self.role, self.variables = role, [self, self]

        def __array__(self, dtype=None, copy=None):
            reads[self.role] = reads.get(self.role, 0) + 1
            return np.zeros(2)

    for role, run in (("chief", "run"), ("worker", None)):
        state = TrainingState(run, [], interval_steps=1, total_steps=2)
        state.set_model(SimpleNamespace(step=np.int64(1), step_means=Means(role), stop_training=False))
        with suppress(AttributeError):  # of the chief, whose stand-in has no networks to save
            state.on_epoch_end(0)
    assert reads == {"chief": 2, "worker": 2}
