"""What the workers of a run hear from the chief, who alone has its folder: options, state and weights."""

import io
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import tensorflow as tf

from gan.config import Precision, TrainConfig, config_from_dict
from gan.data.dataset import Dataset
from gan.distributed import replicas
from gan.errors import InputError
from gan.models.gan import GAN
from gan.saving.training_state import State
from gan.training.callbacks.training_state import variables_of
from gan.utils import tensorflow as runtime


def broadcast_config(strategy: tf.distribute.Strategy, own: TrainConfig | None) -> TrainConfig:
    """Returns the options that every worker trains with: the chief's. Each worker must call this.

    What was asked for is compared, since `auto` means other things on other machines. Where the chief asks for the
    precision `auto`, it is `mixed_bfloat16` if every worker has instructions for that, else `float32`.

    Args:
        own: the options that this process was started with; None: any will do, on a worker that is not the chief.

    Raises `InputError` where `own` differs from the chief's options. The precision `auto` agrees with every other.
    """
    precision = _precision_of_all(strategy)
    given = None if own is None else own.with_auto(precision).as_dict()
    theirs = config_from_dict(replicas.broadcast(strategy, given))
    ours = theirs if own is None else own.with_auto(theirs.precision)
    if ours != theirs:
        asked, expected = ours.as_dict(), theirs.as_dict()
        different = [name for name in expected if asked[name] != expected[name]]
        raise InputError(
            "The workers were started with different options",
            expected=", ".join(f"{name}={expected[name]!r}" for name in different),
            received=", ".join(f"{name}={asked[name]!r}" for name in different),
        )
    return theirs


def _precision_of_all(strategy: tf.distribute.Strategy) -> Precision:
    """Returns what `auto` means to all workers together. Each must call this, whatever its own options are."""
    slow = replicas.any_worker(strategy, runtime.resolve_precision("auto") != "mixed_bfloat16")
    return "float32" if slow else "mixed_bfloat16"


def check_same_data(strategy: tf.distribute.Strategy, dataset: Dataset) -> None:
    """Raises `InputError` where the training images are others than the chief's. Each worker must call this."""
    if not replicas.has_several_workers(strategy):
        return
    expected = replicas.broadcast(strategy, dataset.fingerprint)
    if expected != dataset.fingerprint:
        raise InputError(
            "The workers have different training images",
            expected=f"the chief's, with SHA-256 {expected}",
            received=f"{dataset.title} with {dataset.fingerprint}",
        )


def broadcast_state(strategy: tf.distribute.Strategy, saved: State | None) -> State | None:
    """The state that the chief goes on from, or None. Each worker must call this."""
    if not replicas.has_several_workers(strategy):
        return saved
    facts = replicas.broadcast(strategy, None if saved is None else asdict(replace(saved, arrays={})))
    if facts is None:
        return None
    return State(**{**facts, "arrays": _broadcast_arrays(strategy, {} if saved is None else saved.arrays)})


def broadcast_weights(strategy: tf.distribute.Strategy, gan: GAN) -> None:
    """Gives all variables of a GAN the chief's values. Each worker must call this."""
    if not replicas.has_several_workers(strategy):
        return
    variables = variables_of(gan)
    arrays = {name: np.asarray(variable) for name, variable in variables.items()}
    for name, array in _broadcast_arrays(strategy, arrays).items():
        variables[name].assign(array)


def _broadcast_arrays(strategy: tf.distribute.Strategy, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    with np.load(io.BytesIO(replicas.broadcast_bytes(strategy, packed.getvalue())), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
