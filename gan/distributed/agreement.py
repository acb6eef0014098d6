"""The options that all workers of a run train with."""

from dataclasses import replace

from gan.config import Precision, TrainConfig, config_from_dict
from gan.distributed.devices import DeviceSetup
from gan.errors import InputError
from gan.utils import tensorflow as runtime


def broadcast_config(devices: DeviceSetup, own: TrainConfig | None) -> TrainConfig:
    """Returns the options that every worker trains with: the chief's. Each worker must call this.

    The initial weights are broadcast, so no other worker needs the file of `init_from`.

    What was asked for is compared, since `auto` means other things on other machines. Where the chief asks for the
    precision `auto`, it is `mixed_bfloat16` if every worker has instructions for that, else `float32`.

    Args:
        own: the options that this process was started with; None: any will do, on a worker that is not the chief.

    Raises `InputError` where `own` differs from the chief's options. The precision `auto` agrees with every other.
    """
    precision = _precision_of_all(devices)
    given = None if own is None else own.with_auto(precision).as_dict()
    theirs = config_from_dict(devices.broadcast(given))
    ours = theirs if own is None else own.with_auto(theirs.precision)
    if ours != theirs:
        asked, expected = ours.as_dict(), theirs.as_dict()
        different = [name for name in expected if asked[name] != expected[name]]
        raise InputError(
            "The workers were started with different options",
            expected=", ".join(f"{name}={expected[name]!r}" for name in different),
            received=", ".join(f"{name}={asked[name]!r}" for name in different),
        )
    return theirs if devices.is_chief else replace(theirs, init_from=None)


def _precision_of_all(devices: DeviceSetup) -> Precision:
    """Returns what `auto` means to all workers together. Each must call this, whatever its own options are."""
    slow = devices.any_worker(runtime.resolve_precision("auto") != "mixed_bfloat16")
    return "float32" if slow else "mixed_bfloat16"
