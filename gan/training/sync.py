"""What the workers of a run get from the chief, which alone has its folder: state and weights."""

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

    Raises `InputError` where the training images are not the chief's.
    """
    if not devices.has_several_workers:
        return saved
    expected = devices.broadcast(dataset.fingerprint)
    if expected != dataset.fingerprint:
        raise InputError(
            "The workers have different training images",
            expected=f"the chief's, with SHA-256 {expected}",
            received=f"{dataset.title} with {dataset.fingerprint}",
        )
    facts = devices.broadcast(None if saved is None else asdict(replace(saved, arrays={})))
    arrays = devices.broadcast_arrays({} if saved is None else saved.arrays)
    return None if facts is None else State(**{**facts, "arrays": arrays})


def broadcast_weights(devices: DeviceSetup, gan: GAN) -> None:
    """Gives all variables of a GAN the chief's values. Each worker must call this."""
    if not devices.has_several_workers:
        return
    variables = variables_of(gan)
    arrays = devices.broadcast_arrays({name: np.asarray(variable) for name, variable in variables.items()})
    for name, array in arrays.items():
        variables[name].assign(array)
