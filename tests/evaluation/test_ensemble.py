"""Tests of ensembles of classifiers as networks: exact pools, features, and files that load without this package."""

import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from helpers.ensembles import constant_classifier

from gan.errors import InputError
from gan.evaluation.classifier.ensemble import build_ensemble
from gan.evaluation.classifier.extractor import Extractor, as_input
from gan.evaluation.classifier.network import build_classifier
from gan.evaluation.classifier.pool import pool_logits

ONE = np.zeros((1, 1, 1, 1), np.float32)
WEIGHTS, TEMPERATURES = (0.3, 0.7), (1.5, 0.8)


@pytest.fixture(scope="module")
def members():
    keras.utils.set_random_seed(0)
    return [build_classifier((28, 28, 1), 10, width=width, blocks=1, features=2 * width) for width in (2, 3)]


@pytest.fixture(scope="module")
def ensemble(members):
    return build_ensemble(members, WEIGHTS, TEMPERATURES)


@pytest.fixture(scope="module")
def pictures(digits):
    return as_input(digits.test.images[:50])


def test_a_network_computes_a_weighted_mean_of_probabilities():
    """.6 (.9, .1) + .4 (.1, .9) = (.58, .42)."""
    members = [constant_classifier(np.log(p)) for p in ((0.9, 0.1), (0.1, 0.9))]
    logits = build_ensemble(members, [0.6, 0.4])(ONE)
    np.testing.assert_allclose(np.exp(logits), [[0.58, 0.42]], atol=1e-6)


@pytest.mark.parametrize("depth", [50.0, 500.0, 5000.0])
def test_it_is_exact_for_probabilities_that_float32_does_not_hold(depth):
    logits = [(0.0, -depth, -2 * depth), (-depth, 0.0, -3 * depth), (0.0, -depth, -2 * depth + 1)]
    weights, temperatures = np.array([0.5, 0.2, 0.3]), [1.0, 2.0, 1.0]
    exact = pool_logits([np.array([one]) for one in logits], weights, temperatures)
    found = build_ensemble([constant_classifier(one) for one in logits], weights, temperatures)(ONE)
    np.testing.assert_allclose(found, exact, rtol=3e-7, atol=1e-6)


def test_its_softmax_is_the_mean_of_the_members(members, ensemble, pictures):
    parts = [Extractor(member).arrays(pictures) for member in members]
    logits = Extractor(ensemble).arrays(pictures)["logits"]
    np.testing.assert_allclose(
        logits, pool_logits([part["logits"] for part in parts], np.array(WEIGHTS), TEMPERATURES), atol=2e-5
    )
    mean = sum(
        weight * keras.ops.softmax(part["logits"] / temperature)
        for weight, part, temperature in zip(WEIGHTS, parts, TEMPERATURES)
    )
    np.testing.assert_allclose(keras.ops.softmax(logits), mean, atol=1e-5)


def test_squared_distances_of_features_are_weighted_means(members, ensemble, pictures):
    parts = [Extractor(member).arrays(pictures)["features"] for member in members]
    features = Extractor(ensemble).arrays(pictures)["features"]
    scaled = [np.sqrt(weight) * part for weight, part in zip(WEIGHTS, parts)]
    np.testing.assert_allclose(features, np.concatenate(scaled, axis=1), atol=1e-4)
    means = sum(weight * np.sum((part[1:] - part[0]) ** 2, axis=1) for weight, part in zip(WEIGHTS, parts))
    np.testing.assert_allclose(np.sum((features[1:] - features[0]) ** 2, axis=1), means, rtol=1e-4)


def test_its_parameters_are_those_of_its_members(members, ensemble):
    assert ensemble.count_params() == sum(member.count_params() for member in members)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_member_without_weight_is_left_out(members, pictures, kept):
    alone = build_ensemble(members, np.eye(2)[kept])
    assert alone.count_params() == members[kept].count_params()
    logits = Extractor(members[kept]).arrays(pictures)["logits"]
    found = Extractor(alone).arrays(pictures)
    np.testing.assert_allclose(found["logits"], keras.ops.log_softmax(logits), atol=2e-5)
    assert found["features"].shape == (50, (4, 6)[kept])


LOAD = """
import sys
import keras
import numpy as np

network = keras.models.load_model(sys.argv[1])
given = np.load(sys.argv[2])
both = keras.Model(network.input, [network.get_layer("features").output, network.output])
for found, expected in zip(both.predict(given["images"], verbose=0), (given["features"], given["logits"])):
    np.testing.assert_allclose(found, expected, atol=1e-4)
assert not [name for name in sys.modules if name.partition(".")[0] == "gan"]

def classes(config):
    for layer in config["layers"]:
        yield layer["module"]
        if "layers" in layer["config"]:
            yield from classes(layer["config"])

print(*sorted({module.partition(".")[0] for module in classes(network.get_config())}))
"""


def test_a_file_has_only_parts_of_keras(ensemble, tmp_path):
    ensemble.save(tmp_path / "classifier.keras")
    with zipfile.ZipFile(tmp_path / "classifier.keras") as archive:
        described = archive.read("config.json").decode()
    assert set(re.findall(r'"module": "(\w+)', described)) == {"keras"}
    assert set(re.findall(r'"registered_name": "([^"]+)"', described)) <= {"Functional"}


@pytest.mark.slow  # a process of its own; the quick test before it reads the file
def test_plain_keras_loads_the_file_without_this_package(ensemble, pictures, tmp_path):
    ensemble.save(tmp_path / "classifier.keras")
    np.savez(tmp_path / "given.npz", images=pictures, **Extractor(ensemble).arrays(pictures))
    command = [sys.executable, "-I", "-c", LOAD, "classifier.keras", "given.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["keras"]


def test_an_ensemble_can_be_a_member(members, ensemble, pictures, tmp_path):
    copy = keras.models.clone_model(members[0])
    copy.set_weights(members[0].get_weights())
    build_ensemble([ensemble, copy], [0.5, 0.5]).save(tmp_path / "nested.keras")
    logits = [Extractor(member).arrays(pictures)["logits"] for member in members]
    weights = [0.5, 0.5 * WEIGHTS[0], 0.5 * WEIGHTS[1]]
    exact = pool_logits([logits[0], *logits], np.array(weights), [1.0, *TEMPERATURES])
    nested = Extractor(keras.models.load_model(tmp_path / "nested.keras")).arrays(pictures)
    np.testing.assert_allclose(nested["logits"], exact, atol=2e-5)
    assert nested["features"].shape == (50, 4 + 6 + 4)


def test_members_of_any_width_and_type():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = build_classifier((8, 8, 1), 3, width=1, blocks=1, features=4)
    finally:
        keras.config.set_dtype_policy("float32")
    whole = build_classifier((8, 8, 1), 3, width=2, blocks=1, features=6)
    network = build_ensemble([half, whole], [0.5, 0.5])
    assert network.output.dtype == network.get_layer("features").output.dtype == "float32"
    assert network.get_layer("features").output.shape == (None, 10)


def test_rejects_classifiers_that_do_not_match(members, ensemble):
    no_classifier = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    two = [constant_classifier((0.0, 0.0)), constant_classifier((0.0, 0.0, 0.0))]
    for classifiers, weights, temperatures, problem in (
        (members[:1], [1.0], None, "two or more"),
        (members[:1] * 2, [0.5, 0.5], None, "share weights"),
        ([ensemble, members[1]], [0.5, 0.5], None, "share weights"),
        (members, [0.5, 0.6], None, "weights that sum to 1"),
        (members, [0.5, 0.5], [1.0], "one for each classifier"),
        (members, [0.5, 0.5], [1.0, 0.0], "temperatures"),
        (two, [0.5, 0.5], None, "do not match.*logits"),
        ([members[0], two[0]], [0.5, 0.5], None, "do not match.*images"),
        ([members[0], no_classifier], [0.5, 0.5], None, "not a classifier"),
    ):
        with pytest.raises(InputError, match=problem):
            build_ensemble(classifiers, weights, temperatures)
