"""The network of the reference classifier."""

import keras
from keras import layers

from gan.errors import check_whole
from gan.evaluation.features import FEATURES
from gan.models.networks.data_format import channels_last
from gan.utils.arguments import checked


@checked
@channels_last()
def build_classifier(
    image_shape: tuple[int, int, int], num_classes: int, *, width: int = 32, blocks: int = 2, features: int = 128
) -> keras.Model:
    """Builds a convolutional classifier of built-in layers: images [B, H, W, C] in [-1, 1] -> logits [B, num_classes].

    The network has three stages of `blocks` 3x3 convolutions with width, 2 width and 4 width filters, each with batch
    normalization and ReLU. Max pooling halves the size after each stage. A dense layer named `features` with `features`
    units follows.
    """
    check_whole("width", width, 1)
    check_whole("blocks", blocks, 1)
    check_whole("features", features, 1)
    check_whole("num_classes", num_classes, 1)
    for side in image_shape:
        check_whole("image_shape", side, 1)
    inputs = x = keras.Input(image_shape, name="images")
    for stage in range(3):
        for _ in range(blocks):
            x = layers.Conv2D(width * 2**stage, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(features, activation="relu", name=FEATURES)(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="classifier")
