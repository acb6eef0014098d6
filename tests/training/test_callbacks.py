"""Tests of the callbacks with hand-written logs and a stand-in for the model."""

import inspect
import io
import os
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, differs, rows_of, size_of, values
from helpers.tiny import small_gan
from PIL import Image
from rich.console import Console

from gan import generate, load_generator
from gan.saving import log_file
from gan.training import callbacks
from gan.training.loop import Schedule, fit_intervals


def model_at(step):
    optimizer = SimpleNamespace(learning_rate=0.5)
    return SimpleNamespace(step=step, images_seen=32 * step, g_optimizer=optimizer, stop_training=False)


def test_run_log_appends_one_row_per_epoch(tmp_path):
    log = callbacks.RunLog(tmp_path / "log.csv")
    log.on_train_begin()
    for epoch, step in enumerate((10, 20)):
        log.set_model(model_at(step))
        log.on_train_batch_end(step)
        log.on_epoch_end(epoch, {"g_loss": 1.5 + epoch, "d_loss": np.float32(0.25)})
    rows = rows_of(tmp_path / "log.csv")
    assert [row["images"] for row in rows] == ["320", "640"]
    assert [row["interval"] for row in rows] == ["1", "2"]
    assert [row["g_loss"] for row in rows] == ["1.5", "2.5"]
    assert [row["d_loss"] for row in rows] == ["0.25", "0.25"]
    assert float(rows[0]["seconds"]) <= float(rows[1]["seconds"])
    assert 0 <= log.compile_seconds <= float(rows[0]["seconds"]) + 0.001
    assert log.last_row["learning_rate"] == 0.5


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("interval,images,g_loss\n1,32,0.5\n2,64,nan\n", 64),
        ("interval,images,g_loss\n1,32,0.5\nx,64,0.5\n2,96,much\n2.5,96,0.5\n3,128\n", 32),
        ("interval,images,g_loss\nx,y,z\n", 0),
        ("one,two\n1,2\n", 0),
        ("", 0),
    ],
)
def test_run_log_ignores_rows_that_are_not_numbers(tmp_path, text, last):
    log = tmp_path / "log.csv"
    log.write_text(text)
    assert log_file.last_row(log).get("images", 0) == last
    assert log_file.images_at(log, None) == last
    assert log_file.images_at(log, 9) == 0


def test_progress_prints_one_line_per_epoch_and_no_bar_without_a_terminal():
    out = io.StringIO()
    progress = callbacks.Progress(Console(file=out), total_images=64)
    progress.set_model(model_at(1))
    progress.on_train_begin()
    progress.on_train_batch_end(0)
    progress.on_epoch_end(0, {"g_loss": 1.23456})
    progress.on_train_end()
    (line,) = out.getvalue().splitlines()
    assert "32 images" in line
    assert "images/s" in line
    assert "g_loss 1.235" in line


def test_progress_shows_a_bar_on_a_terminal():
    out = io.StringIO()
    progress = callbacks.Progress(Console(file=out, force_terminal=True, width=120), total_images=64)
    progress.set_model(model_at(2))
    progress.on_train_begin()
    progress.on_train_batch_end(0)
    progress.on_train_end()
    assert "64/64" in out.getvalue()
    assert "left" in out.getvalue()


def test_sample_grid_draws_the_same_samples_with_one_class_per_row(tmp_path):
    gan = small_gan()
    grid = callbacks.SampleGrid(tmp_path, seed=0)
    grid.set_model(gan)
    for _ in range(2):
        grid.on_epoch_end(0)
        gan.images_seen.assign_add(160)
    grid.on_train_end()
    assert [file.name for file in grid.files] == ["000000000.png", "000000160.png"]
    first, second = (np.asarray(Image.open(file)) for file in grid.files)
    np.testing.assert_array_equal(first, second)  # the network did not change
    assert first.shape == (604, 604)
    from gan.data import images

    third_row = images.to_uint8(generate(gan.generator_ema, 100, seed=0))[2::10]
    np.testing.assert_array_equal(first[124:184:2, 4:60:2][:28], third_row[0, :, :, 0])
    assert size_of(tmp_path / "samples.gif") == (604, 604)


def test_sample_grid_of_an_unconditional_generator_is_ten_by_ten(tmp_path):
    grid = callbacks.SampleGrid(tmp_path, seed=0)
    grid.set_model(small_gan(classes=0))
    grid.on_epoch_end(0)
    assert size_of(grid.files[0]) == (604, 604)


def test_generator_checkpoint_saves_the_averaged_generator(tmp_path):
    gan = small_gan()
    for variable in gan.generator.variables:
        variable.assign(variable + 1.0)  # the averaged generator does not change
    callback = callbacks.GeneratorCheckpoint(tmp_path / "generator.keras")
    callback.set_model(gan)
    callback.on_epoch_end(0)
    loaded = load_generator(tmp_path / "generator.keras")
    np.testing.assert_array_equal(generate(loaded, 4), generate(gan.generator_ema, 4))
    assert [file.name for file in tmp_path.iterdir()] == ["generator.keras"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_after_a_step_and_the_second_stops_at_once(number, request):
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore SIGINT
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, previous))
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    interrupt = callbacks.StopOnInterrupt()
    model = model_at(0)
    interrupt.set_model(model)
    interrupt.on_train_begin()
    interrupt.on_train_batch_end(0)
    assert not model.stop_training
    os.kill(os.getpid(), number)
    interrupt.on_train_batch_end(1)
    assert model.stop_training
    assert interrupt.interrupted
    assert interrupt.signal == number
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    interrupt.on_train_end()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_at_the_end_of_an_interval_stops_the_training():
    interrupt = callbacks.StopOnInterrupt()
    model = model_at(0)
    interrupt.set_model(model)
    interrupt.on_train_begin()
    os.kill(os.getpid(), signal.SIGTERM)
    interrupt.on_epoch_end(0)
    interrupt.on_train_end()
    assert model.stop_training


REPORTING = [
    kind
    for kind in map(callbacks.__dict__.get, callbacks.__all__)
    if issubclass(kind, keras.callbacks.Callback) and "log" in inspect.signature(kind).parameters
    if kind is not callbacks.ReduceLROnRefusal  # early stopping reports its refusals
]
"""All callbacks that report an end through the argument `log`."""


@pytest.mark.parametrize("crashes", [False, True])
def test_after_a_crash_no_callback_reports_an_end_or_restores_weights(digits, crashes):
    assert len(REPORTING) >= 3
    messages: dict[str, list[str]] = {kind.__name__: [] for kind in REPORTING}
    options = {"monitor": "g_loss", "mode": "min"}
    reporting = [
        kind(
            **{name: value for name, value in options.items() if name in inspect.signature(kind).parameters},
            log=messages[kind.__name__].append,
        )
        for kind in REPORTING
    ]
    averages = []

    def record(epoch, logs):
        averages.append(values(gan.generator_ema))
        logs["g_loss"] = [1.0, 2.0][epoch]  # the first interval is the best
        logs.pop("real_score"), logs.pop("real_accuracy")  # the collapse monitor has nothing to check
        if crashes and epoch == 1:
            raise ZeroDivisionError

    gan = small_gan()
    schedule = Schedule(total_steps=4, interval_steps=2, images_per_step=8)
    all_callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=record), *reporting]
    if crashes:
        with pytest.raises(ZeroDivisionError):
            fit_intervals(gan, digits, all_callbacks, schedule, seed=0)
    else:
        fit_intervals(gan, digits, all_callbacks, schedule, seed=0)
    assert {name: bool(lines) for name, lines in messages.items()} == dict.fromkeys(messages, not crashes)
    assert differs(averages[0], averages[1])
    assert_same(values(gan.generator_ema), averages[1 if crashes else 0])
