"""The callbacks that save a run and put it back, with a stand-in for the training."""

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


class Remembering(callbacks.FiniteLosses):
    """A stopping callback as one may write it: it begins anew in on_train_begin."""

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


def count(gan, step):
    """Sets the counters of a GAN as after `step` steps of 16 images."""
    gan.step.assign(step)
    gan.images_seen.assign(16 * step)


def keeper_of(run, gan, *parts):
    (run / "state").mkdir(exist_ok=True)
    keeper = callbacks.TrainingState(run, parts, interval_steps=2, total_steps=3)
    keeper.set_model(gan)
    gan.stop_training = False
    return keeper


def test_every_callback_with_a_state_gets_it_back_after_training_begins(tmp_path):
    gan, parts = small_gan(), [Remembering(), callbacks.StopOnInterrupt(), Remembering()]
    parts[0].state, parts[0].arrays = {"wait": 3}, [np.full((2,), i, np.float32) for i in range(12)]
    parts[2].state = {"wait": 4}
    count(gan, 2)
    keeper_of(tmp_path, gan, *parts).on_epoch_end(0)
    saved, _ = training_state.latest(tmp_path)
    fresh = [Remembering(), callbacks.StopOnInterrupt(), Remembering()]
    other = small_gan(seed=1)
    keeper = keeper_of(tmp_path, other, *fresh)
    keeper.restore(other, saved)
    for part in (fresh[0], fresh[2], keeper):
        part.on_train_begin()
    assert [part.state["wait"] for part in (fresh[0], fresh[2])] == [3, 4]
    assert_same(fresh[0].arrays, parts[0].arrays)
    assert fresh[2].arrays == []
    assert_same(values(other), values(gan))
    for optimizer in ("g_optimizer", "d_optimizer"):
        assert_same(values(getattr(other, optimizer)), values(getattr(gan, optimizer)))


def test_only_a_complete_interval_leaves_a_state(tmp_path):
    gan = small_gan()
    keeper = keeper_of(tmp_path, gan)
    for step, epoch, complete in ((1, 0, False), (2, 0, True), (3, 1, True)):
        count(gan, step)
        keeper.on_epoch_end(epoch)
        saved, _ = training_state.latest(tmp_path)
        assert (saved is not None and saved.step == step) == complete
    assert training_state.latest(tmp_path)[0].images == 48


def test_a_training_that_a_callback_ended_is_told_from_one_that_was_interrupted(tmp_path):
    gan, interrupt = small_gan(), callbacks.StopOnInterrupt()
    keeper = keeper_of(tmp_path, gan, interrupt)
    count(gan, 2)
    gan.stop_training = True
    keeper.on_epoch_end(0)
    assert training_state.latest(tmp_path)[0].stopped
    interrupt.signal = signal.SIGINT
    keeper.on_epoch_end(0)
    assert not training_state.latest(tmp_path)[0].stopped


def test_a_rule_that_ended_it_counts_though_a_signal_came_as_well(tmp_path):
    gan, interrupt = small_gan(), callbacks.StopOnInterrupt()
    rule = callbacks.ToleranceEarlyStopping("d_loss", "min", target=1.0, log=lambda line: None)
    rule.set_model(gan)
    keeper = keeper_of(tmp_path, gan, rule, interrupt)
    count(gan, 2)
    gan.stop_training, interrupt.signal = True, signal.SIGTERM
    rule.on_epoch_end(0, {"d_loss": 2.0})
    keeper.on_epoch_end(0)
    assert not training_state.latest(tmp_path)[0].stopped
    rule.on_epoch_end(0, {"d_loss": 0.5})
    keeper.on_epoch_end(0)
    assert training_state.latest(tmp_path)[0].stopped


def test_numbers_that_are_none_are_never_saved(tmp_path):
    gan = small_gan()
    count(gan, 2)
    gan.discriminator.weights[0].assign(gan.discriminator.weights[0] * float("inf"))
    with pytest.raises(TrainingError, match="discriminator conv2d/kernel is NaN or infinite at step 2"):
        keeper_of(tmp_path, gan).on_epoch_end(0)
    assert training_state.latest(tmp_path) == (None, [])


def test_a_state_of_other_networks_or_callbacks_is_refused_and_changes_nothing(tmp_path):
    gan = small_gan()
    count(gan, 2)
    keeper_of(tmp_path, gan).on_epoch_end(0)
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
            keeper_of(tmp_path, other).restore(other, replace(saved, arrays=arrays))
    unconditional = small_gan(classes=0)
    with pytest.raises(InputError, match="does not fit"):
        keeper_of(tmp_path, unconditional).restore(unconditional, saved)
    with pytest.raises(InputError, match=r"other callbacks\. .*Remembering"):
        keeper_of(tmp_path, other, Remembering()).restore(other, saved)
    assert_same(values(other), before)
    assert differs(values(other), values(gan))


def test_the_log_is_cut_back_to_whole_rows_of_the_interval(tmp_path):
    log = callbacks.RunLog(tmp_path / "log.csv")
    assert log.cut_back(3) == 0
    log.path.write_text("interval,images,seconds,r1\n1,32,0.5,nan\n2,64,1.5,0.25\n3,96,2.5,0.5\n4,12")
    assert log.cut_back(2) == 2
    assert log.path.read_text() == "interval,images,seconds,r1\n1,32,0.5,nan\n2,64,1.5,0.25\n"
    assert log.last_row == {"interval": 2, "images": 64, "seconds": 1.5, "r1": 0.25}
    assert log.cut_back(0) == 2
    assert not log.path.exists()


def test_grids_of_later_intervals_are_removed_and_the_animation_holds_the_others(tmp_path):
    for name in ("000000032.png", "000000064.png", "000000096.png", ".000000128.9.partial.png", "samples.gif"):
        (tmp_path / name).write_bytes(b"")
    grid = callbacks.SampleGrid(tmp_path, seed=0)
    grid.cut_back(64)
    assert [file.name for file in grid.files] == ["000000032.png", "000000064.png"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["000000032.png", "000000064.png", "samples.gif"]


def test_a_loss_that_is_no_number_ends_the_training_where_the_graph_does_not_check():
    losses = callbacks.FiniteLosses()
    losses.set_model(SimpleNamespace(step=40))
    for hear in (losses.on_train_batch_end, losses.on_epoch_end):
        hear(0, {"d_loss": 1.0, "g_loss": -2.0, "r1": float("nan")})  # r1 is not due in every step
        hear(0, None)
        with pytest.raises(TrainingError, match="g_loss became NaN at or before step 40"):
            hear(0, {"d_loss": 1.0, "g_loss": float("nan")})
        with pytest.raises(TrainingError, match="d_loss became Inf"):
            hear(0, {"d_loss": float("-inf")})
