"""What the workers of a run agree on, without another process: what they tell each other goes through this one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gan import resume, train
from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.distributed import agreement
from gan.errors import InputError
from gan.saving import metadata
from gan.utils import tensorflow as runtime

FAST, SLOW = "mixed_bfloat16", "float32"
"""What `auto` means on a machine with instructions for bfloat16, and on one without."""


class Workers:
    """Stands for a chief and a worker: each in turn calls `broadcast_config`, and hears what both would have said."""

    def __init__(self, monkeypatch, chief, worker):
        self.machines = {"chief": chief, "worker": worker}
        self.said, self.calls = None, {"chief": [], "worker": []}
        monkeypatch.setattr(runtime, "resolve_precision", lambda policy: self.here if policy == "auto" else policy)

    def options(self, who, own):
        self.who, self.here = who, self.machines[who]
        return agreement.broadcast_config(self, own)

    @property
    def is_chief(self):
        return self.who == "chief"

    def any_worker(self, flag):
        self.calls[self.who].append("any_worker")
        assert flag == (self.here == SLOW)
        return SLOW in self.machines.values()

    def broadcast(self, content):
        self.calls[self.who].append("broadcast")
        if self.who == "chief":
            self.said = json.dumps(content)
        return json.loads(self.said)


@pytest.mark.parametrize(
    ("chief", "worker", "asked", "used"),
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
def test_workers_on_different_machines_use_one_precision(monkeypatch, chief, worker, asked, used):
    workers = Workers(monkeypatch, chief, worker)
    own = [None if precision is None else TrainConfig(seed=7, precision=precision) for precision in asked]
    expected = TrainConfig(seed=7, precision=used)
    assert workers.options("chief", own[0]) == expected
    assert workers.options("worker", own[1]) == expected
    assert workers.calls["worker"] == workers.calls["chief"]  # else one would wait for the other for ever


@pytest.mark.parametrize(
    ("machines", "asked", "expected", "received"),
    [
        ((FAST, FAST), (SLOW, FAST), "precision='float32'", "precision='mixed_bfloat16'"),
        ((FAST, FAST), ("auto", SLOW), "precision='mixed_bfloat16'", "precision='float32'"),
        ((FAST, SLOW), ("auto", FAST), "precision='float32'", "precision='mixed_bfloat16'"),
    ],
)
def test_a_worker_that_asks_for_another_precision_is_refused(monkeypatch, machines, asked, expected, received):
    workers = Workers(monkeypatch, *machines)
    chief, own = (TrainConfig(precision=precision) for precision in asked)
    workers.options("chief", chief)
    with pytest.raises(InputError, match=rf"different options. Expected {expected}. Received: {received}\.$"):
        workers.options("worker", own)


def test_a_worker_with_another_option_is_refused_and_only_that_is_named(monkeypatch):
    workers = Workers(monkeypatch, FAST, SLOW)
    workers.options("chief", TrainConfig())
    with pytest.raises(InputError, match=r"different options. Expected seed=0. Received: seed=1\.$"):
        workers.options("worker", TrainConfig(seed=1))


def test_a_run_records_what_auto_meant_and_takes_auto_for_it_later(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "resolve_precision", lambda policy: FAST if policy == "auto" else policy)
    noise = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    config = TrainConfig(
        model=ModelConfig(arch="mlp", conditioning="none", latent_dim=2, g_width=2, d_width=2),
        optimization=OptimizationConfig(steps=1, batch_size=4, penalties=(), steps_per_execution=1),
    )
    dataset = Dataset.from_arrays(noise, name="noise")
    train(config, dataset=dataset, output=tmp_path / "run")
    record = metadata.load(tmp_path / "run")
    assert record.config == replace(config, precision=FAST)
    monkeypatch.setattr(runtime, "resolve_precision", lambda policy: SLOW if policy == "auto" else policy)
    metadata.check_options(record, config)
    assert resume(tmp_path / "run", config=config).steps == 1
    with pytest.raises(InputError, match=f"Expected precision='{FAST}'. Received: precision='{SLOW}'"):
        metadata.check_options(record, replace(config, precision=SLOW))
