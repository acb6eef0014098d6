"""Resumes a run with the public API: python resume_old_run.py RUN [UNINTERRUPTED STATE.npz INTERVAL].

Writes begun.npz next to RUN: the variables of the GAN at the start of training, by part and index. With UNINTERRUPTED,
the script then trains the same run without an interruption in that folder. At the end of INTERVAL it assigns the values
of the state to all variables.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gan import resume, train
from gan.config import config_from_dict
from gan.models import random

PARTS = ("generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer")


def normal_of_the_revision(shape, key):
    """Returns the normal numbers of that revision. Those of `gan.models.random` differ from them by up to 1e-6."""
    return tf.random.stateless_normal(shape, key, alg="philox")


class RecordStart(keras.callbacks.Callback):
    """Records the values of the variables at the start of training."""

    def on_train_begin(self, logs=None):
        self.values = {
            f"{part}/{index:03d}": variable.numpy()
            for part in PARTS
            for index, variable in enumerate(getattr(self.model, part).variables)
        }


class ReplaceVariables(keras.callbacks.Callback):
    """Assigns the values of a state to the variables at the end of an interval, counted from 1."""

    def __init__(self, state, interval):
        super().__init__()
        self.state, self.interval = state, interval

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.interval:
            for part in PARTS:
                values = [self.state[name] for name in sorted(self.state) if name.startswith(f"{part}/")]
                for variable, value in zip(getattr(self.model, part).variables, values, strict=True):
                    variable.assign(value)


def main(run, uninterrupted=None, state=None, interval=0):
    random.normal = normal_of_the_revision
    recorder = RecordStart()
    resume(run, listeners=[recorder])
    np.savez(Path(run).with_name("begun.npz"), **recorder.values)
    if uninterrupted is not None:
        config = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))["config"]
        with np.load(state, allow_pickle=False) as arrays:
            replace = ReplaceVariables(dict(arrays), int(interval))
            train(config_from_dict(config), output=uninterrupted, listeners=[replace])


if __name__ == "__main__":
    main(*sys.argv[1:])
