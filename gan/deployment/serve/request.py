"""What a request asks of a generator: samples of a seed, or of given latents."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gan import sampling
from gan.data import images
from gan.deployment.monitor.alarm import Source
from gan.deployment.serve.batching import Inputs
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.version import Version
from gan.errors import InputError, check
from gan.sampling.labels import labels_in_turn, read_label
from gan.sampling.writers import Pieces, as_grid, grid_columns, save_npz
from gan.saving.engines.engine import Engine

LONGEST_SHOWN = 80
"""Most characters of an option in a message."""


@dataclass(frozen=True)
class Job:
    """Samples to compute."""

    rows: int
    inputs: Callable[[range], Inputs]
    """Returns the inputs of some of the samples."""


@dataclass(frozen=True)
class Origin:
    """What some samples of a request were computed from, for the audit."""

    source: Source
    labels: np.ndarray | None
    """int32 [N], or None."""
    latents: np.ndarray | None = None
    """Those that the client gave, float32 [N, L]; None: of a seed."""
    seed: int = 0
    indices: np.ndarray | None = None
    """Of the samples of a seed, int [N]; None: of given latents."""
    truncation: float | None = None

    def part(self, rows: range) -> "Origin":
        """Returns the origin of some of the samples, one after another."""

        def own(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[rows.start : rows.stop]

        return replace(self, labels=own(self.labels), latents=own(self.latents), indices=own(self.indices))

    def names(self) -> list[bytes]:
        """Returns a name of each sample: the same for the same inputs of the generator."""
        if self.indices is not None:
            labels = [None] * len(self.indices) if self.labels is None else self.labels.tolist()
            inputs = zip(self.indices.tolist(), labels)
            return [repr((self.seed, index, label, self.truncation)).encode() for index, label in inputs]
        assert self.latents is not None
        own = [b""] * len(self.latents) if self.labels is None else [label.tobytes() for label in self.labels]
        return [row.tobytes() + label for row, label in zip(self.latents, own)]


class Asked(ABC):
    """A request, independent of the version that answers it."""

    @abstractmethod
    def origin(self, rows: np.ndarray, num_classes: int, class_names: Sequence[str]) -> Origin:
        """Returns the origin of some samples of a request that was answered: rows int [N], from 0."""

    def check_version(self, version: Version) -> None:  # noqa: B027 - most requests suit every version
        """Raises `InputError` if a version would draw something else than what is asked."""

    @abstractmethod
    def prepare(self, engine: Engine, class_names: Sequence[str], limits: Limits) -> Job:
        """Returns what to compute. Raises `InputError` if this engine cannot draw it, or the limits forbid it."""


@dataclass(frozen=True, kw_only=True)
class SeededSamples(Asked):
    """Samples start, ..., start + num - 1 of a seed, as `gan sample` draws them."""

    num: int
    seed: int
    start: int
    label: str | None
    truncation: float | None

    def check_version(self, version: Version) -> None:
        """Raises `InputError` for truncated latents of a mixture, see `Asked`."""
        if version.is_mixture and self.truncation is not None:
            raise InputError(
                "Truncation would change the weights of a mixture",
                expected="no truncation",
                received=f"truncation={self.truncation:g}",
            )

    def prepare(self, engine: Engine, class_names: Sequence[str], limits: Limits) -> Job:
        """Returns what to compute, see `Asked`."""
        most = limits.most_samples(engine.image_shape)
        check(1 <= self.num <= most, "num", f"1 to {most:,} samples in one request", self.num)
        classes = self._classes(engine.num_classes, class_names)

        def inputs(part: range) -> Inputs:
            indices = np.arange(self.start + part.start, self.start + part.stop)
            latents = sampling.latents(self.seed, indices, engine.latent_dim)
            latents = latents if self.truncation is None else sampling.truncate(latents, self.truncation)
            return latents, labels_in_turn(indices, engine.num_classes, classes)

        return Job(self.num, inputs)

    def origin(self, rows: np.ndarray, num_classes: int, class_names: Sequence[str]) -> Origin:
        """Returns the origin of some samples, see `Asked`."""
        indices = self.start + rows
        labels = labels_in_turn(indices, num_classes, self._classes(num_classes, class_names))
        source: Source = "seeds" if self.truncation is None else "truncated"
        return Origin(source, labels, seed=self.seed, indices=indices, truncation=self.truncation)

    def _classes(self, num_classes: int, class_names: Sequence[str]) -> range | None:
        if self.label is None:
            return None
        try:
            return read_label(self.label, num_classes, class_names)
        except InputError as error:  # it has the name of the option of `gan sample`
            received = repr(self.label[:LONGEST_SHOWN])
            raise InputError("Bad `label`", expected=error.expected, received=received) from None

    def as_png(self, samples: np.ndarray, num_classes: int) -> bytes:
        """Returns the grid that `gan sample` writes. samples: float32 [N, H, W, C]."""
        grid = as_grid(images.to_uint8(samples), grid_columns(self.num, num_classes))
        buffer = io.BytesIO()
        images.to_pil(grid).save(buffer, format="PNG", compress_level=1)
        return buffer.getvalue()

    def as_npz(self, samples: np.ndarray, num_classes: int, class_names: Sequence[str]) -> bytes:
        """Returns the arrays that `gan sample` writes: `images`, `indices` and, with classes, `labels`."""
        indices = np.arange(self.start, self.start + self.num)
        labels = labels_in_turn(indices, num_classes, self._classes(num_classes, class_names))
        arrays = {"images": images.to_uint8(samples), "indices": indices}
        if labels is not None:
            arrays["labels"] = labels
        buffer = io.BytesIO()
        save_npz(buffer, {name: Pieces(array.shape, array.dtype, [array]) for name, array in arrays.items()})
        return buffer.getvalue()


@dataclass(frozen=True)
class GivenLatents(Asked):
    """Samples of given latents, float32 [B, L], and labels, int32 [B] or None."""

    latents: np.ndarray
    labels: np.ndarray | None

    def prepare(self, engine: Engine, class_names: Sequence[str], limits: Limits) -> Job:
        """Returns what to compute, see `Asked`. Raises `InputError` for inputs of another shape, or out of range."""
        shape, count = self.latents.shape, len(self.latents)
        most = limits.most_json(engine.image_shape)
        check(1 <= count <= most, "instances", f"1 to {most:,} samples in one JSON answer, or /sample.npz", count)
        check(shape == (count, engine.latent_dim), "latents", f"shape [B, {engine.latent_dim}]", f"shape {[*shape]}")
        check(bool(np.isfinite(self.latents).all()), "latents", "finite numbers", "NaN or infinity")
        labels = self.labels
        if labels is None:
            check(not engine.num_classes, "labels", f"classes from 0 to {engine.num_classes - 1}", "no labels")
        else:
            check(engine.num_classes > 0, "labels", "no labels: this generator is unconditional", "labels")
            check(labels.shape == (count,), "labels", f"{count} labels", f"labels of shape {[*labels.shape]}")
            in_range = labels.min() >= 0 and labels.max() < engine.num_classes
            check(bool(in_range), "labels", f"classes from 0 to {engine.num_classes - 1}", "another class")
        return Job(
            count,
            lambda part: (
                self.latents[part.start : part.stop],
                None if labels is None else labels[part.start : part.stop],
            ),
        )

    def origin(self, rows: np.ndarray, num_classes: int, class_names: Sequence[str]) -> Origin:
        """Returns the origin of some samples, see `Asked`."""
        return Origin("latents", None if self.labels is None else self.labels[rows], self.latents[rows])


def check_png(engine: Engine) -> None:
    """Raises `InputError` if the samples are not images of 1 or 3 channels."""
    shape = engine.image_shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise InputError(
            "These samples are no PNG images",
            expected="1 or 3 channels, or /sample.npz",
            received=f"samples of shape {[*shape]}",
        )
