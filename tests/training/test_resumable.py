"""Tests of callbacks with a state: when a training resets them, and which states they reject."""

import time
from typing import TypedDict

import keras
import pytest

from gan import callbacks
from gan.errors import InputError
from gan.training.callbacks.resumable import HasArrays, HasState, ResumableCallback


class CountState(TypedDict):
    epochs: int


class EpochCounter(ResumableCallback[CountState]):
    state_type = CountState

    def __init__(self):
        super().__init__()
        self.reset()

    def reset(self):
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1

    def get_state(self):
        return {"epochs": self.epochs}

    def restore(self, state):
        self.epochs = state["epochs"]


def train(callback, epochs):
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_end(epoch)
    callback.on_train_end()


def test_a_new_training_resets_a_callback():
    callback = EpochCounter()
    train(callback, 3)
    train(callback, 2)
    assert callback.get_state() == {"epochs": 2}


def test_a_restored_state_survives_the_start_of_one_training():
    callback = EpochCounter()
    callback.set_state({"epochs": 5})
    train(callback, 2)
    assert callback.get_state() == {"epochs": 7}
    train(callback, 2)
    assert callback.get_state() == {"epochs": 2}


@pytest.mark.parametrize("state", [{}, {"epochs": "5"}, {"epochs": None}])
def test_rejects_a_state_of_another_type_and_changes_nothing(state):
    callback = EpochCounter()
    train(callback, 3)
    with pytest.raises(InputError, match="Bad `epochs` in the state of EpochCounter"):
        callback.set_state(state)
    assert callback.epochs == 3
    train(callback, 1)  # no state was set, so this training starts at 0
    assert callback.epochs == 1


def test_a_callback_without_arrays_returns_an_empty_list():
    assert EpochCounter().get_arrays() == []


def test_these_callbacks_have_a_state():
    resumable = [name for name in callbacks.__all__ if issubclass(getattr(callbacks, name), HasState)]
    assert resumable == [
        "CollapseMonitor",
        "ReduceLROnRefusal",
        "ReduceLROnTolerance",
        "RunLog",
        "ToleranceEarlyStopping",
    ]
    assert all(issubclass(getattr(callbacks, name), ResumableCallback) for name in resumable)


def test_the_methods_of_a_callback_decide_whether_it_has_a_state():
    class Plain(keras.callbacks.Callback):
        def get_state(self):
            return {}

        def set_state(self, state):
            pass

    assert isinstance(Plain(), HasState)
    assert not isinstance(Plain(), HasArrays)
    assert not isinstance(keras.callbacks.Callback(), HasState)


@pytest.mark.parametrize("early", [True, False], ids=["before on_train_begin", "after on_train_begin"])
def test_the_log_continues_from_the_seconds_of_a_state(tmp_path, monkeypatch, early):
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    log = callbacks.RunLog(tmp_path / "log.csv")
    state = {"seconds": 40.0, "compile_seconds": 3.0}
    if early:
        log.set_state(state)
    log.on_train_begin()
    if not early:
        log.set_state(state)
    monkeypatch.setattr(time, "monotonic", lambda: 102.0)
    log.on_train_batch_end(0)
    assert log.get_state() == {"seconds": 42.0, "compile_seconds": 5.0}
