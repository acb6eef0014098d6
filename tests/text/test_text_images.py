"""Texts as images, and the networks of a text GAN."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.recognizers import tiny_corpus

from gan.data.images import from_uint8
from gan.errors import InputError
from gan.models.gan import GAN
from gan.models.networks.inputs import NetworkInputs
from gan.text.data.alphabet import Alphabet
from gan.text.generation.text_images import image_dataset, images_to_numbers, images_to_texts, numbers_to_images
from gan.text.generation.text_networks import build_text_discriminator, build_text_generator

LETTERS = Alphabet("abc")


def test_images_are_exactly_two_p_minus_one() -> None:
    images = from_uint8(numbers_to_images(np.array([[2, 0]]), 3).astype(np.float32))
    assert images.tolist() == [[[[-1, -1, 1]], [[1, -1, -1]]]]


def test_texts_come_back() -> None:
    texts = ["cab", "", "a?c", "abcab"]
    pixels = numbers_to_images(LETTERS.encode(texts, 5), LETTERS.size)
    assert (pixels.shape, pixels.dtype) == ((4, 5, 1, 5), np.uint8)
    assert images_to_texts(pixels, LETTERS) == ["cab", "", "a\ufffdc", "abcab"]


def test_a_text_ends_at_its_first_end() -> None:
    images = numbers_to_images(np.array([[2, 0, 3]]), 5)
    assert images_to_numbers(images).tolist() == [[2, 0, 3]]
    assert images_to_texts(images, LETTERS) == ["a"]


@pytest.mark.parametrize("numbers", [[[5]], [[-1]], [0]])
def test_numbers_outside_the_alphabet(numbers: list[object]) -> None:
    with pytest.raises(InputError):
        numbers_to_images(np.array(numbers), 5)


def test_images_of_another_alphabet() -> None:
    with pytest.raises(InputError, match="5 channels"):
        images_to_texts(np.zeros((1, 2, 1, 4)), LETTERS)


def test_the_dataset_has_the_texts_of_each_split(tmp_path) -> None:
    corpus = tiny_corpus(tmp_path)
    dataset = image_dataset(corpus)
    assert dataset.image_shape == (corpus.length, 1, corpus.alphabet.size)
    assert (dataset.num_classes, dataset.class_names) == (2, corpus.class_names)
    for name, split in dataset.splits.items():
        assert tuple(images_to_texts(split.images, corpus.alphabet)) == getattr(corpus, name).texts
        assert split.labels is getattr(corpus, name).labels


@pytest.mark.parametrize("length", [1, 5, 8])
def test_rows_of_the_generator_are_probabilities(length: int) -> None:
    generator = build_text_generator(length, 6, 3, 2, width=4)
    images = generator([tf.ones((2, 3)), tf.constant([0, 1])])
    probabilities = (np.asarray(images) + 1) / 2
    assert probabilities.shape == (2, length, 1, 6)
    assert np.all(probabilities >= 0)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
    inputs = NetworkInputs.of(generator)
    assert (inputs.latent_dim, inputs.num_classes) == (3, 2)
    discriminator = build_text_discriminator(length, 6, 2, width=4)
    assert discriminator([images, tf.constant([0, 1])]).shape == (2, 1)


@pytest.mark.parametrize("classes", [0, 2])
def test_the_gradient_reaches_the_generator_without_sampling(classes: int) -> None:
    generator = build_text_generator(5, 6, 3, classes, width=4)
    discriminator = build_text_discriminator(5, 6, classes, width=4)
    GAN(generator, discriminator)  # the networks fit each other, without a warning
    labels = {"labels": tf.constant([0, 1])} if classes else {}
    with tf.GradientTape() as tape:
        fake = generator(
            NetworkInputs.of(generator).arrange(latents=tf.constant([[1.0, -1, 0.5], [0, 2, 1]]), **labels)
        )
        logits = discriminator(NetworkInputs.of(discriminator).arrange(images=fake, **labels))
        loss = -tf.reduce_mean(logits)
    gradients = tape.gradient(loss, generator.trainable_variables)
    assert all(np.any(tf.convert_to_tensor(gradient) != 0) for gradient in gradients)


def test_networks_have_built_in_layers_only() -> None:
    networks = build_text_generator(5, 6, 3, 2, width=4), build_text_discriminator(5, 6, 2, width=4)
    modules = {type(layer).__module__ for network in networks for layer in network.layers}
    assert {module.split(".")[0] for module in modules} == {keras.__name__}
