"""The training loop of the text models that are not GANs: one Keras epoch per interval, with exact resume."""

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import keras
import numpy as np

from gan.errors import InputError, Json, TrainingError
from gan.saving import log_file, run_folder, training_state
from gan.saving.training_state import State
from gan.training.callbacks import StopOnInterrupt, ToleranceEarlyStopping
from gan.training.callbacks.resumable import HasState, collect_arrays, restore_states
from gan.utils.single_training import SingleTraining
from gan.utils.types import Tensor

Examples: TypeAlias = tuple[Tensor, Tensor]
"""Inputs and targets: arrays [N, ...], or nested dicts and lists of them."""

Log = Callable[[str], None]


@dataclass(frozen=True)
class FitResult:
    """How a training ended. `epochs` are complete ones, `seconds` those of training, earlier processes included."""

    epochs: int
    seconds: float
    stopped_by: Literal["target", "patience"] | None
    interrupted: bool
    signal: int | None


def fit_epochs(
    model: keras.Model,
    examples: Callable[[int], Examples],
    validation: Examples,
    *,
    folder: Path,
    epochs: int,
    batch_size: int,
    seed: int,
    stopping: ToleranceEarlyStopping,
    saved: State | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
    log: Log = print,
) -> FitResult:
    """Trains a compiled model, and restores its best weights at the end. Writes log.csv and state/ of a run folder.

    The order of the examples, and what `Dropout` drops, are functions of (seed, epoch). A resumed training is therefore
    the same as one without the interruption. The folder must be locked: `saving.training_state.locked`.

    Args:
        model: compiled model. Its metrics must have the log that `stopping` monitors.
        examples: function: number of an epoch, from 0 -> its examples. It may draw typos or wordings of its own.
        validation: examples on which the model is measured after each epoch.
        folder: run folder.
        epochs: largest number of epochs.
        batch_size: examples per step. The last, smaller batch of an epoch counts too.
        seed: seed of the order and of dropout.
        stopping: rule that ends the training, and keeps the best weights.
        saved: state to resume from, see `latest_state`. None: a new training.
        listeners: further callbacks, called after the state of an epoch is saved.
        log: prints a line.

    Only complete epochs count: an interrupted one leaves no trace in the log, the state and the best weights. An
    optimizer with `use_ema` overwrites the weights by their averages at the end of each epoch, as `fit` of Keras does.

    Raises `TrainingError` when a loss or a weight becomes NaN or infinite. The last state then remains.
    """
    interrupt = StopOnInterrupt()
    rows = _EpochLog(folder / run_folder.LOG)
    first = 0
    if saved is not None:
        _restore(model, saved)
        first = saved.interval
    state = _EpochState(folder, stopping, rows, saved)
    rows.cut_back(first)
    training_state.discard_after(folder, saved)
    # the state last, so that the other files of an epoch with a state are complete
    called = [stopping, rows, state, *listeners, interrupt]
    callback_list = _CompleteEpochs(called, add_history=True, model=model, epochs=epochs)
    model.stop_training = bool(saved and saved.stopped)
    with callback_list.training():
        for epoch in range(first, epochs):
            if model.stop_training:
                break
            _seed_dropout(model, seed, epoch)
            inputs, targets = examples(epoch)
            order = np.random.default_rng([seed, epoch]).permutation(len(keras.tree.flatten(targets)[0]))
            inputs, targets = keras.tree.map_structure(lambda array: array[order], (inputs, targets))  # noqa: B023
            callback_list.set_params({"epochs": epochs, "steps": -(-len(order) // batch_size)})
            rows.examples += len(order)
            model.fit(
                inputs,
                targets,
                batch_size=batch_size,
                validation_data=validation,
                validation_batch_size=500,
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=callback_list,
                shuffle=False,
                verbose=0,
            )
            if state.epochs > epoch:
                log(rows.describe(epochs))
    interrupted = state.epochs < epochs and stopping.stopped_by is None
    return FitResult(state.epochs, rows.seconds, stopping.stopped_by, interrupted, interrupt.signal)


def latest_state(folder: Path, log: Log = print) -> State | None:
    """Returns the newest intact state of a run folder, or None. Logs which newer ones are damaged.

    Raises `InputError` if there are damaged ones only.
    """
    saved, damaged = training_state.latest(folder)
    for line in damaged if saved else ():
        log(line)
    if saved is None and damaged:
        raise InputError("All training states are damaged", expected="an intact one", received=damaged[0])
    return saved


def _restore(model: keras.Model, saved: State) -> None:
    """Restores the weights and the optimizer. Raises `InputError`, and changes nothing, if they do not fit."""
    model.optimizer.build(model.trainable_variables)
    ours = _variables(model)
    theirs = {name: array for name, array in saved.arrays.items() if not name.startswith("callbacks/")}
    shapes = [{name: (tuple(v.shape), str(v.dtype)) for name, v in part.items()} for part in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise InputError(
            "The state does not fit this network",
            expected=f"{len(ours)} variables of the same shapes",
            received=f"{len(theirs)} variables",
        )
    for name, variable in ours.items():
        variable.assign(theirs[name])
    model.optimizer.finalize_variable_values(model.trainable_variables)  # as `fit` does after the state is saved


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns what the next epoch depends on: weights and optimizer, by position."""
    seeds = {id(layer.seed_generator.state) for layer in _dropouts(model)}
    weights = [variable for variable in model.variables if id(variable) not in seeds]
    parts = {"model": weights, "optimizer": model.optimizer.variables}
    owned = {id(variable) for variable in model.optimizer.variables}
    return {
        f"{part}/{position:03d}": variable
        for part, variables in parts.items()
        for position, variable in enumerate(variables)
        if part == "optimizer" or id(variable) not in owned
    }


def _dropouts(model: keras.Model) -> list[keras.Layer]:
    """Returns all layers that draw random numbers while they train."""
    layers = model._flatten_layers()  # private in Keras: all layers, those inside others included
    return [layer for layer in layers if getattr(layer, "seed_generator", None) is not None]


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    for number, layer in enumerate(_dropouts(model)):
        state = layer.seed_generator.state
        drawn = np.random.SeedSequence([seed, epoch, number]).generate_state(2)
        state.assign(drawn.astype(state.dtype))


class _CompleteEpochs(SingleTraining):
    """Calls `on_epoch_end` of the callbacks after complete epochs only. Raises `TrainingError` for NaN and infinity."""

    _done = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._done, self._number = 0, epoch + 1
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._check("the loss", (logs or {})["loss"])
        super().on_train_batch_end(batch, logs)
        self._done = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._done < self.params["steps"]:
            return
        self._check("the validation loss", (logs or {}).get("val_loss", 0.0))
        for variable in self.model.trainable_variables:
            self._check(f"a weight of {variable.path}", np.asarray(variable))
        super().on_epoch_end(epoch, logs)

    def _check(self, name: str, value: Tensor) -> None:
        if not np.isfinite(value).all():
            reason = f"In epoch {self._number}, {name} is NaN or infinite; this state is not saved"
            raise TrainingError(f"{reason}. A lower learning rate may help.")


class _EpochLog(keras.callbacks.Callback):
    """Appends a row per epoch to log.csv: interval, images (here examples), seconds, then all logs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.examples = 0
        self.last: dict[str, float] = {}
        self._columns: list[str] = []
        self._before, self._began = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, earlier processes included."""
        return round(self._before + time.monotonic() - self._began, 3)

    def cut_back(self, epochs: int) -> None:
        """Keeps the rows of the first `epochs` epochs."""
        log_file.cut_back(self.path, epochs)
        self._columns, _ = log_file.table(self.path)

    def get_state(self) -> dict[str, float]:
        """Returns the seconds and examples so far."""
        return {"seconds": self.seconds, "examples": float(self.examples)}

    def set_state(self, state: dict[str, float]) -> None:
        """Restores what `get_state` returned."""
        self._before, self.examples = state["seconds"], int(state["examples"])
        self._began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        self.last = {"interval": epoch + 1, "images": self.examples, "seconds": self.seconds, **numbers}
        is_new = not self._columns
        self._columns = self._columns or list(self.last)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            if is_new:
                writer.writeheader()
            writer.writerow(self.last)

    def describe(self, epochs: int) -> str:
        """Returns the last row as one line."""
        shown = {name: value for name, value in self.last.items() if name in ("loss", "val_loss", "val_error_rate")}
        numbers = "".join(f", {name} {value:.4g}" for name, value in shown.items())
        return f"epoch {self.last.get('interval', 0):.0f}/{epochs}, {self.seconds:.0f} s{numbers}"


class _EpochState(keras.callbacks.Callback):
    """Saves a state after every complete epoch, and restores those of the callbacks when training begins."""

    def __init__(self, folder: Path, stopping: ToleranceEarlyStopping, rows: _EpochLog, saved: State | None) -> None:
        super().__init__()
        self.folder = folder
        self._rows = rows
        self.epochs = saved.interval if saved else 0
        self._stopping = stopping
        self._savable: dict[str, HasState] = {"stopping": stopping, "rows": rows}
        self._saved = saved

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if self._saved is not None:
            restore_states(self._savable, self._saved)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        arrays = {name: np.asarray(variable) for name, variable in _variables(self.model).items()}
        arrays |= collect_arrays(self._savable)
        states: dict[str, dict[str, Json]] = {name: dict(one.get_state()) for name, one in self._savable.items()}
        now = State(
            interval=epoch + 1,
            step=int(self.model.optimizer.iterations),
            images=self._rows.examples,
            stopped=self._stopping.stopped_by is not None,  # not `stop_training`, which an interruption sets too
            callbacks=states,
            arrays=arrays,
        )
        training_state.save(self.folder, now)
        self.epochs = epoch + 1
