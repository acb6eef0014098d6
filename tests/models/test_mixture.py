"""Mixtures of generators as networks: the component of each sample, its image, and what is refused."""

import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from helpers.exports import FORMATS, NETWORKS, inputs_for, with_statistics
from keras import layers
from scipy.stats import binom, norm

from gan import build_discriminator, build_generator, generate, latents, load_exported, load_generator
from gan.deployment.export import export_generator
from gan.errors import InputError
from gan.evaluation.robustness.perturbed import perturbed
from gan.models.networks.graph import label_embedding
from gan.models.networks.inputs import NetworkInputs, named_inputs
from gan.models.networks.mixture import build_mixture, chosen_components, thresholds
from gan.sampling.generators import KerasEngine
from gan.saving import models

WEIGHTS = [0.2, 0.0, 0.5, 0.3]


def constant(value, *, length=1):
    """Returns a generator of 1 x 1 images of one value, through a kernel and a bias."""
    z = keras.Input((length,), name="latents")
    generator = keras.Model(z, layers.Reshape((1, 1, 1))(layers.Dense(1)(z)))
    generator.set_weights([np.zeros((length, 1), np.float32), np.array([value], np.float32)])
    return generator


@pytest.fixture(scope="module")
def numbers():
    """A mixture of four generators with `WEIGHTS`, whose images are the number of their component."""
    return build_mixture([constant(float(number)) for number in range(4)], WEIGHTS)


def components(network, first):
    """Returns the components that draw the samples of the first latent numbers."""
    z = np.stack([first, np.zeros(len(first))], axis=1).astype(np.float32)
    return KerasEngine(network)(z).reshape(-1).astype(int)


def beside(bounds):
    """Returns each float32 bound and its neighbours, the extremes of normal latents, zeros and huge numbers."""
    near = [np.nextafter(bounds, np.float32(side)) for side in (-np.inf, np.inf)]
    others = [-40, -5.677, -1e-30, -0.0, 0, 1e-30, 5.677, 40, 3e38, -3e38]
    return np.concatenate([bounds, *near, np.array(others, np.float32)])


def test_bounds_are_normal_quantiles_of_the_sums_of_weights():
    np.testing.assert_allclose(thresholds([0.2, 0.3, 0.5]), norm.ppf([0.2, 0.5]), atol=1e-7)
    np.testing.assert_array_equal(thresholds([0, 0.5, 0.5, 0]), [-np.inf, 0, np.inf])
    assert np.isfinite(thresholds([0.1] * 10)).all()  # the sum of ten is not 1 exactly
    assert thresholds([1.0]).shape == (0,)


def test_the_component_is_exact_at_and_beside_each_bound(numbers):
    bounds = thresholds([0.2, 0.5, 0.3])
    first = np.concatenate([beside(bounds), latents(3, np.arange(200_000), 2)[:, 0]])
    chosen = chosen_components(np.stack([first, first], axis=1), WEIGHTS)
    np.testing.assert_array_equal(components(numbers, first), chosen)
    np.testing.assert_array_equal(components(numbers, bounds), [0, 2])  # a bound belongs to the lower component
    np.testing.assert_array_equal(components(numbers, np.nextafter(bounds, np.float32(9))), [2, 3])


def test_shares_of_the_components_are_the_weights(numbers):
    num = 50_000
    counts = np.bincount(generate(numbers, num, seed=1, batch_size=num).reshape(-1).astype(int), minlength=4)
    for count, weight in zip(counts, WEIGHTS):
        assert binom.ppf(1e-6, num, weight) <= count <= binom.ppf(1 - 1e-6, num, weight)


@pytest.mark.parametrize(
    "names",
    [
        ["label column", "float labels", "labels first", "one-hot labels", "encoded labels"],
        ["wrapped", "nested"],
        pytest.param(["convolutions", "sequential"], marks=pytest.mark.slow),
        pytest.param(["dcgan 28", "mlp 28"], marks=pytest.mark.slow),
        pytest.param(["float16", "float64"], marks=pytest.mark.slow),
    ],
    ids=", ".join,
)
def test_each_sample_is_that_of_its_component(names):
    generators = [with_statistics(NETWORKS[name](), seed) for seed, name in enumerate(names)]
    before = [[np.array(weight) for weight in generator.weights] for generator in generators]
    weights = np.full(len(names), 1 / len(names))
    mixture = build_mixture(generators, weights)
    engine = KerasEngine(mixture)
    assert engine.latent_dim == 1 + max(NetworkInputs.of(generator).latent_dim for generator in generators)
    z, labels = inputs_for(engine, 60)
    images, chosen = engine(z, labels), chosen_components(z, weights)
    assert images.dtype == np.float32
    assert set(chosen) == set(range(len(names)))
    for number, generator in enumerate(generators):
        alone = KerasEngine(generator)
        assert alone.num_classes == engine.num_classes
        expected = alone(z[:, 1 : 1 + alone.latent_dim], labels)[chosen == number]
        np.testing.assert_allclose(images[chosen == number], expected, atol=1e-6)
    for generator, weights_before in zip(generators, before):
        for weight, value in zip(generator.weights, weights_before):
            np.testing.assert_array_equal(weight, value)


def test_a_sample_is_the_same_alone_and_in_a_batch():
    keras.utils.set_random_seed(0)
    mixture = build_mixture([build_generator((8, 8, 1), length, 3, width=2) for length in (4, 6)], [0.4, 0.6])
    together = generate(mixture, 16, seed=5)
    for index in (0, 7, 15):
        np.testing.assert_allclose(generate(mixture, 1, seed=5, start=index)[0], together[index], atol=1e-6)


def test_a_pixel_that_is_not_a_number_stays_in_its_component():
    mixture = build_mixture([constant(np.nan), constant(np.inf), constant(2.0)], [0.3, 0.3, 0.4])
    drawn = KerasEngine(mixture)(np.array([[-3, 0], [0, 0], [3, 0]], np.float32)).reshape(-1)
    np.testing.assert_array_equal(drawn, [np.nan, np.inf, 2.0])


def test_generators_of_weight_zero_are_left_out(numbers):
    assert numbers.count_params() == 3 * 2
    single = build_mixture([constant(1.0), constant(2.0, length=3)], [0, 1])
    assert (single.count_params(), single.input_shape) == (4, (None, 4))
    np.testing.assert_array_equal(generate(single, 20), np.full((20, 1, 1, 1), 2.0))


def test_faults_of_the_kernels_do_not_move_the_bounds(numbers):
    first = beside(thresholds([0.2, 0.5, 0.3]))
    expected = components(numbers, first)
    for fault in ("int8", "float16"):
        np.testing.assert_array_equal(components(perturbed(numbers, fault), first), expected)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_policy_of_keras_does_not_move_the_bounds(precision, numbers, tmp_path):
    first = beside(thresholds([0.2, 0.5, 0.3]))
    expected = components(numbers, first)
    numbers.save(tmp_path / "generator.keras")
    keras.config.set_dtype_policy(precision)
    try:
        built = build_mixture([constant(float(number)) for number in range(4)], WEIGHTS)
        loaded = load_generator(tmp_path / "generator.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    for network in (built, loaded):
        np.testing.assert_array_equal(components(network, first), expected)


@pytest.mark.parametrize("form", [pytest.param(form, marks=[pytest.mark.slow] * (form != "onnx")) for form in FORMATS])
def test_an_exported_mixture_draws_the_same_components(form, numbers, tmp_path):
    pytest.importorskip("onnxruntime")
    third = build_mixture([constant(value) for value in (-1.0, 0.0, 0.5, 1.0)], WEIGHTS)  # in the range of pixels
    third.save(tmp_path / "mixture.keras")
    exported = export_generator(tmp_path / "mixture.keras", tmp_path, format=form, weights="int8")
    first = beside(thresholds([0.2, 0.5, 0.3]))
    drawn = load_exported(exported.path)(np.stack([first, first], axis=1)).reshape(-1)
    np.testing.assert_array_equal(drawn, np.array([-1, 0, 0.5, 1])[components(numbers, first)])


@pytest.mark.slow
def test_the_file_loads_in_plain_keras_without_this_package(tmp_path):
    keras.utils.set_random_seed(0)
    mixture = build_mixture([build_generator((8, 8, 1), length, 3, width=2) for length in (4, 6)], [0.4, 0.6])
    z, labels = inputs_for(KerasEngine(mixture), 32)
    path, given, drawn = tmp_path / "generator.keras", tmp_path / "in.npz", tmp_path / "out.npy"
    mixture.save(path)
    np.savez(given, z=z, labels=labels)
    code = """
import sys
sys.modules["gan"] = None  # as if the package was not installed
import keras, numpy as np
generator = keras.saving.load_model(sys.argv[1], safe_mode=True)
inputs = np.load(sys.argv[2])
np.save(sys.argv[3], generator([inputs["z"], inputs["labels"]], training=False))
"""
    subprocess.run([sys.executable, "-c", code, str(path), str(given), str(drawn)], check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(drawn), load_generator(path)([z, labels], training=False))


def test_a_file_tells_the_classes_of_a_mixture(tmp_path):
    keras.utils.set_random_seed(0)
    parts = [build_generator((8, 8, 1), 4, 3, width=2) for _ in range(2)]
    inner = build_mixture(parts, [0.5, 0.5])
    for mixture, length in ((inner, 5), (build_mixture([inner, parts[0]], [0.5, 0.5]), 6)):  # also one in another
        mixture.save(tmp_path / "generator.keras")
        facts = models.describe(tmp_path / "generator.keras")
        assert (facts.latent_dim, facts.num_classes) == (length, 3)
        assert NetworkInputs.of(load_generator(tmp_path / "generator.keras")).num_classes == 3
        assert label_embedding(mixture, named_inputs(mixture)["labels"]) is None  # one in each component
    build_mixture([constant(0.0), constant(1.0)], [0.5, 0.5]).save(tmp_path / "generator.keras")
    assert models.describe(tmp_path / "generator.keras").num_classes == 0
    with zipfile.ZipFile(tmp_path / "generator.keras") as archive:
        described = archive.read("config.json").decode()
    assert set(re.findall(r'"module": "(\w+)', described)) == {"keras"}


def test_generators_that_cannot_be_mixed():
    gray = build_generator((8, 8, 1), 4, 3, width=2)
    half = [0.5, 0.5]

    def refused(generators, weights, *words):
        with pytest.raises(InputError) as caught:
            build_mixture(generators, weights)
        for word in words:
            assert word in str(caught.value)

    refused([gray], [1.0], "two or more", "Received: generators=1")
    refused([gray, build_generator((8, 8, 3), 4, 3, width=2)], half, "images of one shape, (8, 8, 1)", "(8, 8, 3)")
    refused([gray, build_generator((8, 8, 1), 4, 2, width=2)], half, "generators of 3 classes only", "one of 2 classes")
    refused([gray, build_generator((8, 8, 1), 4, width=2)], half, "3 classes", "no classes (unconditional)")
    refused([gray, build_discriminator((8, 8, 1), 3, width=2)], half, "does not take latents")
    refused([gray, keras.Model(gray.inputs, layers.Flatten()(gray.output))], half, "not a generator", "[B, 64] out")
    refused([gray, gray], [0.5, 0.6], "weights that sum to 1", "1.1")
    refused([gray, gray], [0.5, -0.5], "finite numbers >= 0")
    refused([gray, gray], [1.0], "2 numbers")
    refused([gray, gray], [0.0, 0.0], "weights that sum to 1")
