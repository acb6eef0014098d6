"""The TensorBoard log, read back record by record with TensorFlow, and by TensorBoard itself where it is installed."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from conftest import small_gan

from gan.callbacks import SampleGrid, TensorBoard
from gan.errors import InputError


def records(folder):
    """(step, value) of each summary of the folder's files, in the order of writing."""
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            yield from ((event.step, value) for value in event.summary.value)


@pytest.fixture(scope="module")
def log(tmp_path_factory, digits):
    """(folder, epochs' logs, grid) of a run of two intervals."""
    folder = tmp_path_factory.mktemp("log")
    gan = small_gan()
    grid = SampleGrid(folder / "samples", seed=0, images_per_step=16)
    board = TensorBoard(folder / "tensorboard", images_per_step=16, grid=grid, config={"seed": 3})
    (folder / "samples").mkdir()
    history = gan.fit(
        digits.train.batches(16, steps=2), epochs=2, callbacks=[grid, board], verbose=0, shuffle=False
    ).history
    return folder / "tensorboard", history, grid


def test_numbers_stand_at_the_images_seen(log):
    folder, history, _ = log
    found = [(step, v.tag, v.simple_value) for step, v in records(folder) if v.HasField("simple_value")]
    assert {tag for _, tag, _ in found} == {*history, "learning_rate"}
    for name, logged in history.items():
        mine = [(step, value) for step, tag, value in found if tag == name]
        assert [step for step, _ in mine] == [32, 64]
        np.testing.assert_allclose([value for _, value in mine], logged, rtol=1e-6)
    assert [v for _, tag, v in found if tag == "learning_rate"] == pytest.approx([2e-3, 2e-3])


def test_pictures_are_those_of_the_sample_grid(log):
    folder, _, grid = log
    found = [(step, v.image) for step, v in records(folder) if v.HasField("image")]
    assert [step for step, _ in found] == [32, 64]
    for (_, picture), file in zip(found, grid.files):
        assert picture.encoded_image_string == file.read_bytes()
        assert (picture.width, picture.height) == (604, 604)


def test_options_are_text_that_reads_back(log):
    folder, _, _ = log
    ((step, value),) = [(step, v) for step, v in records(folder) if v.tag == "config"]
    assert step == 0
    assert value.metadata.plugin_data.plugin_name == "text"
    assert json.loads(tf.make_ndarray(value.tensor)[0]) == {"seed": 3}


def test_pictures_that_are_not_drawn_yet_are_an_error(tmp_path):
    grid = SampleGrid(tmp_path, seed=0, images_per_step=16)
    board = TensorBoard(tmp_path / "log", images_per_step=16, grid=grid)
    board.set_model(small_gan())
    board.on_train_begin()
    with pytest.raises(InputError, match="the sample grid before TensorBoard"):
        board.on_epoch_end(0, {})
    board.on_train_end()


@pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="the package tensorboard is not installed")
def test_tensorboard_itself_reads_it(log):
    code = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
board = EventAccumulator(sys.argv[1])
board.Reload()
tags = board.Tags()
print([e.step for e in board.Scalars("g_loss")] if "g_loss" in tags["scalars"] else
      [e.step for e in board.Tensors("g_loss")], "samples" in tags["images"], "config" in tags["tensors"])
"""
    done = subprocess.run([sys.executable, "-c", code, str(log[0])], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[32, 64] True True"
