"""Tests of networks of features: the fixed random network, and layers of given models."""

import keras
import numpy as np
import pytest
from helpers.tiny import sequential
from keras import layers

from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor
from gan.evaluation.classifier.network import build_classifier
from gan.evaluation.features import FEATURES, load_features, random_features, random_kernels
from gan.saving import files
from gan.saving.feature_file import find_features

SHA256 = {
    1: "fd48ce0f4aa2fbeedf49b970c75f8bbec409f8d54ac18cbcc82d2fd0799bbb65",
    3: "04d38cfd038eb666760b1e7b80e27d027abbc025f1011542716ba266a5804356",
}
SHAPE = (8, 8, 3)


def images(shape=SHAPE, number=5):
    return np.random.default_rng(0).uniform(-1, 1, (number, *shape)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Returns the file of a model with a layer of maps, one of features, and an output."""
    file = tmp_path_factory.mktemp("features") / "own.keras"
    body = [layers.Conv2D(4, 3, name="maps"), layers.Flatten(), layers.Dense(6, name="wide"), layers.Dense(2)]
    sequential(SHAPE, *body).save(file)
    return file


@pytest.mark.parametrize("channels", SHA256)
def test_the_random_network_is_the_same_everywhere(channels):
    source = random_features((12, 9, channels)).source
    assert (source.name, source.layer, source.sha256, source.dimension) == ("random", "all", SHA256[channels], 240)


def test_kernels_have_one_length_and_most_have_no_mean():
    for kernel in random_kernels(3):
        np.testing.assert_allclose(np.square(kernel).sum(axis=(0, 1, 2)), 2, rtol=1e-6)
        np.testing.assert_allclose(kernel[..., :16].mean(axis=(0, 1)), 0, atol=1e-7)
        assert np.abs(kernel[..., 16:].mean(axis=(0, 1))).max() > 0.01


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 28, 3), (1, 5, 2)])
def test_any_image_has_the_same_number_of_finite_features(shape):
    found = random_features(shape).network(images(shape))
    assert found.shape == (5, 240)
    assert np.isfinite(found).all()


def test_features_follow_colors_and_places():
    network, drawn = random_features(SHAPE).network, images()
    unlike = [np.abs(network(drawn) - network(other)).max() for other in (drawn[..., ::-1], drawn[:, ::-1])]
    assert min(unlike) > 0.05
    black = np.asarray(network(np.zeros((1, *SHAPE), np.float32)))
    np.testing.assert_allclose(black, 0, atol=1e-3)  # no filter has a bias


def test_maps_are_averaged_over_the_image(model):
    features = load_features(f"{model}:maps", SHAPE)
    assert (features.source.name, features.source.layer, features.size) == ("own.keras", "maps", 4)
    assert features.source.sha256 == files.sha256(model)
    maps = keras.saving.load_model(model).get_layer("maps")(images())
    np.testing.assert_allclose(features.network(images()), np.mean(maps, axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_the_default_is_the_layer_before_the_last_or_that_of_a_classifier(model, tmp_path):
    assert load_features(model, SHAPE).source.layer == "wide"
    build_classifier(SHAPE, 2, width=2, blocks=1, features=3).save(tmp_path / "c.keras")
    assert load_features(tmp_path / "c.keras", SHAPE).source.layer == FEATURES


def test_a_nested_model_is_a_layer(model, tmp_path):
    """The layout of transfer learning: a new layer on a model that is used as a layer."""
    inputs, backbone = keras.Input(SHAPE), keras.saving.load_model(model)
    backbone = keras.Model(backbone.inputs[0], backbone.get_layer("maps").output, name="backbone")
    outer = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(backbone(inputs))))
    outer.save(tmp_path / "outer.keras")
    features = load_features(f"{tmp_path / 'outer.keras'}:backbone", SHAPE)
    np.testing.assert_allclose(
        features.network(images()), np.mean(backbone(images()), axis=(1, 2)), rtol=1e-5, atol=1e-6
    )


def test_a_model_without_layers_is_refused(tmp_path):
    inputs = keras.Input(SHAPE)
    keras.Model(inputs, inputs).save(tmp_path / "empty.keras")
    with pytest.raises(InputError, match="No such layer"):
        load_features(tmp_path / "empty.keras", SHAPE)


def test_a_file_may_have_a_colon_in_its_name(model, tmp_path):
    odd = tmp_path / "a.keras:b.keras"
    odd.write_bytes(model.read_bytes())
    assert (find_features(str(odd)).file.path, find_features(str(odd)).layer) == (odd, None)
    assert find_features(f"{odd}:maps").layer == "maps"


def test_a_classifier_judges_while_other_features_are_compared(model):
    classifier, features = build_classifier(SHAPE, 2, width=2, blocks=1), load_features(model, SHAPE)
    found, plain = Extractor(classifier, features), Extractor(classifier)
    assert (found.features, found.classes, found.source("ab")) == (6, 2, features.source)
    outputs = found.arrays(images())
    np.testing.assert_allclose(outputs["logits"], plain.arrays(images())["logits"], rtol=1e-5)
    np.testing.assert_allclose(outputs["features"], features.network(images()), rtol=1e-5)
    alone = Extractor(None, features)
    assert (alone.classes, sorted(alone.arrays(images()))) == (0, ["features"])
    with pytest.raises(InputError, match="a classifier, features, or both"):
        Extractor(None)


@pytest.mark.parametrize(
    ("given", "shape", "message"),
    [
        ("MODEL:nowhere", SHAPE, r"No such layer. Expected a layer of own.keras: one of \['maps', .*'wide', .*nowhere"),
        ("MODEL", (8, 8, 1), r"takes other images. Expected one input of shape \(8, 8, 1\).*own.keras: \(8, 8, 3\)"),
        ("MODEL:maps", (16, 16, 3), "images are not resized"),
        ("nowhere.keras", SHAPE, "No such network of features"),
        ("README.md", SHAPE, "FILE.keras:LAYER"),
    ],
)
def test_refuses_what_has_no_such_features(model, given, shape, message):
    with pytest.raises(InputError, match=message):
        load_features(given.replace("MODEL", str(model)), shape)
