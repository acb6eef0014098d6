"""Resumes a run with the public API: python resume_old_run.py RUN [WHOLE STATE.npz INTERVAL].

Writes begun.npz beside RUN: the variables of the GAN when training begins, by part and place. With WHOLE, it then
trains the same run in one go in that folder, and at the end of INTERVAL gives all variables the values of a state.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

from gan import resume, train
from gan.config import config_from_dict

PARTS = ("generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer")


class Remember(keras.callbacks.Callback):
    """Keeps the values that the variables have when training begins."""

    def on_train_begin(self, logs=None):
        self.values = {
            f"{part}/{place:03d}": variable.numpy()
            for part in PARTS
            for place, variable in enumerate(getattr(self.model, part).variables)
        }


class Replace(keras.callbacks.Callback):
    """Gives the variables the values of a state at the end of an interval, counted from 1."""

    def __init__(self, state, interval):
        super().__init__()
        self.state, self.interval = state, interval

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.interval:
            for part in PARTS:
                values = [self.state[name] for name in sorted(self.state) if name.startswith(f"{part}/")]
                for variable, value in zip(getattr(self.model, part).variables, values, strict=True):
                    variable.assign(value)


def main(run, whole=None, state=None, interval=0):
    remember = Remember()
    resume(run, listeners=[remember])
    np.savez(Path(run).with_name("begun.npz"), **remember.values)
    if whole is not None:
        config = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))["config"]
        with np.load(state, allow_pickle=False) as arrays:
            train(config_from_dict(config), output=whole, listeners=[Replace(dict(arrays), int(interval))])


if __name__ == "__main__":
    main(*sys.argv[1:])
