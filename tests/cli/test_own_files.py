"""Tests the commands on `.keras` files that plain Keras saved: understood, or refused in one line that says why."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image

from gan import GAN, generate, interpolate
from gan.cli.main import main

SHAPE = (28, 28, 1)


class Doubled(layers.Layer):
    """A layer of the user."""

    def call(self, inputs):
        return 2 * inputs


@keras.saving.register_keras_serializable(package="user")
class Subclassed(keras.Model):
    """A model without a graph."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(4)

    def call(self, inputs):
        return self.dense(inputs)


def own_activation(inputs):
    return ops.tanh(inputs)


def images(outputs, activation="tanh"):
    return layers.Reshape(SHAPE)(layers.Dense(784, activation=activation)(outputs))


def of_latents(body=lambda z: z, head=images):
    latents = keras.Input((4,), name="noise")
    return keras.Model(latents, head(body(latents)))


def of_labels(encode, *, shape=(), dtype="int32", labels_first=False, nest=list):
    inputs = [keras.Input((4,), name="noise"), keras.Input(shape, dtype=dtype, name="kind")]
    outputs = images(layers.Concatenate()([inputs[0], encode(inputs[1])]))
    inputs = inputs[::-1] if labels_first else inputs
    return keras.Model({tensor.name: tensor for tensor in inputs} if nest is dict else inputs, outputs)


def critic():
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(1)])


def flat_embedding(labels):
    return layers.Flatten()(layers.Embedding(10, 3)(labels))


UNDERSTOOD = {
    "latents of another name": (of_latents, 0),
    "sequential": (lambda: keras.Sequential([keras.Input((4,)), layers.Dense(784), layers.Reshape(SHAPE)]), 0),
    "labels of another name": (lambda: of_labels(layers.Embedding(10, 3)), 10),
    "labels first": (lambda: of_labels(layers.Embedding(10, 3), labels_first=True), 10),
    "dict": (lambda: of_labels(layers.Embedding(10, 3), nest=dict), 10),
    "labels [B, 1] of floats": (lambda: of_labels(flat_embedding, shape=(1,), dtype=None), 10),
    "one-hot": (lambda: of_labels(lambda labels: ops.one_hot(labels, 10)), 10),
}
"""Name -> (function that returns a generator, number of its classes)."""

REFUSED = {
    "lambda": (
        lambda: of_latents(layers.Lambda(lambda inputs: inputs * 2, name="twice")),
        "in Python `gan.generate(keras.saving.load_model('own.keras', safe_mode=False))`, if you trust the file. "
        "Received: own.keras with Python code in the layer 'twice'.",
    ),
    "own layer": (
        lambda: of_latents(Doubled()),
        "custom_objects={'Doubled': Doubled}))`. Received: own.keras with Dou",
    ),
    "own function": (lambda: of_latents(layers.Dense(4, own_activation)), "{'own_activation': own_activation}"),
    "both": (
        lambda: of_latents(lambda z: layers.Lambda(lambda inputs: inputs * 2)(Doubled()(z))),
        "custom_objects={'Doubled': Doubled}, safe_mode=False",
    ),
    "discriminator": (critic, "images [B, H, W, C] out. Received: own.keras: [B, 28, 28, 1] in, [B, 1] out."),
    "points": (lambda: of_latents(head=layers.Dense(2)), "own.keras: [B, 4] in, [B, 2] out"),
    "one-hot labels as input": (
        lambda: of_labels(layers.Dense(3), shape=(10,), dtype=None),
        "own.keras: [B, 4], [B, 10] in, [B, 28, 28, 1] out",
    ),
    "labels of unknown classes": (
        lambda: of_labels(lambda labels: ops.cast(ops.expand_dims(labels, -1), "float32")),
        "The number of classes of the generator is unknown. Expected an embedding",
    ),
    "whole GAN": (lambda: GAN(of_latents(), critic()), "own.keras: a GAN, of which `gan.generator_ema.save(...)`"),
    "subclassed": (lambda: called(Subclassed()), "own.keras: a Subclassed."),
    "channels first": (
        lambda: of_latents(head=lambda z: layers.Reshape((7, 7, 16))(layers.Dense(784)(z))),
        "1 or 3 channels, or an .npz file as --out. Received: 16 channels",
    ),
}
"""Name -> (function that returns a model, part of the message)."""


def called(model):
    model(np.zeros((1, 4), np.float32))
    return model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with an image of a stroke."""
    monkeypatch.chdir(tmp_path)
    stroke = np.zeros((28, 28), np.uint8)
    stroke[4:24, 12:16] = 255
    Image.fromarray(stroke).save("one.png")
    return tmp_path


@pytest.mark.parametrize("name", sorted(UNDERSTOOD))
def test_files_of_plain_keras_are_sampled_and_projected(name, folder, capsys):
    make, classes = UNDERSTOOD[name]
    model = make()
    model.save("own.keras")
    label = ["--label", 3] if classes else []
    assert main([*map(str, ["sample", "own.keras", "--num", 3, "--out", "samples.npz", *label])]) == 0
    with np.load("samples.npz") as samples:
        expected = np.rint((generate(model, 3, labels=3 if classes else None) + 1) * 127.5).clip(0, 255)
        assert np.abs(samples["images"].astype(int) - expected).max() <= 1
        assert not classes or [*samples["labels"]] == [3, 3, 3]
    assert main([*map(str, ["sample", "own.keras", "--interpolate", 0, 1, "--out", "walk.png", *label])]) == 0
    capsys.readouterr()
    options = ["--steps", 1, "--restarts", 1, "--json", *label]
    assert main([*map(str, ["project", "own.keras", "one.png", *options])]) == 0
    (projected,) = json.loads(capsys.readouterr().out)["images"]
    assert projected.get("label") == (3 if classes else None)
    assert main(["sample", "own.keras", "--label", "10"]) == 2
    said = capsys.readouterr().err
    assert ("in classes from 0 to 9" if classes else "this generator is unconditional") in said


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_other_files_are_refused_in_one_line(name, folder, capsys):
    make, words = REFUSED[name]
    make().save("own.keras")
    assert main(["sample", "own.keras"]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "damaged" not in said
    assert len(said.splitlines()) == 1
    if name != "channels first":
        for command in (["project", "own.keras", "one.png"], ["evaluate", "own.keras"]):
            assert main(command) == 2
            assert capsys.readouterr().err == said


def test_channels_of_any_number_are_written_as_arrays(folder, capsys):
    REFUSED["channels first"][0]().save("own.keras")
    assert main(["sample", "own.keras", "--num", "2", "--out", "samples.npz"]) == 0
    with np.load("samples.npz") as samples:
        assert samples["images"].shape == (2, 7, 7, 16)


@pytest.mark.filterwarnings("default:Images are in")
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_a_generator_without_negative_pixels_gives_a_warning(activation, folder, capsys):
    of_latents(head=lambda z: images(z, activation)).save("own.keras")
    for command in (["sample", "own.keras"], ["project", "own.keras", "one.png", "--steps", "1"]):
        assert main(command) == 0
        said = capsys.readouterr().err
        assert said.count("gan: warning: Images are in [-1, 1]. Expected an activation such as tanh") == 1
        assert f"Rescaling(2.0, -1.0)` after it). Received: {activation} in the layer" in said


def test_a_file_of_the_old_format_says_how_to_convert_it(folder, capsys):
    import h5py

    with h5py.File("own.h5", "w") as file:
        file.attrs["model_config"] = "{}"
    assert main(["sample", "own.h5"]) == 2
    said = capsys.readouterr().err
    assert "HDF5" in said
    assert "`keras.saving.load_model(path).save('model.keras')`" in said


def test_a_walk_without_an_embedding_stays_within_one_class():
    model = UNDERSTOOD["one-hot"][0]()
    ends = generate(model, 2, labels=4)
    np.testing.assert_allclose(interpolate(model, 0, 1, 3, labels=4)[[0, 2]], ends, atol=1e-5)
    for name in ("labels first", "labels [B, 1] of floats"):
        model = UNDERSTOOD[name][0]()
        np.testing.assert_allclose(interpolate(model, 0, 1, 3)[[0, 2]], generate(model, 2), atol=1e-5)


@pytest.mark.filterwarnings("default:20 samples prove little")
def test_evaluate_reports_classes_and_latents_of_the_network(folder, capsys):
    UNDERSTOOD["labels first"][0]().save("own.keras")
    options = ["--dataset", "mnist5k", "--num", "20", "--json"]
    assert main(["evaluate", "own.keras", *options]) in (0, 3, 4)
    found = json.loads(capsys.readouterr().out)
    assert found["checkpoint"]["num_classes"] == 10
    assert found["checkpoint"]["latent_dim"] == 4
