"""Tests of the TensorBoard log. TensorFlow reads its records, and TensorBoard itself reads it if installed."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import small_gan

from gan.errors import InputError
from gan.training.callbacks import SampleGrid, TensorBoard


def records(folder):
    """Yields (step, value) of each summary in the files of the folder, in the order of writing."""
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            yield from ((event.step, value) for value in event.summary.value)


@pytest.fixture(scope="module")
def log(tmp_path_factory, digits):
    """(folder, history, grid) of a run of two intervals."""
    folder = tmp_path_factory.mktemp("log")
    gan = small_gan()
    grid = SampleGrid(folder / "samples", seed=0)
    board = TensorBoard(folder / "tensorboard", grid=grid, config={"seed": 3})
    (folder / "samples").mkdir()
    history = gan.fit(
        digits.train.batches(16, steps=2), epochs=2, callbacks=[grid, board], verbose=0, shuffle=False
    ).history
    return folder / "tensorboard", history, grid


def plugin_summaries(folder, name):
    """Returns (step, tag, tensor) of each summary for a plugin of TensorBoard."""
    return [
        (step, value.tag, tf.make_ndarray(value.tensor))
        for step, value in records(folder)
        if value.metadata.plugin_data.plugin_name == name
    ]


def test_every_summary_belongs_to_a_plugin(log):
    folder, history, _ = log
    numbers = 2 * (len(history) + 1)
    assert [len(plugin_summaries(folder, name)) for name in ("scalars", "images", "text")] == [numbers, 2, 1]
    assert len(list(records(folder))) == numbers + 3


def test_scalars_use_the_number_of_images_as_step(log):
    folder, history, _ = log
    found = plugin_summaries(folder, "scalars")
    assert {tag for _, tag, _ in found} == {*history, "learning_rate"}
    assert {(tensor.dtype, tensor.shape) for *_, tensor in found} == {(np.dtype(np.float32), ())}
    for name, logged in history.items():
        summaries = [(step, value) for step, tag, value in found if tag == name]
        assert [step for step, _ in summaries] == [32, 64]
        np.testing.assert_allclose([value for _, value in summaries], logged, rtol=1e-6)
    assert [v for _, tag, v in found if tag == "learning_rate"] == pytest.approx([2e-3, 2e-3])


def test_images_are_the_files_of_the_sample_grid(log):
    folder, _, grid = log
    found = plugin_summaries(folder, "images")
    assert [(step, tag) for step, tag, _ in found] == [(32, "samples"), (64, "samples")]
    for (*_, image), file in zip(found, grid.files):
        assert image.tolist() == [b"604", b"604", file.read_bytes()]


def test_options_are_text_that_parses_as_json(log):
    folder, _, _ = log
    ((step, tag, text),) = plugin_summaries(folder, "text")
    assert (step, tag) == (0, "config")
    assert json.loads(text[0]) == {"seed": 3}
    assert all(line.startswith(b"    ") for line in text[0].splitlines())  # code, in Markdown


def test_a_log_that_can_no_longer_be_written_gives_one_warning(tmp_path, monkeypatch):
    board = TensorBoard(tmp_path / "log")
    board.set_model(small_gan())
    board.on_train_begin()
    board.on_epoch_end(0, {"g_loss": 1.0})

    def full(*options, **more):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device\nmore of it")

    with monkeypatch.context() as patch:
        patch.setattr(tf.summary, "write", full)
        with pytest.warns(UserWarning, match="can no longer be written: No space left on device$"):
            board.on_epoch_end(1, {"g_loss": 2.0})
    board.on_epoch_end(2, {"g_loss": 3.0})
    board.on_train_end()
    assert [v for _, tag, v in plugin_summaries(tmp_path / "log", "scalars") if tag == "g_loss"] == [1.0]


def test_rejects_a_grid_that_draws_after_the_log(tmp_path):
    grid = SampleGrid(tmp_path, seed=0)
    board = TensorBoard(tmp_path / "log", grid=grid)
    board.set_model(small_gan())
    board.on_train_begin()
    with pytest.raises(InputError, match="SampleGrid before TensorBoard"):
        board.on_epoch_end(0, {})
    board.on_train_end()


@pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="the package tensorboard is not installed")
def test_tensorboard_itself_reads_it(log):
    code = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
board = EventAccumulator(sys.argv[1])
board.Reload()
print(*([e.step for e in board.Tensors(tag)] for tag in ("g_loss", "samples", "config")))
"""
    done = subprocess.run([sys.executable, "-c", code, str(log[0])], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[32, 64] [32, 64] [0]"
