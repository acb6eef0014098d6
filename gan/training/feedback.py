"""What people called wrong, as fakes of D: samples of the generator that a run starts from, frozen as images."""

import io
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from gan import sampling
from gan.data import images
from gan.distributed.devices import DeviceSetup
from gan.errors import InputError
from gan.models.extra_fakes import RejectedSamples
from gan.models.networks.load import load_generator
from gan.sampling.generators import as_engine
from gan.saving import files, rejected, run_folder
from gan.saving.initial_checkpoint import find_start
from gan.saving.metadata import FeedbackRecord
from gan.saving.rejected import RejectedLines

BATCH = 250
"""Samples that the generator draws at a time."""


@dataclass(frozen=True)
class Feedback:
    """Samples that people called wrong: the lines that name them, and their images, uint8 [N, H, W, C]."""

    lines: RejectedLines
    images: np.ndarray

    @property
    def record(self) -> FeedbackRecord:
        """What config.json records."""
        return FeedbackRecord(
            num=len(self.images),
            sha256=self.lines.sha256,
            generator_sha256=self.lines.generator_sha256,
            images_sha256=sha256(_as_npy(self.images)).hexdigest(),
        )

    def save(self, folder: Path) -> None:
        """Writes the lines and the images into a run folder, atomically."""
        files.write(folder / run_folder.FEEDBACK, lambda path: path.write_bytes(self.lines.content))
        files.write(folder / run_folder.FEEDBACK_IMAGES, lambda path: path.write_bytes(_as_npy(self.images)))


def make_feedback(path: str | os.PathLike[str], checkpoint: str | Path) -> Feedback:
    """Reads a file of JSON lines, and draws its samples from the generator of a checkpoint.

    Raises `InputError` as `read_rejected` does, for a generator with another SHA-256, and for labels that it does not
    know.
    """
    lines, found = rejected.read_rejected(path), find_start(checkpoint)
    lines.check_generator(found.sha256, found.path)
    engine = as_engine(load_generator(found))
    labels = lines.labels
    lines.check_labels(engine.num_classes, path)
    drawn = np.zeros((len(lines.indices), *engine.image_shape), np.uint8)
    for seed in np.unique(lines.seeds):
        for rows in _in_batches(np.flatnonzero(lines.seeds == seed)):
            latents = sampling.latents(int(seed), lines.indices[rows], engine.latent_dim)
            drawn[rows] = images.to_uint8(engine(latents, None if labels is None else labels[rows]))
    return Feedback(lines, drawn)


def _in_batches(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def load_feedback(folder: Path, record: FeedbackRecord, checkpoint: str | None) -> Feedback:
    """Loads the feedback of a run folder.

    checkpoint: generator from which the run starts again; None: it resumes from a state. Without a state, the networks
    beside each other are read again: the generator must be the one that was judged. The discriminator is the one that
    lies there now, and the log names its file.

    Raises `InputError` if a file of the copy, or the generator, has changed since the start of the run.
    """
    if checkpoint is not None:
        found = find_start(checkpoint)
        _check_same(found.path, record.generator_sha256, "The generator of init_from")
    lines, pictures = folder / run_folder.FEEDBACK, folder / run_folder.FEEDBACK_IMAGES
    for path, expected in ((lines, record.sha256), (pictures, record.images_sha256)):
        _check_same(path, expected, "The feedback")
    return Feedback(rejected.read_rejected(lines), np.load(pictures, allow_pickle=False))


def _check_same(path: Path, expected: str, what: str) -> None:
    received = files.sha256(path) if path.is_file() else "no file"
    if received != expected:
        raise InputError(
            f"{what} has changed since the start of the run",
            expected=f"{path} with SHA-256 {expected}",
            received=received,
        )


def agree_on_feedback(devices: DeviceSetup, feedback: Feedback | None, share: float) -> RejectedSamples | None:
    """Returns the chief's feedback as fakes of D with a share of its loss. None: no feedback.

    Each worker must call this. Only the chief needs the feedback.
    """
    arrays = {} if feedback is None else {"images": feedback.images}
    if feedback is not None and feedback.lines.labels is not None:
        arrays["labels"] = feedback.lines.labels
    arrays = devices.broadcast_arrays(arrays)
    return RejectedSamples(arrays["images"], arrays.get("labels"), share=share) if arrays else None


def _as_npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
