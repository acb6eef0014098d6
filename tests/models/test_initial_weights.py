"""Tests of networks that start with the weights of other networks: what is taken, and what is refused."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, differs, values
from helpers.tiny import QUICK

from gan import build_discriminator, build_generator, load_discriminator, load_generator
from gan.config import ModelConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.models.build import build_gan
from gan.models.networks import GENERATORS

SHAPE = (9, 10, 3)
KINDS = {"none": 0, "projection": 3, "concat": 3}
"""Conditioning -> number of classes."""


def dataset(classes, shape=SHAPE):
    images = np.random.default_rng(0).integers(0, 256, (60, *shape), np.uint8)
    return Dataset.from_arrays(images, np.arange(60) % classes if classes else None)


def saved(folder, conditioning, classes, arch="dcgan", *, latent_dim=4, width=2, embedding=None):
    """Saves a generator and a discriminator of random weights. embedding: value of all embeddings of labels."""
    folder.mkdir()
    options = {} if conditioning == "none" else {"conditioning": conditioning}
    networks = (
        build_generator(SHAPE, latent_dim, classes, arch, width),
        build_discriminator(SHAPE, classes, arch, width, **options),
    )
    rng = np.random.default_rng(1)
    for network, name in zip(networks, ("generator", "discriminator")):
        for variable in network.weights:  # batch statistics too
            variable.assign(rng.uniform(0.1, 0.5, variable.shape))
        set_embedding(network, embedding)
        network.save(folder / f"{name}.keras")
    return folder


def set_embedding(network, value):
    for layer in network.layers:
        if layer.name == "label_embedding" and value is not None:
            layer.weights[0].assign(np.full(layer.weights[0].shape, value, np.float32))


def config(start, conditioning, arch="dcgan", **changes):
    model = ModelConfig(arch=arch, conditioning=conditioning, latent_dim=4, g_width=2, d_width=2)
    return replace(QUICK, model=replace(model, **changes), init_from=str(start))


def outputs(network, *inputs):
    return np.asarray(network(list(inputs[: len(network.inputs)]) if len(network.inputs) > 1 else inputs[0]))


CHANGES = [("none", "concat"), ("concat", "none"), ("projection", "concat")]
QUICK_CHANGES = [("mlp", *CHANGES[0]), ("dcgan", *CHANGES[1]), ("mlp", *CHANGES[2])]


@pytest.mark.parametrize(
    ("arch", "before", "now"),
    [
        row if row in QUICK_CHANGES else pytest.param(*row, marks=pytest.mark.slow)
        for row in [(arch, *change) for arch in sorted(GENERATORS) for change in CHANGES]
    ],
)
def test_networks_whose_embedding_is_zero_compute_the_same_with_another_conditioning(arch, before, now, tmp_path):
    start = saved(tmp_path / "start", before, KINDS[before], arch, embedding=0.0)
    said = []
    gan = build_gan(config(start, now, arch), dataset(KINDS[now]), said.append)
    for network in (gan.generator, gan.generator_ema, gan.discriminator):
        set_embedding(network, 0.0)
    rng = np.random.default_rng(2)
    z, x, y = rng.normal(size=(3, 4)).astype("float32"), rng.uniform(-1, 1, (3, *SHAPE)).astype("float32"), np.arange(3)
    sources = load_generator(start), load_discriminator(start)
    np.testing.assert_allclose(outputs(gan.generator, z, y), outputs(sources[0], z, y), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs(gan.generator_ema, z, y), outputs(gan.generator, z, y), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs(gan.discriminator, x, y), outputs(sources[1], x, y), rtol=1e-5, atol=1e-6)
    classes = "3 classes here, no classes" if now != "none" else "no classes here, 3 classes"
    lines = [line for line in said if "label" in line]
    if before == "projection":
        assert [re.sub(r"\w*dense\w*|\w*conv\w*", "LAYER", line) for line in lines] == [
            "init_from: label_embedding and the inputs of LAYER that read the label of the discriminator start with "
            "random weights: the label enters in another way than in the checkpoint",
        ]
    else:
        assert len(lines) == 2
        assert all(f"{classes} in the checkpoint" in line for line in lines)
        verb = "is not taken" if now == "none" else "start with random weights"
        assert all(verb in line for line in lines)


@pytest.mark.parametrize("conditioning", ["projection", "concat"])
def test_another_number_of_classes_changes_only_the_embeddings(conditioning, tmp_path):
    start, said = saved(tmp_path / "start", conditioning, 5), []
    keras.utils.set_random_seed(3)
    plain = build_gan(replace(config(start, conditioning), init_from=None), dataset(3))
    keras.utils.set_random_seed(3)
    gan = build_gan(config(start, conditioning), dataset(3), said.append)
    for role, load in (("generator", load_generator), ("discriminator", load_discriminator)):
        now, source, fresh = getattr(gan, role), load(start), getattr(plain, role)
        for new, old, random in zip(now.weights, source.weights, fresh.weights):
            if "label_embedding" in new.path:
                assert new.shape != old.shape
                np.testing.assert_array_equal(new, random)
            else:
                np.testing.assert_array_equal(new, old)
    assert_same(values(gan.generator_ema), values(gan.generator))
    assert said == [
        "init_from: label_embedding of the generator starts with random weights: 3 classes here, 5 classes in the "
        "checkpoint",
        f"init_from: the discriminator starts with the weights of {start / 'discriminator.keras'}",
        "init_from: label_embedding of the discriminator starts with random weights: 3 classes here, 5 classes in the "
        "checkpoint",
    ]
    assert [int(gan.step), int(gan.images_seen)] == [0, 0]


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"arch": "resnet"}, SHAPE, "do not fit this configuration. Expected .* weights, such as .*Received"),
        ({"g_width": 3}, SHAPE, "do not fit this configuration"),
        ({"latent_dim": 5}, SHAPE, "do not fit .* Expected --latent-dim 4. Received: --latent-dim 5"),
        (
            {},
            (9, 10, 1),
            "another shape than the data. Expected a checkpoint of 9x10 with 1 channel, or data of 9x10 with 3",
        ),
        (
            {},
            (16, 10, 3),
            "another shape than the data. Expected a checkpoint of 16x10 with 3 channels, or data of 9x10",
        ),
    ],
)
def test_a_generator_of_another_architecture_is_refused(changes, shape, message, tmp_path):
    start = saved(tmp_path / "start", "none", 0)
    with pytest.raises(InputError, match=message):
        build_gan(config(start, "none", **changes), dataset(0, shape))


def test_layers_cannot_be_frozen_if_the_discriminator_does_not_fit(tmp_path):
    start, said = saved(tmp_path / "start", "none", 0), []
    for changes in ({"d_width": 3}, {"d_norm": "batch"}, {"d_norm": "spectral"}):
        options = config(start, "none", **changes)
        gan = build_gan(options, dataset(0), said.append)
        assert "so the discriminator starts with random weights" in said.pop()
        assert differs(values(gan.discriminator)[:1], values(load_discriminator(start))[:1])
        with pytest.raises(InputError, match=r"does not fit, so its layers cannot be frozen. Expected \d+ weights"):
            build_gan(replace(options, freeze_d=1), dataset(0))
    (start / "discriminator.keras").unlink()
    with pytest.raises(InputError, match=r"no discriminator whose layers could be frozen.*discriminator.keras beside"):
        build_gan(replace(config(start, "none"), freeze_d=1), dataset(0))


def test_a_layer_whose_weights_for_the_label_are_new_cannot_be_frozen(tmp_path):
    start = saved(tmp_path / "start", "none", 0)
    options = replace(config(start, "concat"), freeze_d=1)
    with pytest.raises(InputError, match=r"random weights for the label\. Expected --freeze-d 0, or the --co"):
        build_gan(options, dataset(3))
    build_gan(replace(options, model=replace(options.model, conditioning="projection")), dataset(3))
