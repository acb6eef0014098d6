"""Tests of the networks: layers, sizes, labels, normalization and errors."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import layers

from gan.errors import InputError
from gan.models import networks
from gan.models.networks import CONDITIONINGS, DISCRIMINATORS, GENERATORS, NORMS, build_discriminator, build_generator
from gan.models.networks.resnet import residual_block
from gan.models.networks.sizes import SIDES, crop

ARCHS = sorted(GENERATORS)
CONVOLUTIONAL = sorted(set(ARCHS) - {"mlp"})
SHAPES = [(28, 28, 1), (33, 17, 3), (16, 41, 1)]


def kinds(network):
    """Returns (class name, *output sizes) of each layer, except inputs and the last activation."""
    inner = [layer for layer in network.layers if not isinstance(layer, layers.InputLayer)][:-1]
    return [(type(layer).__name__, *layer.output.shape[1:]) for layer in inner]


def weights(network):
    return sum(int(np.prod(weight.shape)) for weight in network.weights)


@pytest.fixture
def mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_generators_and_discriminators_have_the_same_architectures():
    assert set(GENERATORS) == set(DISCRIMINATORS)


# Properties that pretrained generators and saved runs need


def test_the_default_networks_have_these_layers():
    generator, discriminator = build_generator((28, 28, 1), 32, 10), build_discriminator((28, 28, 1), 10)
    assert (weights(generator), weights(discriminator)) == (234_689, 187_105)
    assert kinds(generator) == [
        ("Embedding", 32),
        ("Concatenate", 64),
        ("Dense", 3136),
        ("Reshape", 7, 7, 64),
        ("BatchNormalization", 7, 7, 64),
        ("ReLU", 7, 7, 64),
        ("Conv2DTranspose", 14, 14, 32),
        ("BatchNormalization", 14, 14, 32),
        ("ReLU", 14, 14, 32),
        ("Conv2DTranspose", 28, 28, 1),
    ]
    assert [tuple(w.shape) for w in discriminator.weights] == [
        *((4, 4, 1, 32), (32,), (4, 4, 32, 64), (64,), (4, 4, 64, 128), (128,)),
        *((2048, 10), (2048, 1), (1,)),
    ]


def test_a_seed_always_gives_the_same_weights():
    """Layers draw their seeds in the order from input to output."""
    keras.utils.set_random_seed(4)
    first = layers.Conv2D(2, 4)
    first.build((None, 8, 8, 1))
    keras.utils.set_random_seed(4)
    np.testing.assert_array_equal(build_discriminator((8, 8, 1), width=2).weights[0], first.kernel)


def test_tf_tutorial_has_the_networks_of_the_tutorial():
    generator = build_generator((28, 28, 1), 100, arch="tf_tutorial")
    discriminator = build_discriminator((28, 28, 1), arch="tf_tutorial")
    assert (weights(generator), weights(discriminator)) == (2_330_944, 212_865)  # as in model.summary() of the tutorial
    assert kinds(generator) == [
        ("Dense", 12544),
        ("BatchNormalization", 12544),
        ("LeakyReLU", 12544),
        ("Reshape", 7, 7, 256),
        ("Conv2DTranspose", 7, 7, 128),
        ("BatchNormalization", 7, 7, 128),
        ("LeakyReLU", 7, 7, 128),
        ("Conv2DTranspose", 14, 14, 64),
        ("BatchNormalization", 14, 14, 64),
        ("LeakyReLU", 14, 14, 64),
        ("Conv2DTranspose", 28, 28, 1),
    ]
    assert kinds(discriminator) == [
        ("Conv2D", 14, 14, 64),
        ("LeakyReLU", 14, 14, 64),
        ("Dropout", 14, 14, 64),
        ("Conv2D", 7, 7, 128),
        ("LeakyReLU", 7, 7, 128),
        ("Dropout", 7, 7, 128),
        ("Flatten", 6272),
        ("Dense", 1),
    ]
    for layer in (*generator.layers, *discriminator.layers):
        if isinstance(layer, (layers.LeakyReLU, layers.BatchNormalization)):  # Keras' own settings
            config, default = layer.get_config(), type(layer)().get_config()
            assert {**config, "name": ""} == {**default, "name": ""}


def test_mlp_has_the_usual_dense_generator():
    sizes = [layer.units for layer in build_generator((28, 28, 1), 100, arch="mlp").layers if hasattr(layer, "units")]
    assert sizes == [128, 256, 512, 1024, 784]


# Sizes


def test_the_number_of_stages_follows_from_the_size():
    stages = {8: 1, 15: 1, 16: 2, 28: 2, 30: 2, 32: 3, 33: 3, 64: 4, 100: 4, 256: 6}
    assert {side: networks.upsamplings((side, side, 1)) for side in stages} == stages
    assert networks.upsamplings((96, 64, 3)) == 4
    assert networks.upsamplings((8, 256, 3)) == 1
    assert [networks.downsamplings((side, side, 1)) for side in (8, 28, 32, 33, 64)] == [1, 3, 3, 4, 4]


def test_stages_halve_the_size_rounding_up_until_the_shorter_side_would_be_less_than_four():
    assert networks.stage_sizes((33, 17, 1)) == [(33, 17), (17, 9), (9, 5)]
    assert networks.stage_sizes((96, 64, 3)) == [(96, 64), (48, 32), (24, 16), (12, 8), (6, 4)]
    for side in range(SIDES[0], SIDES[1] + 1):
        sizes = networks.stage_sizes((side, side, 1))
        assert 4 <= sizes[-1][0] <= 8
        assert all(large - 2 * small in (0, -1) for (large, _), (small, _) in pairwise(sizes))


def test_crop_drops_the_last_row_and_column():
    x = np.arange(2 * 4 * 6).reshape(2, 4, 6, 1)
    np.testing.assert_array_equal(crop(x, (3, 5)), x[:, :3, :5])
    np.testing.assert_array_equal(crop(x, (4, 5)), x[:, :, :5])
    assert crop(x, (4, 6)) is x


@pytest.mark.parametrize("arch", CONVOLUTIONAL)
@pytest.mark.parametrize(
    ("shape", "nearest"), [((5, 300, 1), "8x256"), ((28, 7, 3), "28x8"), ((257, 257, 1), "256x256")]
)
def test_rejects_other_sizes_and_names_the_nearest_supported_size(arch, shape, nearest):
    with pytest.raises(InputError, match=rf"{nearest} is the nearest.* Received: image_shape=\({shape[0]}, "):
        build_generator(shape, 4, arch=arch, width=2)
    with pytest.raises(InputError, match=f"{nearest} is the nearest"):
        build_discriminator(shape, arch=arch, width=2)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 300, 3)])
def test_dense_networks_accept_any_size(shape):
    assert build_generator(shape, 4, arch="mlp", width=2).output_shape == (None, *shape)
    assert build_discriminator(shape, arch="mlp", width=2).input_shape == (None, *shape)


@pytest.mark.parametrize("arch", CONVOLUTIONAL)
@pytest.mark.parametrize("shape", [(8, 256, 1), (96, 64, 3), (100, 100, 3), (255, 129, 1)])
def test_sizes_up_to_256(arch, shape):
    assert build_generator(shape, 4, arch=arch, width=1).output_shape == (None, *shape)
    assert build_discriminator(shape, arch=arch, width=1).output_shape == (None, 1)


# Properties of every combination


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("classes", [0, 5])
def test_generators_return_images_and_use_only_keras_layers(arch, shape, classes):
    generator = build_generator(shape, 4, classes, arch, width=2)
    assert generator.output_shape == (None, *shape)
    assert [i.name for i in generator.inputs] == ["latents", "labels"][: 1 + bool(classes)]
    assert networks.NetworkInputs.of(generator).num_classes == classes
    assert all(type(layer).__module__.startswith("keras.") for layer in generator.layers)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("norm", sorted(NORMS))
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        (SHAPES[0], {}),
        (SHAPES[1], {"num_classes": 5, "conditioning": "projection"}),
        (SHAPES[2], {"num_classes": 5, "conditioning": "concat"}),
    ],
)
def test_discriminators_return_one_logit(arch, norm, shape, options):
    discriminator = build_discriminator(shape, arch=arch, width=2, norm=norm, **options)
    classes = options.get("num_classes", 0)
    assert discriminator.output_shape == (None, 1)
    assert [i.name for i in discriminator.inputs] == ["images", "labels"][: 1 + bool(classes)]
    assert networks.NetworkInputs.of(discriminator).num_classes == classes
    assert networks.has_batch_statistics(discriminator) == (norm == "batch")
    own_layers = [layer for layer in discriminator.layers if not type(layer).__module__.startswith("keras.")]
    assert bool(own_layers) == (norm == "spectral" or arch == "tf_tutorial")  # its dropout is a layer of this package


@pytest.mark.parametrize("arch", ARCHS)
def test_images_are_in_range_and_logits_are_finite(arch):
    shape = (9, 12, 3)
    latents, labels = np.random.default_rng(0).normal(size=(3, 4)).astype("float32") * 50, np.array([0, 1, 2], "int32")
    images = np.asarray(build_generator(shape, 4, 5, arch, width=2)([latents, labels], training=False))
    logits = np.asarray(build_discriminator(shape, 5, arch, width=2)([images, labels], training=True))
    assert (images.shape, images.dtype) == ((3, *shape), "float32")
    assert np.abs(images).max() <= 1
    assert np.ptp(images) > 0.01
    assert (logits.shape, logits.dtype) == ((3, 1), "float32")
    assert np.isfinite(logits).all()


@pytest.mark.usefixtures("mixed_precision")
@pytest.mark.parametrize("arch", ARCHS)
def test_mixed_precision_computes_in_bfloat16_and_returns_float32(arch):
    generator = build_generator((8, 8, 1), 4, 3, arch, width=2)
    images = np.asarray(generator([np.ones((2, 4), "float32"), np.array([0, 1])]))
    assert images.dtype == "float32"
    for conditioning, norm in zip(CONDITIONINGS, ("batch", "spectral")):
        discriminator = build_discriminator((8, 8, 1), 3, arch, 2, conditioning=conditioning, norm=norm)
        assert discriminator([images, np.array([0, 1])], training=True).dtype == "float32"
        assert {layer.compute_dtype for layer in discriminator.layers if layer.weights} == {"bfloat16"}
        assert {str(weight.dtype) for weight in discriminator.weights} == {"float32"}


# Labels


@pytest.mark.parametrize("conditioning", sorted(CONDITIONINGS))
@pytest.mark.parametrize("arch", ARCHS)
def test_the_label_changes_the_logit_of_the_same_image(arch, conditioning):
    discriminator = build_discriminator((8, 8, 1), 3, arch, 2, conditioning=conditioning)
    image = np.random.default_rng(0).uniform(-1, 1, size=(1, 8, 8, 1)).astype("float32")
    logits = np.asarray(discriminator([np.repeat(image, 3, axis=0), np.array([0, 1, 1])], training=False))
    assert logits[0] != logits[1] == logits[2]


def test_the_label_changes_the_generators_image():
    generator = build_generator((8, 8, 1), 4, 3, width=4)
    images = np.asarray(generator([np.ones((2, 4), "float32"), np.array([0, 1])], training=False))
    assert not np.allclose(images[0], images[1])


def test_projection_adds_the_inner_product_with_the_features():
    discriminator = build_discriminator((8, 8, 1), 3, "dcgan", 2, conditioning="projection")
    image = np.random.default_rng(0).uniform(-1, 1, size=(1, 8, 8, 1)).astype("float32")
    table = discriminator.get_layer(networks.LABEL_EMBEDDING)
    dense = next(layer for layer in discriminator.layers if isinstance(layer, layers.Dense) and layer is not table)
    features = keras.Model(discriminator.inputs[0], dense.input)(image)
    expected = [np.asarray(features) @ np.asarray(dense.kernel + table.kernel[:, y : y + 1]) for y in range(3)]
    logits = discriminator([np.repeat(image, 3, axis=0), np.arange(3)])
    np.testing.assert_allclose(logits, np.concatenate(expected), rtol=1e-5, atol=1e-6)


def test_concat_adds_one_channel():
    discriminator = build_discriminator((8, 10, 3), 4, "dcgan", 2, conditioning="concat")
    first = next(layer for layer in discriminator.layers if isinstance(layer, layers.Conv2D))
    assert first.input.shape == (None, 8, 10, 4)
    assert discriminator.get_layer(networks.LABEL_EMBEDDING).embeddings.shape == (4, 80)


# Batch normalization


def test_batch_statistics_are_found_in_nested_models():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    assert networks.has_batch_statistics(keras.Sequential([keras.Input((2,)), inner]))
    assert not networks.has_batch_statistics(build_discriminator((28, 28, 1)))


@pytest.mark.parametrize("arch", ["dcgan", "mlp", "tf_tutorial"])
def test_batch_normalization_follows_each_hidden_layer_except_the_first(arch):
    names = [kind for kind, *_ in kinds(build_discriminator((28, 28, 1), arch=arch, width=2, norm="batch"))]
    order = [name for name in names if name in ("Conv2D", "Dense", "BatchNormalization")]
    hidden = order[0]
    pairs = order[1:-1]
    assert order[-1] == "Dense"
    assert pairs == [hidden, "BatchNormalization"] * (len(pairs) // 2) != []


# Residual networks


def test_residual_networks_have_no_batch_normalization_and_mirror_each_other():
    generator = build_generator((33, 32, 1), 4, arch="resnet", width=4)
    discriminator = build_discriminator((33, 32, 1), arch="resnet", width=4)
    assert not networks.has_batch_statistics(generator)
    sums = [[size for kind, *size in kinds(network) if kind == "Add"] for network in (generator, discriminator)]
    assert sums[0] == sums[1][::-1] == [[5, 4, 32], [9, 8, 16], [17, 16, 8], [33, 32, 4]]


@pytest.mark.parametrize("blocks", [1, 4])
def test_an_untrained_residual_block_adds_its_share_of_the_mean_square(blocks):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 64))
    block = keras.Model(inputs, residual_block(inputs, blocks, NORMS["none"]))
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 64)).astype("float32")
    assert np.mean(np.square(block(x))) == pytest.approx(1 + 1 / blocks, rel=0.15)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "unet"}, "Unknown `arch`. Expected one of"),
        ({"width": 0}, "`width`"),
        ({"image_shape": (28, 28)}, "image_shape"),
        ({"image_shape": (28, 0, 1)}, "image_shape"),
        ({"latent_dim": 0}, "latent_dim"),
    ],
)
def test_rejects_bad_options_of_generators(options, message):
    with pytest.raises(InputError, match=message):
        build_generator(**{"image_shape": (28, 28, 1), "latent_dim": 4, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "unet"}, "Unknown `arch`. Expected one of"),
        ({"conditioning": "animation"}, r"Unknown `conditioning`. Expected one of \['concat', 'projection'\]"),
        ({"norm": "layer"}, r"Unknown `norm`. Expected one of \['batch', 'none', 'spectral'\]"),
    ],
)
def test_rejects_bad_options_of_discriminators(options, message):
    with pytest.raises(InputError, match=message):
        build_discriminator((28, 28, 1), **options)
