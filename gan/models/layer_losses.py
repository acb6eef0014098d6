"""Losses that the layers of a network add: regularizers of weights and activities, and `add_loss`."""

import keras
import tensorflow as tf
from keras import ops

from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.inspect import layers_of
from gan.utils.types import Tensor


def layer_loss(network: keras.Model) -> Tensor:
    """Returns the sum of the losses that the layers added in the last call of a network, float32 []; None without any.

    Must follow that call at once: the next call of the network removes the losses. Regularizers of weights count for
    trainable weights, as in `keras.Model.fit`.
    """
    losses = [ops.cast(ops.sum(loss), "float32") for loss in network.losses]
    return sum(losses[1:], start=losses[0]) if losses else None


def has_layer_losses(network: keras.Model, inputs: NetworkInputs) -> bool:
    """Returns whether layers of a network add losses during training.

    A network with layers of other packages is traced once, because only a call shows whether they use `add_loss`.
    """
    layers = list(layers_of(network))
    regularized = [*(v.regularizer for v in network.trainable_variables), *(la.activity_regularizer for la in layers)]
    if any(regularizer is not None for regularizer in regularized):
        return True
    if all(type(layer).__module__.partition(".")[0] in ("keras", "gan") for layer in layers):
        return False
    found = []

    @tf.function
    def call() -> None:
        zeros = {name: tf.zeros((2, *spec.shape[1:]), spec.dtype) for name, spec in inputs.specs.items()}
        with keras.StatelessScope(collect_losses=True) as scope:
            network(inputs.arrange(**zeros), training=True)
        found.extend(scope.losses)

    call.get_concrete_function()
    return bool(found)
