import keras
import numpy as np
import pytest

from gan import networks
from gan.errors import InputError
from gan.networks import build_discriminator, build_generator, downsamplings, upsamplings


def test_number_of_stages_is_derived():
    assert [upsamplings((side, side, 1)) for side in (8, 28, 32, 64)] == [1, 2, 3, 4]
    assert [downsamplings((side, side, 1)) for side in (8, 28, 32, 64)] == [1, 3, 3, 4]
    assert upsamplings((96, 64, 3)) == 4


@pytest.mark.parametrize("arch", ["dcgan", "mlp"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (16, 24, 1)])
@pytest.mark.parametrize("classes", [0, 5])
def test_shapes_and_ranges(arch, shape, classes):
    generator = build_generator(shape, 6, classes, arch, width=4)
    discriminator = build_discriminator(shape, classes, arch, width=4)
    latents, labels = np.random.default_rng(0).normal(size=(3, 6)).astype("float32") * 50, np.array([0, 1, 2], "int32")
    made = np.asarray(generator([latents, labels] if classes else latents, training=False))
    logits = discriminator([made, labels] if classes else made)
    assert made.shape == (3, *shape)
    assert made.dtype == "float32"
    assert np.abs(made).max() <= 1
    assert logits.shape == (3, 1)
    assert [i.name for i in generator.inputs] == ["latents", "labels"][: 1 + bool(classes)]
    assert networks.num_classes(generator) == networks.num_classes(discriminator) == classes


def test_the_label_changes_both_networks():
    generator, discriminator = build_generator((8, 8, 1), 4, 3, width=4), build_discriminator((8, 8, 1), 3, width=4)
    latents = np.ones((2, 4), "float32")
    made = np.asarray(generator([latents, np.array([0, 1])], training=False))
    assert not np.allclose(made[0], made[1])
    same = np.repeat(made[:1], 2, axis=0)
    logits = np.asarray(discriminator([same, np.array([0, 1])]))
    assert logits[0] != logits[1]


def test_the_dense_generator_is_the_beginners():
    sizes = [layer.units for layer in build_generator((28, 28, 1), 100, arch="mlp").layers if hasattr(layer, "units")]
    assert sizes == [128, 256, 512, 1024, 784]


def test_only_built_in_layers():
    for network in (build_generator((28, 28, 1), 8, 10), build_discriminator((28, 28, 1), 10)):
        assert all(type(layer).__module__.startswith("keras.") for layer in network.layers)


def test_batch_statistics_are_found_in_nested_models():
    inner = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    assert networks.has_batch_statistics(keras.Sequential([keras.Input((2,)), inner]))
    assert not networks.has_batch_statistics(build_discriminator((28, 28, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "unet"}, "Unknown `arch`. Expected one of"),
        ({"width": 0}, "`width`"),
        ({"image_shape": (5, 300, 1)}, "8x256 is the nearest"),
        ({"image_shape": (28, 28)}, "image_shape"),
        ({"image_shape": (28, 0, 1)}, "image_shape"),
        ({"latent_dim": 0}, "latent_dim"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message):
        build_generator(**{"image_shape": (28, 28, 1), "latent_dim": 4, **options})
