"""Trains on the workers other than the chief: same steps and decisions as the chief, but nothing is written."""

from gan.training import callbacks
from gan.training.loop import fit_intervals
from gan.training.monitoring import stopping_callbacks
from gan.training.recovery import loss_errors
from gan.training.result import TrainingResult, result_from_chief
from gan.training.setup import TrainingSetup


def run_worker(setup: TrainingSetup) -> TrainingResult:
    """Trains in step with the chief, from the state of the set-up to the end. Returns the chief's result.

    Raises `TrainingError` as `training.train` does.
    """
    gan, schedule, devices = setup.gan, setup.schedule, setup.devices
    stopping = stopping_callbacks(
        setup.config.stopping, setup.dataset, gan.adversarial_loss, schedule, quiet, setup.confirmation
    )
    state = callbacks.TrainingState(
        None, stopping, interval_steps=schedule.interval_steps, total_steps=schedule.total_steps
    )
    interrupt = callbacks.StopOnInterrupt(devices.any_worker, look_every=devices.look_every)
    first_step = state.restore(gan, setup.saved)
    with loss_errors(gan):
        fit_intervals(
            gan,
            setup.dataset,
            [callbacks.FiniteLosses(), *stopping, state, interrupt],
            schedule,
            seed=setup.config.seed,
            first_step=first_step,
            validation=setup.probe.batches,
        )
    facts: dict[str, object] = devices.broadcast({})
    return result_from_chief(facts)


def quiet(line: str) -> None:
    """Prints nothing, because the chief prints the line."""
