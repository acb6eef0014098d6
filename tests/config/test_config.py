import contextlib
import dataclasses
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan import config as config_module
from gan.config import (
    PRESETS,
    ClassifierConfig,
    DataConfig,
    ModelConfig,
    OptimizationConfig,
    StoppingConfig,
    TrainConfig,
    config_from_dict,
)
from gan.config.optimization import WITHOUT_BOUNDARY
from gan.errors import InputError


def test_literals_match_the_registries():
    from gan.models import augment, losses, networks, penalties

    assert set(get_args(config_module.Arch)) == set(networks.GENERATORS) == set(networks.DISCRIMINATORS)
    assert set(get_args(config_module.Loss)) == set(losses.LOSSES)
    assert set(get_args(config_module.PenaltyName)) == set(penalties.PENALTIES)
    assert {name for name, kind in losses.LOSSES.items() if kind.boundary is None} == set(WITHOUT_BOUNDARY)
    assert set(get_args(config_module.Augmentation)) == set(augment.AUGMENTATIONS)
    assert set(get_args(config_module.Conditioning)) == {*networks.CONDITIONINGS, "none"}
    assert set(get_args(config_module.Norm)) == set(networks.NORMS)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_their_source_and_survive_json(name):
    preset = PRESETS[name]
    assert preset.source
    assert config_from_dict(json.loads(json.dumps(preset.as_dict()))) == preset


@given(
    steps=st.none() | st.integers(1, 10**6),
    batch_size=st.integers(1, 512),
    learning_rate=st.floats(1e-6, 1.0),
    width=st.none() | st.integers(1, 256),
    seed=st.integers(0, 2**32 - 1),
    eval_every=st.none() | st.integers(1, 10**6),
    tolerance=st.none() | st.floats(0, 1),
    on_collapse=st.sampled_from(["warn", "stop", "restore"]),
)
def test_any_configuration_survives_json(
    steps, batch_size, learning_rate, width, seed, eval_every, tolerance, on_collapse
):
    config = TrainConfig(
        model=ModelConfig(g_width=width),
        optimization=OptimizationConfig(steps=steps, batch_size=batch_size, learning_rate=learning_rate),
        stopping=StoppingConfig(tolerance=tolerance, on_collapse=on_collapse),
        seed=seed,
        eval_every=eval_every,
    )
    assert config_from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_length_of_a_run():
    assert OptimizationConfig(images=3_200, batch_size=32).total_steps(50_000) == 100
    assert OptimizationConfig(epochs=2, batch_size=50).total_steps(50_000) == 2_000
    assert OptimizationConfig(epochs=0.5, batch_size=50, critic_steps=5).total_steps(50_000) == 100
    assert OptimizationConfig(steps=7).total_steps(50_000) == 7
    assert OptimizationConfig(images=1).total_steps(50_000) == 1


@given(total=st.integers(1, 10**6), eval_every=st.none() | st.integers(1, 10**7))
def test_intervals_cover_a_run_and_are_twenty_by_default(total, eval_every):
    steps = TrainConfig(eval_every=eval_every).interval_steps(total)
    assert 1 <= steps <= total
    if eval_every is None:
        assert -(-total // steps) <= 20


@pytest.mark.parametrize(
    ("part", "option", "value"),
    [
        (OptimizationConfig, "learning_rate", float("nan")),
        (OptimizationConfig, "learning_rate", 0.0),
        (OptimizationConfig, "learning_rate", -1e-3),
        (OptimizationConfig, "learning_rate", float("inf")),
        (OptimizationConfig, "d_learning_rate", 0.0),
        (OptimizationConfig, "steps", -3),
        (OptimizationConfig, "epochs", 0.0),
        (OptimizationConfig, "images", 0),
        (OptimizationConfig, "batch_size", 0),
        (OptimizationConfig, "batch_size", 1.5),
        (OptimizationConfig, "beta_1", 1.0),
        (OptimizationConfig, "gamma", float("nan")),
        (OptimizationConfig, "learning_rate_end", 1.1),
        (OptimizationConfig, "mismatched_labels", 1.0),
        (OptimizationConfig, "mismatched_labels", -0.1),
        (ModelConfig, "latent_dim", 0),
        (ModelConfig, "g_width", -1),
        (ModelConfig, "ema_half_life", 0.0),
        (ModelConfig, "augment_probability", -0.1),
        (ModelConfig, "augment_probability", 1.1),
        (ModelConfig, "augment_probability", float("nan")),
        (ModelConfig, "augment_probability", "often"),
        (TrainConfig, "seed", -1),
        (TrainConfig, "eval_every", 0),
    ],
)
def test_rejects_bad_values_with_expected_and_received(part, option, value):
    with pytest.raises(InputError, match=rf"`{option}`. Expected .* Received: {option}="):
        part(**{option: value})


@pytest.mark.parametrize("probability", ["ada", 0, 0.5])
def test_a_probability_of_augmentations_needs_augmentations(probability):
    assert ModelConfig(augment=("flip",), augment_probability=probability).augment_probability == probability
    with pytest.raises(InputError, match=r"has no effect.*without augmentation"):
        ModelConfig(augment_probability=probability)


@pytest.mark.parametrize("loss", sorted(WITHOUT_BOUNDARY))
def test_adaptive_augmentation_needs_a_loss_with_a_boundary(loss):
    optimization, flips = OptimizationConfig(loss=loss), {"augment": ("flip",)}
    with pytest.raises(
        InputError, match=f"needs a loss with a boundary.*Received: augment_probability=ada, loss={loss}"
    ):
        TrainConfig(model=ModelConfig(**flips, augment_probability="ada"), optimization=optimization)
    TrainConfig(model=ModelConfig(**flips, augment_probability=0.5), optimization=optimization)
    TrainConfig(model=ModelConfig(**flips, augment_probability="ada"))


def test_rejects_epochs_and_steps_together():
    with pytest.raises(InputError, match="epochs or steps"):
        replace(OptimizationConfig(), epochs=1.0, steps=1)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"data": {"nonsense": 1}}, "data.nonsense"),
        ({"model": 3}, "model"),
        ({"model": {"arch": "unet"}}, "model.arch"),
        ({"optimization": {"penalties": ["r1", "r9"]}}, "optimization.penalties[1]"),
        ({"optimization": {"learning_rate": "0.1"}}, "optimization.learning_rate"),
        ({"stopping": {"tolerance": float("nan")}}, "stopping.tolerance"),
        ({"data": {"channels": True}}, "data.channels"),
        ({"deterministic": 1}, "deterministic"),
        ({"seed": True}, "seed"),
    ],
)
def test_rejects_unknown_options_and_wrong_types(options, path):
    with pytest.raises(InputError, match=rf"Bad `{re.escape(path)}` in the configuration\. Expected"):
        config_from_dict(options)
    with pytest.raises(InputError, match=rf"Bad `config\.{re.escape(path)}` in run/config\.json\. Expected"):
        config_from_dict(options, file="run/config.json")


def test_an_option_out_of_range_names_the_file():
    for seed in (-1, 2**70):
        with pytest.raises(InputError, match=rf"Bad `seed` \(`config`\) in run/config\.json\. Expected .*seed={seed}"):
            config_from_dict({"seed": seed}, file="run/config.json")


def test_when_stale_reduce_excludes_a_schedule():
    assert TrainConfig().learning_rate_end == 0.02
    reducing = StoppingConfig(monitor="val_frechet_distance", when_stale="reduce")
    assert TrainConfig(stopping=reducing).learning_rate_end == 1.0
    assert TrainConfig(stopping=reducing, optimization=OptimizationConfig(learning_rate_end=1.0)).learning_rate_end == 1
    with pytest.raises(InputError, match="Two learning rate schedules"):
        TrainConfig(stopping=reducing, optimization=OptimizationConfig(learning_rate_end=0.1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tolerance": 1.5}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"patience": 0}, "patience"),
        ({"eval_num": 10}, "eval_num"),
        ({"min_rel_delta": -0.1}, "min_rel_delta"),
        ({"noise_sigmas": float("inf")}, "noise_sigmas"),
        ({"probe": ""}, "probe"),
        ({"probe": "none", "tolerance": 0.02}, "Nothing would be measured"),
        ({"probe": "none", "monitor": "val_frechet_distance"}, "Nothing would be measured"),
        ({"when_stale": "reduce"}, "Options without effect"),
        ({"patience": 3}, "monitor=None, patience=3"),
        ({"tolerance": 0.02, "min_delta": 0.1}, "monitor=None, min_delta=0.1"),
        ({"monitor": "val_classes_seen"}, "max for val_classes_seen"),
        ({"tolerance": 0.02, "monitor": "val_frechet_distance"}, "Two stopping rules"),
        ({"tolerance_per_class": 0.05}, r"a tolerance\. Received: tolerance=None, tolerance_per_class=0\.05"),
        ({"confirm_num": 20_000}, "tolerance=None, confirm_num=20000"),
        ({"when_refuted": "reduce"}, "tolerance=None, when_refuted=reduce"),
        ({"monitor": "val_error_rate", "when_refuted": "reduce"}, "tolerance=None, when_refuted=reduce"),
        ({"tolerance": 0.02, "tolerance_per_class": 1.5}, "Bad `tolerance_per_class`"),
        ({"tolerance": 0.02, "tolerance_per_class": float("nan")}, "Bad `tolerance_per_class`"),
        ({"tolerance": 0.02, "confirm_num": 199}, "Bad `confirm_num`.*from 200 to 10000000"),
        ({"tolerance": 0.02, "confirm_num": 1_000.5}, "Bad `confirm_num`"),
        ({"tolerance": 0.02, "when_refuted": "stop"}, "Bad `when_refuted`"),
    ],
)
def test_rejects_bad_stopping_rules(options, words):
    with pytest.raises(InputError, match=words):
        StoppingConfig(**options)


@pytest.mark.parametrize("name", ["tolerance", "tolerance_per_class"])
def test_a_tolerance_that_no_confirmation_could_show_names_the_number_that_could(name):
    """The upper bound of no error among n is z^2 / (n + z^2)."""
    options = StoppingConfig(**{"tolerance": 0.02, "confirm_num": 637, name: 0.006})
    options.check_confirmable()
    problem = f"No confirmation could show that `{name}` is met"
    with pytest.raises(InputError, match=rf"{problem}.* 0\.0061 or more with 636 .* --confirm-num 637.*{name}=0\.006"):
        replace(options, confirm_num=636).check_confirmable()
    with pytest.raises(InputError, match=rf"{problem}\. Expected 3\.9e-05 or more with 100,000 samples\. Received"):
        StoppingConfig(**{"tolerance": 0.02, name: 0.0}).check_confirmable()
    StoppingConfig().check_confirmable()


def test_a_record_may_have_a_tolerance_that_no_confirmation_could_show():
    """It may be that of a run of an earlier revision."""
    assert config_from_dict({"stopping": {"tolerance": 0.0}}).stopping.tolerance == 0.0


def test_a_tolerance_for_each_class_needs_requested_classes():
    stopping = StoppingConfig(tolerance=0.02, tolerance_per_class=0.05)
    assert TrainConfig(stopping=stopping).stopping.tolerance_per_class == 0.05
    with pytest.raises(InputError, match=r"each class needs requested classes.*Received: conditioning=none"):
        TrainConfig(stopping=stopping, model=ModelConfig(conditioning="none"))
    TrainConfig(stopping=StoppingConfig(tolerance=0.02), model=ModelConfig(conditioning="none"))


def test_when_refuted_reduce_excludes_a_schedule():
    reducing = StoppingConfig(tolerance=0.02, when_refuted="reduce")
    assert reducing.constant_rate
    assert not StoppingConfig(tolerance=0.02).constant_rate
    assert TrainConfig(stopping=StoppingConfig(tolerance=0.02)).learning_rate_end == 0.02
    assert TrainConfig(stopping=reducing).learning_rate_end == 1.0
    assert TrainConfig(stopping=reducing, optimization=OptimizationConfig(learning_rate_end=1.0)).learning_rate_end == 1
    with pytest.raises(InputError, match=r"Two learning rate schedules.*when_refuted=reduce.*learning_rate_end=0\.1"):
        TrainConfig(stopping=reducing, optimization=OptimizationConfig(learning_rate_end=0.1))


def test_a_stale_monitor_may_reduce_the_rates_of_a_run_with_a_tolerance():
    both = StoppingConfig(
        tolerance=0.02, when_refuted="reduce", monitor="val_frechet_distance", when_stale="reduce", confirm_num=5_000
    )
    assert both.constant_rate
    config = TrainConfig(stopping=both)
    assert config_from_dict(json.loads(json.dumps(config.as_dict()))) == config


NUMBERS = {
    "data": {"channels": np.int64(1), "corrupt_share": np.float32(0.5), "pixel_range": [np.int16(0), 4095]},
    "model": {
        "latent_dim": np.int64(8),
        "g_width": np.uint8(4),
        "ema_half_life": np.float64(100),
        "augment": ["cutout"],
    },
    "optimization": {"batch_size": np.int64(8), "learning_rate": np.float32(0.5), "penalties": "r1"},
    "stopping": {"eval_num": np.int32(500), "probe": Path("some/probe")},
}


def test_numpy_numbers_paths_and_lists_become_json():
    parts = {name: type(getattr(TrainConfig(), name))(**values) for name, values in NUMBERS.items()}
    config = TrainConfig(**parts, seed=np.int64(3), init_from=Path("runs/x"), eval_every=np.int64(9))
    assert config_from_dict(config.as_dict()) == config
    assert (config.optimization.penalties, config.model.augment) == (("r1",), ("cutout",))
    assert (config.init_from, config.stopping.probe) == ("runs/x", "some/probe")
    for part in (config, config.data, config.model, config.optimization, config.stopping):
        for field in dataclasses.fields(part):
            assert type(getattr(part, field.name)).__module__ != "numpy", field.name
    assert type(ClassifierConfig(width=np.int64(4)).width) is int


@pytest.mark.parametrize(
    ("size", "text", "pair"),
    [
        (64, "64", (64, 64)),
        (np.int64(64), "64", (64, 64)),
        ((96, 64), "96x64", (96, 64)),
        ([96, 64], "96x64", (96, 64)),
        ("96X64", "96x64", (96, 64)),
        ("64x64", "64", (64, 64)),
        (np.array([9, 8]), "9x8", (9, 8)),
    ],
)
def test_kinds_of_image_sizes(size, text, pair):
    config = DataConfig(image_size=size)
    assert (config.image_size, config.height_and_width) == (text, pair)


def test_a_path_as_dataset_stays_a_path():
    assert DataConfig(dataset=Path("mnist")).dataset == "./mnist"
    assert DataConfig(dataset=Path("/a/b")).dataset == "/a/b"
    assert DataConfig(dataset=Path("/caf\udce9")).dataset == "/caf\udce9"  # a byte of a Latin-1 name
    with pytest.raises(InputError, match="halves of characters"):
        DataConfig(dataset="/caf\ud800")


JUNK = [
    None,
    True,
    -1,
    1.5,
    math.nan,
    "",
    "x",
    b"x",
    [],
    ["x"],
    (1, 2, 3),
    {},
    object(),
    len,
    np.zeros(3),
    np.int64(-1),
]


@pytest.mark.parametrize(
    "cls", [DataConfig, ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig, ClassifierConfig]
)
def test_options_take_or_refuse_any_kind_of_value(cls):
    for field in dataclasses.fields(cls):
        for junk in JUNK:
            with contextlib.suppress(InputError):
                json.dumps(dataclasses.asdict(cls(**{field.name: junk})))
