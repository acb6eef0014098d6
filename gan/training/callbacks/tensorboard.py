"""What TensorBoard shows of a run: its numbers against images seen, its pictures and its options."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from PIL import Image

from gan.distributed.replicas import scalar
from gan.errors import InputError
from gan.training.callbacks.sample_grid import SampleGrid


class TensorBoard(keras.callbacks.Callback):
    """Writes a TensorBoard log into `folder`: after each epoch its logs, G's `learning_rate`, and the sample grid.

    The step is the number of images seen, as everywhere in a run folder. Writing needs TensorFlow only: values go
    through `tf.summary.write`, because `tf.summary.scalar` needs the package `tensorboard`. Looking at it needs that
    package: `pip install tensorboard`, then `tensorboard --logdir FOLDER`. A resumed run adds a file to the folder;
    what was written between the state that it goes on from and the break is there twice. A log that cannot be written
    any more is a warning, and training goes on without.

    Args:
        folder: made where it is missing.
        grid: the callback whose pictures are shown; it stands before this one in the list. None: no pictures.
        config: options of the run, shown as text; None: none.
    """

    def __init__(
        self,
        folder: Path,
        *,
        grid: SampleGrid | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.grid = grid
        self.config = config
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._writer = tf.summary.create_file_writer(str(self.folder))
        if self.config is not None:
            self._write({"config": _text(json.dumps(self.config, indent=2))})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        numbers = {**(logs or {}), "learning_rate": self.model.g_optimizer.learning_rate}
        values = {name: _scalar(value) for name, value in numbers.items()}
        if self.grid is not None:
            values["samples"] = _image(self._drawn_now(self.grid))
        self._write(values)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()

    @property
    def _images_seen(self) -> int:
        return int(scalar(self.model.images_seen))

    def _drawn_now(self, grid: SampleGrid) -> Path:
        file = grid.folder / f"{self._images_seen:09d}.png"
        if file not in grid.files:
            raise InputError(
                "No pictures of this epoch",
                expected="the sample grid before TensorBoard among the callbacks",
                received=f"no {file.name} in {grid.folder}",
            )
        return file

    def _write(self, values: Mapping[str, tuple[str, tf.Tensor]]) -> None:
        """Writes (plugin, tensor) of each tag. The plugin tells TensorBoard what the tensor means."""
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
            warnings.warn(f"TensorBoard's log cannot be written any more: {str(error).splitlines()[0]}", stacklevel=2)


def _scalar(value: Any) -> tuple[str, tf.Tensor]:
    return "scalars", tf.constant(float(scalar(value)), tf.float32)


def _image(file: Path) -> tuple[str, tf.Tensor]:
    """Width, height, then each image as a PNG file: strings [2 + 1]."""
    with Image.open(file) as opened:
        width, height = opened.size
    return "images", tf.constant([str(width).encode(), str(height).encode(), file.read_bytes()])


def _text(text: str) -> tuple[str, tf.Tensor]:
    """Markdown takes lines indented by four for code: strings [1]."""
    return "text", tf.constant(["".join(f"    {line}\n" for line in text.splitlines())])
