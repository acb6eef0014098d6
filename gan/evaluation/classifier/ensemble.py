"""An ensemble of classifiers as one network of built-in layers."""

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from gan.errors import InputError, check_positive
from gan.evaluation.classifier.extractor import check_classifier
from gan.evaluation.features import FEATURES
from gan.models.networks.data_format import channels_last
from gan.utils.arguments import checked
from gan.utils.simplex import check_weights

FLOAT32 = "float32"
"""Type of the pool, whatever the types of the members are."""


@checked
@channels_last()
def build_ensemble(
    classifiers: Sequence[keras.Model], weights: Sequence[float], temperatures: Sequence[float] | None = None
) -> keras.Model:
    """Builds one classifier from several: images [B, H, W, C] in [-1, 1] -> logits [B, classes].

    The logits are log sum_i w_i softmax(logits_i / T_i). Their softmax is the linear opinion pool: the weighted mean of
    the members' probabilities. Stone 1961, The opinion pool, doi:10.1214/aoms/1177704873; with equal weights, deep
    ensembles, arXiv:1612.01474; temperatures, arXiv:1706.04599.

    The sum is folded over pairs by log(e^a + e^b) = max(a, b) + softplus(min(a, b) - max(a, b)). All parts are layers
    of Keras, so the saved network loads in safe mode without this package. Each term is as exact as its own size
    allows, also for probabilities that float32 cannot hold.

    The layer `features` concatenates the features of the members, each times sqrt(w_i). So a squared distance of two
    images is the weighted mean of their squared distances in the members. A member with weight 0 is left out. The
    members become layers of the result and keep their weights; they are not copied.

    Args:
        classifiers: networks of `build_classifier`, or others with one input of images, logits, and such a layer.
        weights: numbers >= 0 that sum to 1, one for each classifier.
        temperatures: numbers > 0, one for each classifier. None: 1.

    Raises `InputError` for fewer than two classifiers, those that share weights, and those of different shapes.
    """
    if len(classifiers) < 2:
        raise InputError("Bad `classifiers`", expected="two or more", received=str(len(classifiers)))
    shares = check_weights("weights", weights, len(classifiers))
    temperatures = [1.0] * len(classifiers) if temperatures is None else temperatures
    if len(temperatures) != len(classifiers):
        received = f"{len(temperatures)} for {len(classifiers)} classifiers"
        raise InputError("Bad `temperatures`", expected="one for each classifier", received=received)
    for classifier, temperature in zip(classifiers, temperatures):
        check_positive("temperatures", temperature)
        check_classifier(classifier)
        shapes = [(one.input_shape, one.output_shape) for one in (classifiers[0], classifier)]
        if shapes[0] != shapes[1]:
            expected, received = (f"images {images}, logits {logits}" for images, logits in shapes)
            raise InputError("The classifiers do not match", expected=expected, received=received)
    variables = [id(variable) for classifier in classifiers for variable in classifier.variables]
    if len(set(variables)) < len(variables):  # a file would hold them once, and the other copy would load as random
        expected, received = "separately loaded ones", "the same weights in two classifiers"
        raise InputError("The classifiers share weights", expected=expected, received=received)
    images = keras.Input(classifiers[0].input_shape[1:], name="images")
    features, logs = [], []
    for number in np.flatnonzero(shares).tolist():
        classifier, share = classifiers[number], float(shares[number])
        member = keras.Model(
            classifier.inputs[0],
            [classifier.get_layer(FEATURES).output, classifier.outputs[0]],
            name=f"member_{number}",
        )
        of_member, logits = member(images)
        features.append(layers.Rescaling(math.sqrt(share), name=f"{FEATURES}_{number}", dtype=FLOAT32)(of_member))
        scaled = layers.Rescaling(1 / temperatures[number], name=f"temperature_{number}", dtype=FLOAT32)(logits)
        log_softmax = layers.Activation("log_softmax", name=f"log_softmax_{number}", dtype=FLOAT32)(scaled)
        weighted = layers.Rescaling(1.0, offset=math.log(share), name=f"weight_{number}", dtype=FLOAT32)
        logs.append(weighted(log_softmax))
    pool = logs[0]
    for log in logs[1:]:
        pool = _log_add_exp(pool, log)
    joined = layers.Concatenate(name=FEATURES, dtype=FLOAT32)(features)
    result = layers.Add(name="logits", dtype=FLOAT32)([pool, _zero_from(joined)])
    return keras.Model(images, result, name="ensemble")


def _log_add_exp(first: keras.KerasTensor, second: keras.KerasTensor) -> keras.KerasTensor:
    """Computes log(e^first + e^second)."""
    largest, smallest = layers.Maximum(dtype=FLOAT32)([first, second]), layers.Minimum(dtype=FLOAT32)([first, second])
    difference = layers.Subtract(dtype=FLOAT32)([smallest, largest])
    return layers.Add(dtype=FLOAT32)([largest, layers.Activation("softplus", dtype=FLOAT32)(difference)])


def _zero_from(features: keras.KerasTensor) -> keras.KerasTensor:
    """Computes 0 from features [B, F]: [B, 1]. A network contains only the layers from which its output is computed."""
    mean = layers.GlobalAveragePooling1D(dtype=FLOAT32)(layers.Reshape((-1, 1), dtype=FLOAT32)(features))
    return layers.Rescaling(0.0, dtype=FLOAT32)(mean)
