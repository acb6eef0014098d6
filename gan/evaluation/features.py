"""Networks of features: images -> numbers that metrics compare. A fixed random network, or a layer of a given model."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import keras
import numpy as np
from keras import ops

from gan.errors import InputError
from gan.evaluation.report import FeatureSource
from gan.models import random
from gan.models.networks.data_format import channels_last
from gan.models.networks.graph import calls
from gan.saving import models
from gan.saving.feature_file import FeatureFile, find_features
from gan.utils.arguments import checked

FEATURES = "features"
"""Name of a classifier's layer before the logits, and of the default layer of other models."""

RANDOM = "random"
"""Name of the fixed random network, as a source of features."""

SEED = 20_261_128
"""Seed of the kernels of the fixed random network."""

STAGES, WIDTH, WITHOUT_MEAN = 3, 24, 16
"""Convolutions of the random network, filters of each, and how many of these have kernels with a mean of 0."""


@dataclass(frozen=True)
class Features:
    """A network of features: images [B, H, W, C] in [-1, 1] -> float [B, F], and where it is from."""

    network: keras.Model
    source: FeatureSource

    @property
    def size(self) -> int:
        """F, the number of features."""
        return self.source.dimension


FeaturesLike = Annotated[
    Features | FeatureFile | str | os.PathLike[str], "features, or a file FILE.keras or FILE.keras:LAYER"
]
"""Features, or what `load_features` loads."""


@checked
@channels_last()
def random_features(image_shape: tuple[int, int, int]) -> Features:
    """Builds the fixed random network: 240 features of images of any size and number of channels.

    Three 3 x 3 convolutions of 24 filters with ReLU follow each other, each after the first on half the size. Their
    kernels are random numbers that are the same everywhere, and are not trained. The features are the mean and the
    standard deviation of each filter over the image, and the means of the last filters over each quarter of it.

    Such features separate textures, colors and coarse layouts, not meanings: a network that was never trained knows no
    faces or digits. arXiv:2002.09797 compares generators of unusual data with networks of random weights, because
    trained ones fit only data like their own. Numbers of different data do not compare.
    """
    inputs = x = keras.Input(image_shape, name="images", dtype="float32")
    found = []
    for stage, kernel in enumerate(random_kernels(image_shape[-1])):
        x = ops.average_pool(x, 2, padding="same") if stage else x
        x = ops.relu(ops.conv(x, kernel, padding="same"))
        mean = ops.mean(x, axis=(1, 2))
        variance = ops.mean(ops.square(x), axis=(1, 2)) - ops.square(mean)
        found += [mean, ops.sqrt(ops.maximum(variance, 1e-8))]
    found += [ops.mean(part, axis=(1, 2)) for part in _quarters(x)]
    network = keras.Model(inputs, ops.concatenate(found, axis=-1), name="random_features")
    digest = hashlib.sha256(b"".join(kernel.tobytes() for kernel in random_kernels(image_shape[-1]))).hexdigest()
    return Features(network, FeatureSource(RANDOM, "all", digest, int(network.output_shape[-1])))


def random_kernels(channels: int) -> list[np.ndarray]:
    """Returns the kernels of the random network, float32 [3, 3, inputs, filters], for images of `channels` channels.

    They are whole numbers of the stateless generator, divided by one length for each filter, so that every device and
    version gets the same bits. The squares of a filter sum to 2. The first filters have a mean of 0 for each input, so
    they see edges, not brightness.
    """
    kernels, inputs = [], channels
    for stage in range(STAGES):
        bits = random.bits((3, 3, inputs, WIDTH), random.fold_in(random.key(SEED, stage), inputs))
        whole = 2 * (np.asarray(bits).astype(np.int64) >> 16) - (2**16 - 1)
        whole = 9 * whole - np.where(np.arange(WIDTH) < WITHOUT_MEAN, whole.sum(axis=(0, 1), keepdims=True), 0)
        length = np.sqrt(2.0 / np.square(whole).sum(axis=(0, 1, 2)).astype(np.float64))
        kernels.append((whole * length).astype("<f4"))
        inputs = WIDTH
    return kernels


def _quarters(x: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Returns the four quarters of images, which overlap where a side is odd; a side of one pixel is whole."""
    tops, lefts = ([slice(0, -(-side // 2)), slice(side // 2, None)] for side in x.shape[1:3])
    return [x[:, top, left] for top in tops for left in lefts]


@checked
def load_features(given: FeaturesLike, image_shape: Sequence[int]) -> Features:
    """Loads the outputs of a layer of any Keras model with one input of images, in safe mode.

    The layer is the one named after the file, the one named `features`, or the one before the last. Outputs of shape
    [B, h, w, c] are averaged over the image, as global average pooling does.

    Args:
        given: `FILE.keras` or `FILE.keras:LAYER`, or features, which are only checked.
        image_shape: (H, W, C) of the images, which must be the input of the model: nothing is resized.

    Raises `InputError` if the file does not load, has no such layer, or takes other images.
    """
    features = given if isinstance(given, Features) else _load(given, image_shape)
    _check_input(features.network, image_shape, features.source.name)
    return features


def _load(given: FeatureFile | str | os.PathLike[str], image_shape: Sequence[int]) -> Features:
    found = given if isinstance(given, FeatureFile) else find_features(os.fspath(given))
    path = found.file.path
    model = models.load_model(found.file, expected="a model of images")
    _check_input(model, image_shape, str(path))
    names = [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    name = found.layer or (FEATURES if FEATURES in names else next(iter(names[-2:]), ""))
    if name not in names:
        raise InputError("No such layer", expected=f"a layer of {path.name}: one of {names}", received=name)
    output = _output_in(model, model.get_layer(name))
    if len(getattr(output, "shape", ())) == 4:
        output = keras.layers.GlobalAveragePooling2D(data_format="channels_last")(output)
    if len(getattr(output, "shape", ())) != 2 or output.shape[-1] is None:
        shape = list(getattr(output, "shape", ())) or type(output).__name__
        raise InputError(
            f"Layer {name!r} has no features", expected="outputs [B, F] or [B, h, w, c]", received=str(shape)
        )
    source = FeatureSource(path.name, name, found.sha256, int(output.shape[-1]))
    return Features(keras.Model(model.inputs[0], output, name="given_features"), source)


def _output_in(model: keras.Model, layer: keras.Layer) -> keras.KerasTensor:
    """Returns the output of a layer in the graph of a model. That of a nested model is not that of its own graph."""
    if not isinstance(layer, keras.Model):
        return layer.output
    return next((outputs[0] for operation, _, outputs in calls(model) if operation is layer), None)


def _check_input(model: keras.Model, image_shape: Sequence[int], name: str) -> None:
    """Raises `InputError` unless a model has one input of images of this shape."""
    shapes = [tuple(tensor.shape[1:]) for tensor in getattr(model, "inputs", None) or ()]
    fits = len(shapes) == 1 and len(shapes[0]) == len(image_shape)
    if not fits or any(side not in (None, given) for side, given in zip(shapes[0], image_shape)):
        raise InputError(
            "The network of features takes other images",
            expected=f"one input of shape {tuple(image_shape)}, as the data has; images are not resized",
            received=f"{name}: {shapes[0] if len(shapes) == 1 else shapes}",
        )
