"""Stand-ins for a model, to test callbacks without training."""

from types import SimpleNamespace

import numpy as np


class Weights:
    """A stand-in for a network: one number, which a test sets."""

    def __init__(self):
        self.number = 0.0

    def get_weights(self):
        return [np.array([self.number])]

    def set_weights(self, weights):
        (self.number,) = weights[0]


def stand_in():
    return SimpleNamespace(stop_training=False, generator_ema=Weights())


def run(callback, logs, *, model=None, first_epoch=0, end=True):
    """Calls a callback with hand-written logs. The weight of the averaged generator is the epoch. Returns the model."""
    model = model or stand_in()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, log in enumerate(logs, first_epoch):
        model.generator_ema.number = float(epoch)
        callback.on_epoch_end(epoch, log if isinstance(log, dict) else {"val_error": log})
        if model.stop_training:
            break
    if end:
        callback.on_train_end()
    return model
