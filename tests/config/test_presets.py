"""Every preset builds the networks and losses of its paper, and trains."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.comparison import differs, values

from gan.config import PRESETS
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.models.build import build_gan, compile_gan

GAMMAS = {"mnist-mlp": 3.0, "mnist-best": 0.5}
SHAPES = {"stacked-mnist": (28, 3, 1_000), "emoji": (32, 3, 3), "emoji-64": (64, 3, 3)}
"""Side, channels and classes of the datasets of presets; of others, those of digits."""
EMOJI = ("emoji", "emoji-64")
DIGITS = ("mnist", "mnist-sprint", "mnist-best", "mnist-unconditional", "mnist-mlp")


@pytest.fixture(scope="module", params=PRESETS)
def preset(request):
    """Returns (name, preset, its compiled GAN, data of its image size)."""
    config = PRESETS[request.param]
    side, channels, classes = SHAPES.get(config.data.dataset, (28, 1, 10))
    rng = np.random.default_rng(0)
    part = Split(rng.integers(0, 256, (512, side, side, channels), np.uint8), np.arange(512, dtype=np.int32) % classes)
    keras.utils.set_random_seed(0)
    data = Dataset(config.data.dataset, classes, part, part, part)
    gan = build_gan(config, data)
    compile_gan(gan, config, 100)
    return request.param, config, gan, data


def test_it_has_the_parts_of_its_paper(preset):
    name, config, gan, _ = preset
    has = {type(layer).__name__ for layer in gan.discriminator.layers}
    expected = {
        "dcgan": ("non_saturating", [], "BatchNormalization", 1),
        "tf-tutorial": ("non_saturating", [], "Dropout", 1),
        "lsgan": ("least_squares", [], "BatchNormalization", 1),
        "sngan": ("hinge", [], "SpectralConv2D", 1),
        "wgan-gp": ("wasserstein", [("wgan_gp", 10.0, 1)], "Conv2D", 5),
        "cgan": ("non_saturating", [], "Concatenate", 1),
        "r3gan": ("relativistic", [("r1", 0.1, 4), ("r2", 0.1, 4)], "Add", 1),
        **dict.fromkeys(EMOJI, ("relativistic", [("r1", 1.0, 16), ("r2", 1.0, 16)], "Conv2D", 1)),
        "stacked-mnist": ("relativistic", [("r1", 0.1, 16), ("r2", 0.1, 16)], "Conv2D", 1),
        **dict.fromkeys(DIGITS, ("non_saturating", [("r1", GAMMAS.get(name, 0.3), 16)], "LeakyReLU", 1)),
    }[name]
    strengths = [(p.name, p.get_config().get("gamma", p.get_config().get("weight")), p.every) for p in gan.penalties]
    assert (config.optimization.loss, strengths, gan.critic_steps) == (expected[0], expected[1], expected[3])
    assert expected[2] in has
    papers = set(PRESETS) - {*DIGITS, "tf-tutorial"}
    assert ("arXiv:" in config.source) == (name in papers or name == "mnist")


@pytest.mark.slow
def test_it_takes_steps(preset):
    _, config, gan, data = preset
    before = values(gan.generator)
    size = config.optimization.batch_size * config.optimization.critic_steps
    history = gan.fit(data.train.batches(size, steps=2), verbose=0, shuffle=False).history
    assert all(np.isfinite(value[-1]) for value in history.values()), history
    assert differs(values(gan.generator), before)


def test_each_penalty_has_its_own_default_interval():
    options = replace(PRESETS["mnist"].optimization, loss="wasserstein", penalties=("wgan_gp", "r1"))
    config = replace(PRESETS["mnist"], optimization=options)
    part = Split(np.zeros((64, 28, 28, 1), np.uint8), np.arange(64, dtype=np.int32) % 10)
    gan = build_gan(config, Dataset("blank", 10, part, part, part))
    compile_gan(gan, config, 10)
    assert [(penalty.name, penalty.every) for penalty in gan.penalties] == [("wgan_gp", 1), ("r1", 16)]
