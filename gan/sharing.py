"""What the workers of a run hear from the chief, who alone has its folder: options, state and weights."""

import io
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import tensorflow as tf

from gan import devices, records
from gan.callbacks.training_state import variables_of
from gan.config import TrainConfig, config_from_dict
from gan.data import Dataset
from gan.errors import InputError
from gan.model import GAN
from gan.state import State


def options_from_chief(strategy: tf.distribute.Strategy, config: TrainConfig, own: TrainConfig | None) -> TrainConfig:
    """The options that the chief trains with; `config` is those on the chief. Each worker must call this.

    Raises `InputError` when they are others than `own`, the ones that this worker was started with (None: any will do).
    """
    received = config_from_dict(devices.from_chief(strategy, config.as_dict()))
    if own is not None and own != received:
        ours, theirs = own.as_dict(), received.as_dict()
        different = [name for name in theirs if ours[name] != theirs[name]]
        raise InputError(
            "The workers were started with different options",
            expected=", ".join(f"{name}={theirs[name]!r}" for name in different),
            received=", ".join(f"{name}={ours[name]!r}" for name in different),
        )
    return received


def same_data(strategy: tf.distribute.Strategy, dataset: Dataset) -> None:
    """Raises `InputError` where the training images are others than the chief's. Each worker must call this."""
    if not devices.has_several_workers(strategy):
        return
    fingerprint = records.fingerprint(dataset)
    expected = devices.from_chief(strategy, fingerprint)
    if expected != fingerprint:
        raise InputError(
            "The workers have different training images",
            expected=f"the chief's, with SHA-256 {expected}",
            received=f"{dataset.title} with {fingerprint}",
        )


def state_from_chief(strategy: tf.distribute.Strategy, saved: State | None) -> State | None:
    """The state that the chief goes on from, or None. Each worker must call this."""
    if not devices.has_several_workers(strategy):
        return saved
    facts = devices.from_chief(strategy, None if saved is None else asdict(replace(saved, arrays={})))
    if facts is None:
        return None
    return State(**{**facts, "arrays": _arrays_from_chief(strategy, {} if saved is None else saved.arrays)})


def weights_from_chief(strategy: tf.distribute.Strategy, gan: GAN) -> None:
    """Gives all variables of a GAN the chief's values. Each worker must call this."""
    if not devices.has_several_workers(strategy):
        return
    variables = variables_of(gan)
    arrays = {name: np.asarray(variable) for name, variable in variables.items()}
    for name, array in _arrays_from_chief(strategy, arrays).items():
        variables[name].assign(array)


def _arrays_from_chief(strategy: tf.distribute.Strategy, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    with np.load(io.BytesIO(devices.bytes_from_chief(strategy, packed.getvalue())), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
