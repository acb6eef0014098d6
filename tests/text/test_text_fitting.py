"""Tests of the training loop of text models: exact resume, complete epochs only, and what remains after a failure."""

import csv
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.errors import InputError, TrainingError
from gan.saving import files, training_state
from gan.text.runs.fitting import fit_epochs, latest_state
from gan.training.callbacks import PauseAfter, ToleranceEarlyStopping

NUM, EPOCHS, BATCH = 20, 3, 8
"""Three batches an epoch, of which the last is smaller."""


def two_heads(*, eager=True, **options):
    """A compiled network with dropout and two outputs: the sign of x, and x itself. Eager, since tracing takes long."""
    keras.utils.set_random_seed(1)
    x = keras.Input((3,), name="x")
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(4, "relu")(x))
    outputs = {"sign": keras.layers.Dense(2)(hidden), "copy": keras.layers.Dense(3)(hidden)}
    model = keras.Model({"x": x}, outputs)
    model.compile(
        keras.optimizers.Adam(0.05, **options),
        loss={"sign": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "copy": "mse"},
        metrics={"sign": ["accuracy"], "copy": []},
        run_eagerly=eager,
        jit_compile=False,
    )
    return model


def one_head(rate=0.05):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=True, jit_compile=False)
    return model


def examples(epoch):
    """Inputs and targets, nested, that differ in each epoch."""
    x = np.random.default_rng(epoch).standard_normal((NUM, 3)).astype(np.float32)
    return {"x": x}, {"sign": (x[:, 0] > 0).astype(np.int32), "copy": x}


def plain(epoch):
    x = np.random.default_rng(epoch).standard_normal((NUM, 3)).astype(np.float32)
    return x, x.sum(axis=1)


class At(keras.callbacks.Callback):
    """Does something once: at a batch, counted from 0 over all epochs, or at the end of an epoch."""

    def __init__(self, act, *, batch=None, epoch=None):
        super().__init__()
        self.act, self.at_batch, self.at_epoch, self.seen = act, batch, epoch, -1

    def on_train_batch_end(self, batch, logs=None):
        self.seen += 1
        if self.seen == self.at_batch:
            self.act()

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.at_epoch:
            self.act()


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def fit(folder, model=None, drawn=examples, *, epochs=EPOCHS, listeners=(), patience=99, monitor="val_loss", **more):
    """Trains in a folder, from its newest state if there is one; returns (network, result, rule)."""
    tf.config.experimental.enable_op_determinism()  # until the end of the test, see conftest.py
    model = model or two_heads()
    stopping = ToleranceEarlyStopping(monitor, "min", patience=patience, log=lambda line: None)
    with training_state.locked(folder):
        result = fit_epochs(
            model, drawn, drawn(99), folder=folder, epochs=epochs, batch_size=BATCH, seed=7, stopping=stopping,
            saved=latest_state(folder), listeners=listeners, log=lambda line: None, **more,
        )  # fmt: skip
    return model, result, stopping


def logged(folder):
    with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def assert_same(one, other):
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


OPTIMIZERS = {
    "plain": {},
    "averaged": {"use_ema": True, "ema_momentum": 0.9},
    "averaged at the end of epochs": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Function: name of an optimizer -> (folder, network, result, rule) of an uninterrupted training."""
    made = {}

    def train(optimizer):
        if optimizer not in made:
            folder = tmp_path_factory.mktemp("whole")
            made[optimizer] = folder, *fit(folder, two_heads(**OPTIMIZERS[optimizer]))
        return made[optimizer]

    return train


def test_the_log_has_one_row_for_each_epoch(whole):
    folder, model, result, stopping = whole("plain")
    rows = logged(folder)
    assert [row["interval"] for row in rows] == ["1", "2", "3"]
    assert [row["images"] for row in rows] == ["20", "40", "60"]
    assert {"loss", "val_loss", "sign_accuracy", "val_sign_accuracy"} < set(rows[0])
    assert (result.epochs, result.stopped_by, result.interrupted, result.signal) == (EPOCHS, None, False, None)
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert stopping.kept_epoch == int(best["interval"]) - 1
    x, y = examples(99)
    np.testing.assert_allclose(
        model.evaluate(x, y, verbose=0, return_dict=True)["loss"], float(best["val_loss"]), rtol=1e-5
    )


CUT = {
    "in the middle of an epoch": ("plain", (4,)),
    "in the last step of an epoch": ("plain", (5,)),
    "three times, first before any state": ("plain", (0, 4, 0)),
    "with averages": ("averaged", (6,)),
    "with averages at the end of epochs": ("averaged at the end of epochs", (5,)),
}
"""Where trainings are interrupted -> optimizer, step of each signal, counted from 0 in each process."""


QUICK = ("three times, first before any state", "with averages")
PLACES = [place if place in QUICK else pytest.param(place, marks=pytest.mark.slow) for place in CUT]


@pytest.mark.parametrize("place", PLACES)
def test_a_training_interrupted_by_signals_and_resumed_is_the_same(whole, tmp_path, place):
    optimizer, batches = CUT[place]
    folder, model, result, stopping = whole(optimizer)
    for batch in batches:
        _, cut, _ = fit(tmp_path, two_heads(**OPTIMIZERS[optimizer]), listeners=[At(interrupt, batch=batch)])
        assert (cut.interrupted, cut.signal, cut.stopped_by) == (True, signal.SIGINT, None)
        saved = latest_state(tmp_path)
        assert cut.epochs == (saved.interval if saved else 0) == len(logged(tmp_path) if saved else [])
    resumed, now, rule = fit(tmp_path, two_heads(**OPTIMIZERS[optimizer]))
    assert logged(tmp_path) == logged(folder)
    assert_same(resumed, model)
    assert (now.epochs, now.interrupted) == (result.epochs, False)
    assert (rule.best, rule.best_epoch) == (stopping.best, stopping.best_epoch)


@pytest.mark.slow  # the tests above cover it without graphs
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_with_graphs_is_the_same_after_an_interruption(tmp_path, optimizer):
    def make():
        return two_heads(eager=False, **OPTIMIZERS[optimizer])

    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    model, *_ = fit(tmp_path / "whole", make())
    fit(tmp_path / "cut", make(), listeners=[At(interrupt, batch=7)])
    resumed, *_ = fit(tmp_path / "cut", make())
    assert logged(tmp_path / "cut") == logged(tmp_path / "whole")
    assert_same(resumed, model)


@pytest.mark.parametrize("optimizer", ["plain", "averaged"])
def test_a_state_has_all_variables_in_their_shapes(whole, optimizer):
    folder, model, *_ = whole(optimizer)
    saved = latest_state(folder)
    weights = [array for name, array in saved.arrays.items() if name.startswith("model/")]
    assert [array.shape for array in weights] == [weight.shape for weight in model.get_weights()]
    averages = len(weights) if optimizer != "plain" else 0
    assert sum(name.startswith("optimizer/") for name in saved.arrays) == 2 + 2 * len(weights) + averages
    assert (saved.interval, saved.step, saved.images, saved.stopped) == (3, 9, 60, False)


def test_seconds_add_up_over_processes(tmp_path, monkeypatch):
    clock = iter(np.arange(0, 1e4, 1.0))
    monkeypatch.setattr("gan.text.runs.fitting.time.monotonic", lambda: float(next(clock)))
    seconds = [fit(tmp_path, one_head(), plain, listeners=[PauseAfter(n)])[1].seconds for n in (1, 2)]
    with (tmp_path / "log.csv").open(encoding="utf-8") as file:
        of_rows = [float(row["seconds"]) for row in csv.DictReader(file)]
    assert 0 < of_rows[0] <= seconds[0] < seconds[1]
    assert of_rows[0] < of_rows[1] <= seconds[1]


def test_a_pause_can_be_resumed(tmp_path):
    _, paused, _ = fit(tmp_path, one_head(), plain, listeners=[PauseAfter(2)])
    assert (paused.epochs, paused.interrupted, paused.signal) == (2, True, None)
    _, ended, _ = fit(tmp_path, one_head(), plain)
    assert (ended.epochs, ended.interrupted) == (EPOCHS, False)


def test_an_incomplete_epoch_counts_neither_for_the_best_weights_nor_for_patience(tmp_path):
    """Learning from these targets makes the network worse, so that patience 1 would end at any second evaluation."""
    model = one_head()
    model.set_weights([np.ones((3, 1), np.float32), np.zeros(1, np.float32)])
    x, y = plain(99)

    def wrong(epoch):
        return (x, y) if epoch == 99 else (x, -y)

    _, cut, rule = fit(tmp_path, model, wrong, patience=1, listeners=[At(interrupt, batch=4)])
    assert (cut.epochs, cut.interrupted, cut.stopped_by) == (1, True, None)
    assert rule.best_epoch == 0
    _, ended, rule = fit(tmp_path, one_head(), wrong, patience=1)
    assert (ended.epochs, ended.interrupted, ended.stopped_by) == (2, False, "patience")


def test_a_stopped_training_is_not_continued(tmp_path):
    def same(epoch):
        return np.zeros((NUM, 3), np.float32), np.zeros(NUM, np.float32)

    model, result, _ = fit(tmp_path, one_head(), same, patience=1)
    assert (result.epochs, result.stopped_by) == (2, "patience")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again, now, _ = fit(tmp_path, one_head(), same, patience=1)
    assert (now.epochs, now.stopped_by, now.interrupted) == (2, "patience", False)
    assert_same(again, model)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("name", "what"), [("loss", "the loss"), ("weights", "a weight of"), ("val", "validation")])
def test_after_nan_the_last_state_remains(tmp_path, capsys, name, what):
    def poisoned(epoch):
        x, y = plain(epoch)
        if (name, epoch) in (("loss", 2), ("val", 99)):
            y[3] = np.nan
        return x, y

    def spoil():
        model.layers[-1].bias.assign([np.nan])

    model = one_head()
    listeners = [At(spoil, batch=8)] if name == "weights" else []
    if name == "weights":  # after the last step, so that no loss shows it
        model.evaluate = lambda **options: {"loss": 1.0}
    with pytest.raises(TrainingError, match=rf"^In epoch \d, .*{what}.* is NaN or infinite"):
        fit(tmp_path, model, poisoned, listeners=listeners)
    assert capsys.readouterr().out == ""
    saved = latest_state(tmp_path)
    assert (saved.interval if saved else 0) == (0 if name == "val" else 2)
    if saved:
        assert [row["interval"] for row in logged(tmp_path)] == ["1", "2"]
        assert all(np.isfinite(array).all() for array in saved.arrays.values())


def test_a_full_disk_leaves_the_last_state_and_resume_cuts_the_log_back(tmp_path, monkeypatch):
    save = training_state.save

    def full(folder, state):
        if state.interval == 3:
            raise OSError(28, "No space left on device")
        save(folder, state)

    monkeypatch.setattr(training_state, "save", full)
    with pytest.raises(OSError, match="No space left"):
        fit(tmp_path, one_head(), plain)
    assert (len(logged(tmp_path)), latest_state(tmp_path).interval) == (3, 2)
    monkeypatch.undo()
    with (tmp_path / "log.csv").open("a", encoding="utf-8") as file:
        file.write("9,18")  # of a killed process
    fit(tmp_path, one_head(), plain)
    assert [row["interval"] for row in logged(tmp_path)] == ["1", "2", "3"]


def test_a_damaged_state_gives_way_to_the_one_before(tmp_path):
    fit(tmp_path, one_head(), plain)
    newest = max((tmp_path / "state").glob("*.npz"))
    newest.write_bytes(newest.read_bytes()[:-9])
    said = []
    assert latest_state(tmp_path, said.append).interval == EPOCHS - 1
    assert len(said) == 1
    assert "damaged" in said[0]
    fit(tmp_path, one_head(), plain)
    assert len(logged(tmp_path)) == EPOCHS
    for path in (tmp_path / "state").glob("*.json"):
        path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="All training states are damaged"):
        latest_state(tmp_path)


def test_the_state_of_another_network_is_refused_and_nothing_changes(tmp_path):
    fit(tmp_path, one_head(), plain, epochs=1)
    before = {path: files.sha256(path) for path in tmp_path.rglob("*") if path.is_file()}
    model = two_heads()
    weights = model.get_weights()
    with pytest.raises(InputError, match="does not fit this network"):
        fit(tmp_path, model)
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    assert {path: files.sha256(path) for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_unknown_monitor_is_an_error(tmp_path):
    with pytest.raises(InputError, match="val_accuracy"):
        fit(tmp_path, one_head(), plain, monitor="val_accuracy")
