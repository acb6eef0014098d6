"""A worker that is not the chief: it takes the same steps and the same decisions, and writes nothing."""

from dataclasses import replace
from typing import Any

from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.distributed import replicas
from gan.distributed.devices import DeviceSetup
from gan.training import callbacks, setup, sync
from gan.training.recovery import loss_errors


def run_worker(device_setup: DeviceSetup, own: TrainConfig | None, dataset: Dataset | None) -> dict[str, Any]:
    """Trains along with the chief, from its options and state to the end; returns what the chief says of the run.

    Args:
        device_setup: what this worker trains on.
        own: the options that it was started with; None: the chief's.
        dataset: images in the place of those that the options name.

    Raises `InputError` when options or images differ from the chief's; `TrainingError` as `training.train`.
    """
    strategy = device_setup.strategy
    config = sync.broadcast_config(strategy, own)
    dataset = dataset or setup.load(config.data)
    sync.check_same_data(strategy, dataset)
    saved = sync.broadcast_state(strategy, None)
    prepared = setup.prepare_training(replace(config, init_from=None), dataset, device_setup, quiet)
    rules = prepared.rules(quiet)
    interrupt = callbacks.StopOnInterrupt(device_setup.anywhere)
    keeper = prepared.keeper(None, rules)
    if saved is None:
        sync.broadcast_weights(strategy, prepared.gan)
    first_step = prepared.restored(keeper, saved)
    with loss_errors(prepared.gan):
        prepared.fit([callbacks.FiniteLosses(), *rules, keeper, interrupt], first_step)
    return replicas.broadcast(strategy, None)


def quiet(line: str) -> None:
    """Says nothing: the chief does."""
