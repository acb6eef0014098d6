"""Tests that generators and discriminators load from run folders, files and names, and that other files do not."""

import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same

from gan import build_discriminator, build_generator, generate, load_discriminator, load_generator
from gan.errors import InputError
from gan.models.networks.inputs import format_shape
from gan.saving import models

layers = keras.layers
IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
LABELS = np.array([0, 1, 1], np.int32)

LOAD_DISCRIMINATOR = """
import sys
import numpy as np
from gan import load_discriminator
discriminator = load_discriminator(sys.argv[1])
inputs = np.load(sys.argv[2])
np.save(sys.argv[3], discriminator([inputs["images"], inputs["labels"]], training=False))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder with both networks. The discriminator has layers of this package: spectral layers and dropout."""
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(0)
    build_generator((8, 8, 1), 4, 2, width=2).save(folder / "generator.keras")
    discriminator = build_discriminator((8, 8, 1), 2, "tf_tutorial", 2, norm="spectral")
    own_layers = {
        type(layer).__name__ for layer in discriminator.layers if not type(layer).__module__.startswith("keras.")
    }
    assert own_layers > {"Dropout"}
    discriminator.save(folder / "discriminator.keras")
    return folder


def test_a_discriminator_loads_from_a_folder_a_file_and_a_found_file(folder):
    found = models.find_discriminator(folder)
    assert found.path == folder / "discriminator.keras"
    logits = [
        np.asarray(load_discriminator(checkpoint)([IMAGES, LABELS], training=False))
        for checkpoint in (folder, str(folder), folder / "discriminator.keras", found)
    ]
    assert logits[0].shape == (3, 1)
    for other in logits[1:]:
        np.testing.assert_array_equal(other, logits[0])
    assert models.find_generator(folder).path == folder / "generator.keras"


def test_importing_the_loader_registers_the_layers_of_this_package(folder, tmp_path):
    np.savez(tmp_path / "in.npz", images=IMAGES, labels=LABELS)
    paths = [folder, tmp_path / "in.npz", tmp_path / "out.npy"]
    subprocess.run([sys.executable, "-c", LOAD_DISCRIMINATOR, *map(str, paths)], check=True, capture_output=True)
    expected = load_discriminator(folder)([IMAGES, LABELS], training=False)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_a_pretrained_name_finds_both_networks(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "checkpoints" / "digits")
    shutil.copytree(folder, tmp_path / "checkpoints" / "half")
    (tmp_path / "checkpoints" / "half" / "discriminator.keras").unlink()
    monkeypatch.setattr(models, "pretrained_folder", lambda: tmp_path / "checkpoints")
    monkeypatch.chdir(tmp_path)
    assert_same(load_discriminator("digits").get_weights(), load_discriminator(folder).get_weights())
    assert models.list_checkpoints() == ["digits", "half"]
    with pytest.raises(InputError, match=r"a pretrained name of \['digits'\]. Received: half\."):
        load_discriminator("half")


def test_rejects_a_run_without_a_discriminator(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "pretrained_folder", lambda: tmp_path / "checkpoints")
    with pytest.raises(InputError) as error:
        load_discriminator(tmp_path)
    expected = "a run folder with a discriminator.keras, a .keras file"
    assert str(error.value) == f"No such discriminator. Expected {expected}. Received: {tmp_path}."


def save(model, path):
    model.save(path)
    return path


def network(inputs, outputs):
    """Returns a network with inputs and outputs of the given shapes."""
    tensors = [keras.Input(shape) for shape in inputs]
    flat = layers.Concatenate()([layers.Flatten()(x) for x in tensors])
    return keras.Model(tensors, [layers.Reshape(shape)(layers.Dense(int(np.prod(shape)))(flat)) for shape in outputs])


def described(shapes):
    return ", ".join(format_shape((None, *shape)) for shape in shapes)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([(4,)], [(8, 8)]),
        ([(4,)], [(8, 8, 1), (8, 8, 1)]),
        ([(8, 8, 1)], [(8, 8, 1)]),
        ([(4,), (8, 8, 1)], [(8, 8, 1)]),
        ([(4,), (2,)], [(8, 8, 1)]),
        ([()], [(8, 8, 1)]),
    ],
    ids=str,
)
def test_rejects_a_model_that_is_not_a_generator(inputs, outputs, tmp_path):
    path = save(network(inputs, outputs), tmp_path / "other.keras")
    with pytest.raises(InputError) as error:
        load_generator(path)
    expected = "latents [B, L] in, images [B, H, W, C] out"
    received = f"{path}: {described(inputs)} in, {described(outputs)} out"
    assert str(error.value) == f"This model is not a generator. Expected {expected}. Received: {received}."


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([(8, 8, 1)], [(2,)]),
        ([(8, 8, 1)], [()]),
        ([(8, 8, 1)], [(1,), (1,)]),
        ([(4,)], [(1,)]),
        ([(4,)], [(8, 8, 1)]),
        ([(8, 8, 1), (4,)], [(1,)]),
        ([()], [(1,)]),
    ],
    ids=str,
)
def test_rejects_a_model_that_is_not_a_discriminator(inputs, outputs, tmp_path):
    path = save(network(inputs, outputs), tmp_path / "other.keras")
    with pytest.raises(InputError) as error:
        load_discriminator(path)
    expected = "images [B, H, W, C] in, logits [B, 1] out"
    received = f"{path}: {described(inputs)} in, {described(outputs)} out"
    assert str(error.value) == f"This model is not a discriminator. Expected {expected}. Received: {received}."


def test_networks_built_by_users_load(tmp_path):
    generator = load_generator(save(network([(4,)], [(8, 8, 1)]), tmp_path / "g.keras"))
    assert generate(generator, 3).shape == (3, 8, 8, 1)
    discriminator = load_discriminator(save(network([(8, 8, 1)], [(1,)]), tmp_path / "d.keras"))
    assert discriminator([IMAGES]).shape == (3, 1)
