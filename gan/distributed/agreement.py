"""Makes all workers of a run train with the same options."""

from dataclasses import replace

from gan.config import Precision, TrainConfig, config_from_dict
from gan.distributed.devices import DeviceSetup
from gan.errors import InputError
from gan.utils import tensorflow as runtime


def broadcast_config(devices: DeviceSetup, own: TrainConfig | None) -> TrainConfig:
    """Broadcasts the chief's options and returns them on every worker. Each worker must call this function.

    The options as given by the user are compared, since `auto` resolves differently on different machines. When the
    chief's precision is `auto`, it becomes `mixed_bfloat16` if every worker has bfloat16 instructions, and `float32`
    otherwise.

    The chief broadcasts its initial weights, and what people called wrong. So the other workers need neither the file
    of `init_from` nor that of `feedback`.

    Args:
        devices: device setup of this process.
        own: options that this process was started with. None: accept those of the chief; not valid on the chief.

    Raises `InputError` when `own` differs from the chief's options. The precision `auto` matches every precision.
    """
    precision = _precision_of_all(devices)
    given = None if own is None else own.with_auto(precision).as_dict()
    theirs = config_from_dict(devices.broadcast(given))
    ours = theirs if own is None else own.with_auto(theirs.precision)
    if ours != theirs:
        received, expected = ours.as_dict(), theirs.as_dict()
        different = [name for name in expected if received[name] != expected[name]]
        raise InputError(
            "The workers were started with different options",
            expected=", ".join(f"{name}={expected[name]!r}" for name in different),
            received=", ".join(f"{name}={received[name]!r}" for name in different),
        )
    return theirs if devices.is_chief else replace(theirs, init_from=None, feedback=None)


def _precision_of_all(devices: DeviceSetup) -> Precision:
    """Resolves the precision `auto` for all workers. Each worker must call this function, whatever its own options."""
    slow = devices.any_worker(runtime.resolve_precision("auto") != "mixed_bfloat16")
    return "float32" if slow else "mixed_bfloat16"
