"""What runs a generator: the interface that sampling and evaluation use, and exported generators behind it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from gan.errors import InputError
from gan.saving.engines.format import ExportedFile, Run
from gan.utils.tensorflow import reason_of


class Engine(ABC):
    """A generator that can be sampled from, whatever computes it.

    `latent_dim`: length of a latent vector. `num_classes`: number of classes, 0 without labels. `image_shape`: shape of
    one sample, such as (height, width, channels). Calls from several threads at the same time are allowed.
    """

    latent_dim: int
    num_classes: int
    image_shape: tuple[int, ...]

    @abstractmethod
    def __call__(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Computes samples.

        Args:
            latents: float32 [B, latent_dim], B >= 1.
            labels: int32 [B], from 0 to num_classes - 1. None for an unconditional generator.

        Returns float32 [B, *image_shape]; images are in [-1, 1].
        """


class ExportedEngine(Engine):
    """An exported generator in the engine of its format: ONNX Runtime, LiteRT or TensorFlow.

    >>> engine = gan.load_exported("mnist.onnx")
    >>> engine(latents, labels).shape
    (64, 28, 28, 1)

    Args:
        file: the checked file.
        run: computes images from named inputs.

    Raises `InputError` if the file does not compute what its card says.
    """

    def __init__(self, file: ExportedFile, run: Run) -> None:
        self.file, self.card, self._run = file, file.card, run
        self.latent_dim, self.num_classes = file.card.latent_dim, file.card.num_classes
        self.image_shape = file.card.image_shape
        self._check()

    def __call__(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Computes samples, see `Engine`.

        Raises `InputError` for inputs of another shape or number type, and for a file that does not compute what its
        card says.
        """
        inputs = {"latents": np.ascontiguousarray(latents)}
        if labels is not None:
            inputs["labels"] = np.ascontiguousarray(labels)
        self._check_inputs(inputs)
        try:
            images = self._run(inputs)
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:  # the engines have their own error classes
            raise self._does_not_run(error) from error
        if images.shape != (len(latents), *self.image_shape) or images.dtype != np.float32:
            raise InputError(
                "This exported generator does not match its card",
                expected=f"images float32 [{', '.join(map(str, (len(latents), *self.image_shape)))}]",
                received=f"{self.file.path}: {images.dtype} {[*images.shape]}",
            )
        return images

    def _check_inputs(self, inputs: Mapping[str, np.ndarray]) -> None:
        batch = len(inputs["latents"]) if inputs["latents"].ndim else 0
        needed: dict[str, tuple[str, tuple[int, ...]]] = {"latents": ("float32", (batch, self.latent_dim))}
        if self.num_classes:
            needed["labels"] = ("int32", (batch,))
        given = {name: (str(array.dtype), array.shape) for name, array in inputs.items()}
        in_range = not self.num_classes or "labels" not in inputs or _are_classes(inputs["labels"], self.num_classes)
        if given != needed or not batch or not in_range:
            labels = f", labels int32 [B] from 0 to {self.num_classes - 1}" if self.num_classes else ""
            raise InputError(
                "Bad inputs of an exported generator",
                expected=f"latents float32 [B, {self.latent_dim}]{labels}, B >= 1",
                received=", ".join(f"{name} {kind} {[*shape]}" for name, (kind, shape) in given.items()),
            )

    def _check(self) -> None:
        """Draws a sample of the first and of the last class, and raises `InputError` unless that works."""
        try:
            latents = np.zeros((2, self.latent_dim), np.float32)
            labels = np.array([0, self.num_classes - 1], np.int32) if self.num_classes else None
        except (ValueError, MemoryError, OverflowError) as error:  # of the numbers in the card
            raise self._does_not_run(error) from error
        self(latents, labels)

    def _does_not_run(self, error: BaseException) -> InputError:
        return InputError(
            "This exported generator does not run",
            expected=f"a generator of {self.latent_dim} latents and {self.num_classes} classes, as its card says",
            received=f"{self.file.path}: {reason_of(error)}",
        )


def _are_classes(labels: np.ndarray, num_classes: int) -> bool:
    return labels.size > 0 and labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < num_classes
