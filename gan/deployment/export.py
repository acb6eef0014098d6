"""Exports a generator and verifies the file: its own engine must draw the images that Keras draws."""

import errno
import math
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import tensorflow as tf

from gan import sampling
from gan.data.images import LARGEST_VALUE
from gan.deployment import serving
from gan.deployment.graph import state_sizes
from gan.deployment.names import export_name, file_stem, license_of, public_name
from gan.deployment.rounding import StoredKernel, rounded_copy, single_copy, store_kernels
from gan.deployment.verdicts import read_verdict
from gan.deployment.writers import WRITERS
from gan.errors import InputError, check
from gan.models.networks.load import load_generator
from gan.sampling.generators import KerasEngine
from gan.sampling.labels import labels_for
from gan.saving import files
from gan.saving.engines.card import ExportCard, FormatName, Weights
from gan.saving.engines.find import FORMATS, read_file
from gan.saving.engines.format import ExportedFile, ExportFormat
from gan.saving.saved_generator import SavedGenerator, find_to_export
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.signals import deferred_signals
from gan.utils.tensorflow import reason_of, silent_stderr

COMPARED = 64
"""Images that are compared with Keras: samples 0 to 63 of seed 0."""

LARGEST_DIFFERENCE = 1e-5
"""Largest difference from Keras with the same weights, on images in [-1, 1], with which a file is written."""

PACKAGES = ("gan-reference", "tensorflow", "keras", "tf2onnx", "onnx", "ai-edge-litert")
"""Packages whose version a card records."""


@checked
def export_generator(
    checkpoint: str | Path,
    out: str | Path = "exported",
    *,
    format: FormatName = "onnx",
    weights: Weights = "float32",
    license: str | None = None,
) -> ExportedFile:
    """Exports a generator to a file that its engine runs without this package, and verifies it.

    The file takes `latents` float32 [B, L], standard normal, and `labels` int32 [B] if the generator has classes. It
    returns `images` float32 [B, H, W, C] in [-1, 1], for any batch size B. Its card, inside the file, contains the
    sizes, the classes, the verdict of the generator's report, and SHA-256 digests of the generator and of the file.

    Before the file appears, its own engine draws 64 samples. They may differ from those of Keras, with the same
    weights, by at most `LARGEST_DIFFERENCE`.

    Args:
        checkpoint: run folder, .keras file or pretrained name.
        out: folder for NAME.onnx or NAME.tflite, with `-float16` or `-int8` after the name; for a SavedModel, the
            folder NAME/VERSION/ and models.config, as TensorFlow Serving reads them.
        format: `saved_model`, `onnx` (opset 17) or `litert`.
        weights: number type of the stored kernels. `float16` halves the file. `int8` is symmetric, with a scale for
            each output channel, and makes a quarter of it. The engine computes in float32 with any of them.
        license: license of the generator, for the card. None: Apache-2.0 for a pretrained generator, else not
            stated.

    Returns the exported file. Raises `InputError` for a checkpoint that is not a generator of images, a package that is
    not installed, a layer that the format does not have, a difference above the limit, or a folder that cannot be
    written. Then nothing is written.
    """
    check(format in FORMATS, "format", f"one of {list(FORMATS)}", format)
    check(weights in get_args(Weights), "weights", f"one of {list(get_args(Weights))}", weights)
    check(license is None or license.isprintable(), "license", "printable text on one line", license)
    saved = find_to_export(checkpoint)
    form, folder = FORMATS[format], files.as_path(out, "out")
    stem = file_stem(saved, weights)
    target = folder / f"{stem}{form.suffix}"
    if form.suffix:
        files.check_writable(target)
    else:
        files.check_writable(target / "1" / "saved_model.pb")
        files.check_writable(folder / serving.CONFIG)
        serving.check_target(target)
    source = Source.load(saved, weights)
    with scratch_folder(folder) as scratch:
        draft = Path(scratch) / f"generator{form.suffix}"
        card = _write(source, form, draft, license)
        form.attach(draft, card.as_text())
        read_file(draft, form)
        if form.suffix:
            folder.mkdir(parents=True, exist_ok=True)
            files.write(target, lambda partial: draft.rename(partial))
        else:
            serving.write_warm_up(draft, stem, source.inputs)
            target = serving.place_version(draft, target)
            serving.add_to_config(folder, stem)
    return read_file(target, form)


@dataclass(frozen=True)
class Source:
    """A loaded generator with stored kernels, and the samples that its exported files must draw."""

    saved: SavedGenerator
    network: keras.Model
    """The generator with the original weights, in float32."""
    weights: Weights
    kernels: Sequence[StoredKernel]
    engine: KerasEngine
    """The generator with the rounded weights."""
    inputs: Mapping[str, np.ndarray]
    """Latents and labels of the compared samples."""
    images: np.ndarray
    """The compared samples, by Keras with the rounded weights, on the CPU."""

    @classmethod
    def load(cls, saved: SavedGenerator, weights: Weights) -> "Source":
        """Loads a generator and rounds its kernels."""
        network = single_copy(load_generator(saved.file))  # type: ignore[arg-type]  # not exported
        kernels = store_kernels(network, weights)
        engine = KerasEngine(rounded_copy(network, kernels))
        state_sizes(network)
        indices = np.arange(COMPARED)
        inputs = {"latents": sampling.latents(0, indices, engine.latent_dim)}
        labels = labels_for(indices, engine.num_classes, None)
        if labels is not None:
            inputs["labels"] = labels
        with tf.device("CPU"):
            images, again = (engine(inputs["latents"], labels) for _ in range(2))
        largest = float(np.abs(images).max())
        if not largest <= LARGEST_VALUE:  # also NaN
            raise InputError(
                "This generator does not draw images",
                expected="finite pixels in [-1, 1]",
                received=f"up to {largest:g}",
            )
        difference = float(np.abs(images - again).max())
        if difference > LARGEST_DIFFERENCE:
            raise InputError(
                "This generator draws other images of the same latents each time",
                expected="a generator without layers that draw random numbers",
                received=f"a difference of {difference:g}",
            )
        return cls(saved, network, weights, kernels, engine, inputs, images)


def _write(source: Source, form: ExportFormat, draft: Path, license: str | None) -> ExportCard:
    """Writes a generator without a card, compares it with Keras, and returns the card."""
    try:
        with deferred_signals(), silent_stderr(show_on_error=False, drop_all=True):  # they also raise their errors
            WRITERS[form.name](source.network, source.kernels, draft)
    except (InputError, OSError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # the converters have no common class of errors
        if os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(draft.parent.parent)) from error
        raise InputError(
            f"{form.title} cannot express this generator",
            expected=f"layers whose operations {form.engine} has",
            received=_operation(error) or reason_of(error),
        ) from error
    images = _draw(source, form, draft)
    same_shape = images.shape == source.images.shape
    difference = float(np.abs(images.astype(np.float64) - source.images).max()) if same_shape else math.inf
    if not difference <= LARGEST_DIFFERENCE:
        raise InputError(
            f"The exported generator does not draw the images of Keras, in {form.engine}",
            expected=f"a difference of at most {LARGEST_DIFFERENCE:g} in {COMPARED} images in [-1, 1]",
            received=f"{difference:g}" if same_shape else f"images of shape {[*images.shape]}",
        )
    return _card(source, form, form.read(draft)[1], difference, license)


def _draw(source: Source, form: ExportFormat, draft: Path) -> np.ndarray:
    """Returns the compared samples, drawn by the engine of the format on the CPU."""
    form.check_installed()
    try:
        with tf.device("CPU"):
            return form.load(draft)(source.inputs)
    except (OSError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # the engines have their own error classes
        reason = error.received if isinstance(error, InputError) else reason_of(error)
        raise InputError(
            f"{form.engine} does not run this generator",
            expected=f"layers whose operations {form.engine} has",
            received=reason.replace(f"{draft}: ", "").replace(str(draft), "the file"),
        ) from error


_OPERATION = re.compile(r'fused\["(?!StatefulPartitionedCall)(\w+):", "([^"@]+)')


def _operation(error: Exception) -> str | None:
    """Returns the operation and the layer that an error of the LiteRT converter is about, or None."""
    found = _OPERATION.search(str(error))
    return f"the operation {found[1]} in {found[2]}" if found else None


def _card(
    source: Source, form: ExportFormat, content_sha256: str, difference: float, license: str | None
) -> ExportCard:
    saved = source.saved
    installed = {package: runtime.installed_version(package) for package in PACKAGES}
    return ExportCard(
        name=export_name(saved),
        format=form.name,
        weights=source.weights,
        latent_dim=source.engine.latent_dim,
        num_classes=source.engine.num_classes,
        class_names=saved.class_names if source.engine.num_classes else (),
        image_shape=source.engine.image_shape,  # type: ignore[arg-type]  # three numbers
        data=None if saved.data is None else replace(saved.data, dataset=public_name(saved.data.dataset)),
        train_sha256=saved.trained_on.train_sha256 if saved.trained_on else None,
        mixture=saved.is_mixture,
        generator_sha256=saved.summary.sha256,
        content_sha256=content_sha256,
        verdict=read_verdict(saved),
        license=license_of(saved) if license is None else license,
        max_difference=difference,
        compared=COMPARED,
        versions=installed,
    )


def scratch_folder(folder: Path) -> "tempfile.TemporaryDirectory[str]":
    """Returns a temporary folder in a folder, or in its nearest parent that exists.

    Raises `InputError` if no file can be written there.
    """
    folder = folder.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    try:
        return tempfile.TemporaryDirectory(prefix=".gan-export-", dir=existing)
    except OSError as error:
        raise InputError("The output cannot be written", expected="a writable folder", received=str(folder)) from error
