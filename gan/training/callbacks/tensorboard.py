"""Writes a TensorBoard log: numbers against images seen, sample grids and options."""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from PIL import Image

from gan.distributed.replicas import scalar
from gan.errors import InputError
from gan.training.callbacks.run_log import HasNumbers
from gan.training.callbacks.sample_grid import SampleGrid
from gan.utils.arguments import checked


class TensorBoard(keras.callbacks.Callback):
    """Writes a TensorBoard log into `folder`: after each epoch its logs, G's `learning_rate`, and the sample grid.

    The step is the number of images seen, as everywhere in a run folder. Writing needs only TensorFlow, because
    `tf.summary.write` is used. (`tf.summary.scalar` needs the package `tensorboard`.) Viewing needs that package:
    `pip install tensorboard`, then `tensorboard --logdir FOLDER`.

    A resumed run adds a file to the folder. Values that were written after the restored state then appear twice. If the
    log can no longer be written, the callback warns and training continues without it.

    Args:
        folder: folder of the log. It is created if it does not exist.
        grid: callback whose grids are shown. It must come before this callback in the list. None: no grids.
        config: options of the run, shown as text. None: no options.
        sources: callbacks with more numbers, as for `RunLog`.
    """

    @checked
    def __init__(
        self,
        folder: Path,
        *,
        grid: SampleGrid | None = None,
        config: Mapping[str, object] | None = None,
        sources: Sequence[HasNumbers] = (),
    ) -> None:
        super().__init__()
        self.folder = folder
        self.grid = grid
        self.config = config
        self.sources = list(sources)
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._writer = tf.summary.create_file_writer(str(self.folder))
        if self.config is not None:
            self._write({"config": _text(json.dumps(self.config, indent=2))})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        numbers = {**(logs or {}), "learning_rate": self.model.g_optimizer.learning_rate}
        for source in self.sources:
            numbers |= {name: value for name, value in source.numbers.items() if not math.isnan(value)}
        values = {name: _scalar(value) for name, value in numbers.items()}
        if self.grid is not None:
            values["samples"] = _image(self._current_grid(self.grid))
        self._write(values)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()

    @property
    def _images_seen(self) -> int:
        return int(scalar(self.model.images_seen))

    def _current_grid(self, grid: SampleGrid) -> Path:
        file = grid.folder / f"{self._images_seen:09d}.png"
        if file not in grid.files:
            raise InputError(
                "The sample grid of this epoch does not exist",
                expected="SampleGrid before TensorBoard in the list of callbacks",
                received=f"no {file.name} in {grid.folder}",
            )
        return file

    def _write(self, values: Mapping[str, tuple[str, tf.Tensor]]) -> None:
        """Writes {tag: (plugin, tensor)}. The plugin name tells TensorBoard how to display the tensor."""
        if self._writer is None:
            return
        try:
            with self._writer.as_default(step=self._images_seen):
                for tag, (plugin, tensor) in values.items():
                    metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": plugin})
                    tf.summary.write(tag, tensor, metadata=metadata)
            self._writer.flush()
        except tf.errors.OpError as error:
            self._writer = None
            warnings.warn(f"The TensorBoard log can no longer be written: {str(error).splitlines()[0]}", stacklevel=2)


def _scalar(value: Any) -> tuple[str, tf.Tensor]:
    return "scalars", tf.constant(float(scalar(value)), tf.float32)


def _image(file: Path) -> tuple[str, tf.Tensor]:
    """Returns the plugin and its tensor, strings [3]: width, height and the PNG file."""
    with Image.open(file) as opened:
        width, height = opened.size
    return "images", tf.constant([str(width).encode(), str(height).encode(), file.read_bytes()])


def _text(text: str) -> tuple[str, tf.Tensor]:
    """Returns the plugin and its tensor, strings [1]. Markdown shows lines indented by four as code."""
    return "text", tf.constant(["".join(f"    {line}\n" for line in text.splitlines())])
