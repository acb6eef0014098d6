"""Generators of every kind in every format and weight width: the engines draw the images of Keras."""

import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.exports import FORMATS, NETWORKS, WEIGHTS, inputs_for, save_network, with_statistics

from gan import build_generator
from gan.config import PRESETS
from gan.deployment.export import COMPARED, LARGEST_DIFFERENCE, Source, export_generator
from gan.sampling.generators import KerasEngine
from gan.saving.engines.find import load_exported
from gan.saving.saved_generator import find_saved

QUICK = [
    ("resnet 28", "saved_model", "float32"),
    ("mlp 28", "onnx", "int8"),
    ("dcgan 32", "litert", "int8"),
    ("tf_tutorial 28", "onnx", "float16"),
    ("mlp 64", "saved_model", "int8"),
    ("label column", "litert", "float32"),
    ("labels first", "litert", "float16"),
    ("mixed bfloat16", "onnx", "float32"),
    ("nested", "saved_model", "float16"),
]
"""Every format with every weight width, every architecture, every size, and some networks of other people."""

PRODUCT = list(itertools.product(NETWORKS, FORMATS, WEIGHTS))


def test_the_quick_rows_contain_every_part():
    assert {row[1:] for row in QUICK} == set(itertools.product(FORMATS, WEIGHTS))
    assert {row[0].split()[0] for row in QUICK} >= {"dcgan", "mlp", "resnet", "tf_tutorial"}
    assert {row[0].split()[-1] for row in QUICK} >= {"28", "32", "64"}


def check(path, out, form, weights):
    """Exports a generator and compares batches of several sizes, in one session, with Keras."""
    exported = export_generator(path, out, format=form, weights=weights)
    assert exported.card.max_difference <= LARGEST_DIFFERENCE == 1e-5
    assert exported.card.compared == COMPARED == 64
    engine, source = load_exported(exported.path), Source.load(find_saved(path), weights)
    for batch in (1, 7, 64):
        images = engine(*inputs_for(engine, batch))
        expected = source.engine(*inputs_for(engine, batch))
        assert images.shape == (batch, *engine.image_shape) == expected.shape
        assert images.dtype == np.float32
        assert np.abs(images - expected).max() <= 1e-5
        assert expected.std() > 1e-3
    return exported


@pytest.mark.parametrize(
    ("network", "form", "weights"),
    [row if row in QUICK else pytest.param(*row, marks=pytest.mark.slow) for row in PRODUCT],
)
def test_an_exported_generator_draws_the_images_of_keras(network, form, weights, tmp_path):
    check(save_network(network, tmp_path / "generator.keras"), tmp_path / "out", form, weights)
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_generator_of_every_preset_is_exported(preset, form, tmp_path):
    """The generators have the widths of the presets, and the shapes and classes of their data."""
    model = PRESETS[preset].model
    shape = (28, 28, 3) if preset == "stacked-mnist" else (28, 28, 1)
    keras.utils.set_random_seed(1)
    classes = 0 if model.conditioning == "none" else 10
    network = build_generator(shape, model.latent_dim, classes, model.arch, model.g_width)
    with_statistics(network).save(tmp_path / "generator.keras")
    for weights in WEIGHTS:
        check(tmp_path / "generator.keras", tmp_path / "out", form, weights)


def test_float32_draws_the_images_of_the_generator_itself(tmp_path):
    """`Source` compares with copies; this compares with the loaded network."""
    path = save_network("dcgan 28", tmp_path / "generator.keras")
    engine = load_exported(export_generator(path, tmp_path).path)
    keras_engine = KerasEngine(keras.saving.load_model(path, compile=False))
    inputs = inputs_for(engine, 64)
    assert np.abs(engine(*inputs) - keras_engine(*inputs)).max() <= 1e-5


def test_a_policy_of_the_layers_does_not_reach_the_file(tmp_path):
    """A generator in bfloat16 is exported in float32, with which its images differ by less than a gray level."""
    path = save_network("mixed bfloat16", tmp_path / "generator.keras")
    source = Source.load(find_saved(path), "float32")
    assert {layer.compute_dtype for layer in source.network.layers} == {"float32"}
    loaded = KerasEngine(keras.saving.load_model(path, compile=False))
    inputs = inputs_for(loaded, 64)
    assert 0 < np.abs(source.engine(*inputs) - loaded(*inputs)).max() < 0.05


@pytest.mark.slow
def test_the_arguments_of_a_network_are_not_changed(tmp_path):
    path = save_network("resnet 28", tmp_path / "generator.keras")
    before = path.read_bytes()
    source = Source.load(find_saved(path), "int8")
    rounded = replace(source).engine(*inputs_for(source.engine, 2))
    original = KerasEngine(source.network)(*inputs_for(source.engine, 2))
    assert np.abs(rounded - original).max() > 1e-4  # the original keeps its weights
    assert path.read_bytes() == before
