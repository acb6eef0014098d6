"""Sends the training state and the weights from the chief to the other workers. Only the chief has the run folder."""

from dataclasses import asdict, replace

import numpy as np

from gan.data.dataset import Dataset
from gan.distributed.devices import DeviceSetup
from gan.errors import InputError
from gan.models.gan import GAN
from gan.saving.training_state import State
from gan.training.callbacks.training_state import variables_of


def agree_on_start(devices: DeviceSetup, dataset: Dataset, saved: State | None) -> State | None:
    """Returns the state that the chief resumes from, or None. Each worker must call this.

    Raises `InputError` when the training images of a worker differ from the chief's.
    """
    if not devices.has_several_workers:
        return saved
    expected = devices.broadcast(dataset.fingerprint)
    if expected != dataset.fingerprint:
        raise InputError(
            "The workers have different training images",
            expected=f"the chief's images, SHA-256 {expected}",
            received=f"{dataset.title}, SHA-256 {dataset.fingerprint}",
        )
    facts = devices.broadcast(None if saved is None else asdict(replace(saved, arrays={})))
    arrays = devices.broadcast_arrays({} if saved is None else saved.arrays)
    return None if facts is None else State(**{**facts, "arrays": arrays})


def broadcast_weights(devices: DeviceSetup, gan: GAN) -> None:
    """Sets all variables of a GAN to the chief's values. Each worker must call this."""
    if not devices.has_several_workers:
        return
    variables = variables_of(gan)
    arrays = devices.broadcast_arrays({name: np.asarray(variable) for name, variable in variables.items()})
    for name, array in arrays.items():
        variables[name].assign(array)
