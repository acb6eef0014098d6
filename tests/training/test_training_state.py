"""Tests of the callbacks that save and restore a run, with a stand-in for the training."""

import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.comparison import assert_same, differs, values
from helpers.tiny import small_gan

from gan.errors import InputError, TrainingError
from gan.saving import training_state
from gan.training import callbacks


class Stateful(callbacks.FiniteLosses):
    """A stopping callback as a user may write it: `on_train_begin` resets its state."""

    def __init__(self):
        super().__init__()
        self.on_train_begin()

    def on_train_begin(self, logs=None):
        self.state, self.arrays = {"wait": 0}, []

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state = state

    def get_arrays(self):
        return self.arrays

    def set_arrays(self, arrays):
        self.arrays = arrays


def set_counters(gan, step):
    """Sets the counters of a GAN to `step` steps of 16 images."""
    gan.step.assign(step)
    gan.images_seen.assign(16 * step)


def make_saver(run, gan, *parts):
    (run / "state").mkdir(exist_ok=True)
    saver = callbacks.TrainingState(run, parts, interval_steps=2, total_steps=3)
    saver.set_model(gan)
    gan.stop_training = False
    return saver


def test_every_callback_keeps_its_restored_state_when_training_begins(tmp_path):
    gan, parts = small_gan(), [Stateful(), callbacks.StopOnInterrupt(), Stateful()]
    parts[0].state, parts[0].arrays = {"wait": 3}, [np.full((2,), i, np.float32) for i in range(12)]
    parts[2].state = {"wait": 4}
    set_counters(gan, 2)
    make_saver(tmp_path, gan, *parts).on_epoch_end(0)
    saved, _ = training_state.latest(tmp_path)
    fresh = [Stateful(), callbacks.StopOnInterrupt(), Stateful()]
    other = small_gan(seed=1)
    saver = make_saver(tmp_path, other, *fresh)
    saver.restore(other, saved)
    for part in (fresh[0], fresh[2], saver):
        part.on_train_begin()
    assert [part.state["wait"] for part in (fresh[0], fresh[2])] == [3, 4]
    assert_same(fresh[0].arrays, parts[0].arrays)
    assert fresh[2].arrays == []
    assert_same(values(other), values(gan))
    for optimizer in ("g_optimizer", "d_optimizer"):
        assert_same(values(getattr(other, optimizer)), values(getattr(gan, optimizer)))


def test_saves_a_state_only_after_a_complete_interval(tmp_path):
    gan = small_gan()
    saver = make_saver(tmp_path, gan)
    for step, epoch, complete in ((1, 0, False), (2, 0, True), (3, 1, True)):
        set_counters(gan, step)
        saver.on_epoch_end(epoch)
        saved, _ = training_state.latest(tmp_path)
        assert (saved is not None and saved.step == step) == complete
    assert training_state.latest(tmp_path)[0].images == 48


def test_distinguishes_a_stopped_training_from_an_interrupted_one(tmp_path):
    gan, interrupt = small_gan(), callbacks.StopOnInterrupt()
    saver = make_saver(tmp_path, gan, interrupt)
    set_counters(gan, 2)
    gan.stop_training = True
    saver.on_epoch_end(0)
    assert training_state.latest(tmp_path)[0].stopped
    interrupt.signal = signal.SIGINT
    saver.on_epoch_end(0)
    assert not training_state.latest(tmp_path)[0].stopped


def test_a_training_that_a_rule_stopped_is_stopped_even_after_a_signal(tmp_path):
    gan, interrupt = small_gan(), callbacks.StopOnInterrupt()
    rule = callbacks.ToleranceEarlyStopping("d_loss", "min", target=1.0, log=lambda line: None)
    rule.set_model(gan)
    saver = make_saver(tmp_path, gan, rule, interrupt)
    set_counters(gan, 2)
    gan.stop_training, interrupt.signal = True, signal.SIGTERM
    rule.on_epoch_end(0, {"d_loss": 2.0})
    saver.on_epoch_end(0)
    assert not training_state.latest(tmp_path)[0].stopped
    rule.on_epoch_end(0, {"d_loss": 0.5})
    saver.on_epoch_end(0)
    assert training_state.latest(tmp_path)[0].stopped


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    gan = small_gan()
    set_counters(gan, 2)
    gan.discriminator.weights[0].assign(gan.discriminator.weights[0] * float("inf"))
    with pytest.raises(TrainingError, match="discriminator conv2d/kernel is NaN or infinite at step 2"):
        make_saver(tmp_path, gan).on_epoch_end(0)
    assert training_state.latest(tmp_path) == (None, [])


def test_rejects_a_state_of_other_networks_or_callbacks_and_changes_nothing(tmp_path):
    gan = small_gan()
    set_counters(gan, 2)
    make_saver(tmp_path, gan).on_epoch_end(0)
    saved, _ = training_state.latest(tmp_path)
    first, kernel = list(saved.arrays)[:2]
    wrong = {
        "fewer": {name: array for name, array in saved.arrays.items() if name != first},
        "more": {**saved.arrays, "more/000/kernel": np.zeros(3, np.float32)},
        "another name": {("x" + name if name == first else name): array for name, array in saved.arrays.items()},
        "another shape": {**saved.arrays, kernel: saved.arrays[kernel][..., :1]},
        "another type": {**saved.arrays, kernel: saved.arrays[kernel].astype(np.float64)},
    }
    other = small_gan(seed=1)
    before = values(other)
    for arrays in wrong.values():
        with pytest.raises(InputError, match="does not fit these networks and optimizers"):
            make_saver(tmp_path, other).restore(other, replace(saved, arrays=arrays))
    unconditional = small_gan(classes=0)
    with pytest.raises(InputError, match="does not fit"):
        make_saver(tmp_path, unconditional).restore(unconditional, saved)
    with pytest.raises(InputError, match=r"other callbacks\. .*Stateful"):
        make_saver(tmp_path, other, Stateful()).restore(other, saved)
    assert_same(values(other), before)
    assert differs(values(other), values(gan))


def test_cut_back_keeps_complete_rows_up_to_the_interval(tmp_path):
    log = callbacks.RunLog(tmp_path / "log.csv")
    assert log.cut_back(3) == 0
    log.path.write_text("interval,images,seconds,r1\n1,32,0.5,nan\n2,64,1.5,0.25\n3,96,2.5,0.5\n4,12")
    assert log.cut_back(2) == 2
    assert log.path.read_text() == "interval,images,seconds,r1\n1,32,0.5,nan\n2,64,1.5,0.25\n"
    assert log.last_row == {"interval": 2, "images": 64, "seconds": 1.5, "r1": 0.25}
    assert log.cut_back(0) == 2
    assert not log.path.exists()


def test_cut_back_removes_the_grids_of_later_intervals_and_keeps_the_others(tmp_path):
    for name in ("000000032.png", "000000064.png", "000000096.png", ".000000128.9.partial.png", "samples.gif"):
        (tmp_path / name).write_bytes(b"")
    grid = callbacks.SampleGrid(tmp_path, seed=0)
    grid.cut_back(64)
    assert [file.name for file in grid.files] == ["000000032.png", "000000064.png"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["000000032.png", "000000064.png", "samples.gif"]


def test_finite_losses_ends_the_training_at_a_nan_or_infinite_loss():
    losses = callbacks.FiniteLosses()
    losses.set_model(SimpleNamespace(step=40))
    for check in (losses.on_train_batch_end, losses.on_epoch_end):
        check(0, {"d_loss": 1.0, "g_loss": -2.0, "r1": float("nan")})  # r1 is not computed in every step
        check(0, None)
        with pytest.raises(TrainingError, match="g_loss became NaN at or before step 40"):
            check(0, {"d_loss": 1.0, "g_loss": float("nan")})
        with pytest.raises(TrainingError, match="d_loss became Inf"):
            check(0, {"d_loss": float("-inf")})
