"""What TensorBoard shows of a run: its numbers against images seen, its pictures and its options."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from PIL import Image

from gan.callbacks.sample_grid import SampleGrid
from gan.callbacks.scalar import scalar
from gan.errors import InputError

_Summary = tf.compat.v1.Summary


class TensorBoard(keras.callbacks.Callback):
    """Writes a TensorBoard log into `folder`: after each epoch its logs, G's `learning_rate`, and the sample grid.

    The step is the number of images seen, as everywhere in a run folder. Writing needs TensorFlow only (records are
    put together here: `tf.summary.scalar` wants the package `tensorboard`); looking at it needs that package:
    `pip install tensorboard`, then `tensorboard --logdir FOLDER`. A resumed run adds a file to the folder;
    what was written between the state that it goes on from and the break is there twice. A log that cannot be written
    any more is a warning, and training goes on without.

    Args:
        folder: made where it is missing.
        images_per_step: reals in a step.
        grid: the callback whose pictures are shown; it stands before this one in the list. None: no pictures.
        config: options of the run, shown as text; None: none.
    """

    def __init__(
        self,
        folder: Path,
        *,
        images_per_step: int,
        grid: SampleGrid | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.images_per_step = images_per_step
        self.grid = grid
        self.config = config
        self._writer: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._writer = tf.summary.create_file_writer(str(self.folder))
        if self.config is not None:
            self._write([_text("config", json.dumps(self.config, indent=2))])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        numbers = {**(logs or {}), "learning_rate": self.model.g_optimizer.learning_rate}
        values = [_Summary.Value(tag=name, simple_value=float(scalar(value))) for name, value in numbers.items()]
        if self.grid is not None:
            values.append(_picture("samples", self._drawn_now(self.grid)))
        self._write(values)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()

    @property
    def _images_seen(self) -> int:
        return int(scalar(self.model.g_optimizer.iterations)) * self.images_per_step

    def _drawn_now(self, grid: SampleGrid) -> Path:
        file = grid.folder / f"{self._images_seen:09d}.png"
        if file not in grid.files:
            raise InputError(
                "No pictures of this epoch",
                expected="the sample grid before TensorBoard among the callbacks, with the same images_per_step",
                received=f"no {file.name} in {grid.folder}",
            )
        return file

    def _write(self, values: list[Any]) -> None:
        if self._writer is None:
            return
        try:
            with self._writer.as_default():
                tf.summary.experimental.write_raw_pb(_Summary(value=values).SerializeToString(), step=self._images_seen)
            self._writer.flush()
        except tf.errors.OpError as error:
            self._writer = None
            warnings.warn(f"TensorBoard's log cannot be written any more: {str(error).splitlines()[0]}", stacklevel=2)


def _picture(tag: str, file: Path) -> Any:
    with Image.open(file) as opened:
        width, height = opened.size
    picture = _Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=file.read_bytes())
    return _Summary.Value(tag=tag, image=picture)


def _text(tag: str, text: str) -> Any:
    """Markdown takes lines indented by four for code."""
    code = "".join(f"    {line}\n" for line in text.splitlines())
    metadata = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "text"})
    return _Summary.Value(tag=tag, metadata=metadata, tensor=tf.make_tensor_proto(code, shape=(1,)))
