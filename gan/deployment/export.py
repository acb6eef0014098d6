"""Exports a generator and verifies the file: its own engine must draw the images that Keras draws."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gan import sampling
from gan.deployment import serving
from gan.deployment.names import export_name, public_name
from gan.deployment.rounding import StoredKernel, rounded_copy, store_kernels
from gan.deployment.verdicts import read_verdict
from gan.deployment.writers import WRITERS
from gan.errors import InputError, check
from gan.models.networks.load import load_generator
from gan.sampling.generators import KerasEngine
from gan.sampling.labels import labels_for
from gan.saving import files, models
from gan.saving.engines.card import ExportCard, FormatName, Weights
from gan.saving.engines.find import FORMATS, read_file
from gan.saving.engines.format import ExportedFile, ExportFormat
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.tensorflow import reason_of, silent_stderr

COMPARED = 64
"""Images that are compared with Keras: samples 0 to 63 of seed 0."""

LARGEST_DIFFERENCE = 1e-5
"""Largest difference from Keras with the same weights, on images in [-1, 1], with which a file is written."""

PRETRAINED_LICENSE = "Apache-2.0"
"""License of the pretrained generators."""

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
        license: license of the generator, for the card. None: `PRETRAINED_LICENSE` for a pretrained generator, else
            not stated.

    Returns the exported file. Raises `InputError` for a checkpoint that is not a generator of images, a package that is
    not installed, a layer that the format does not have, a difference above the limit, or a folder that cannot be
    written. Then nothing is written.
    """
    check(format in FORMATS, "format", f"one of {list(FORMATS)}", format)
    check(weights in ("float32", "float16", "int8"), "weights", "float32, float16 or int8", weights)
    saved = find_saved(checkpoint)
    if saved.card is not None:
        raise InputError("This generator is exported", expected="a run folder or .keras file", received=str(checkpoint))
    form, folder = FORMATS[format], files.as_path(out, "out")
    stem = export_name(saved) + ("" if weights == "float32" else f"-{weights}")
    target = folder / f"{stem}{form.suffix}"
    files.check_writable(target / "1" / "saved_model.pb" if not form.suffix else target)
    source = Source.load(saved, weights)
    with tempfile.TemporaryDirectory(prefix=".gan-export-", dir=_existing(folder)) as scratch:
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
            serving.write_config(folder)
    return read_file(target, form)


@dataclass(frozen=True)
class Source:
    """A loaded generator with stored kernels, and the samples that its exported files must draw."""

    saved: SavedGenerator
    network: keras.Model
    """The generator with the original weights."""
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
        network = load_generator(saved.file)  # type: ignore[arg-type]  # not exported
        kernels = store_kernels(network, weights)
        engine = KerasEngine(rounded_copy(network, kernels))
        indices = np.arange(COMPARED)
        inputs = {"latents": sampling.latents(0, indices, engine.latent_dim)}
        labels = labels_for(indices, engine.num_classes, None)
        if labels is not None:
            inputs["labels"] = labels
        with tf.device("CPU"):
            images = engine(inputs["latents"], labels)
        return cls(saved, network, weights, kernels, engine, inputs, images)


def _write(source: Source, form: ExportFormat, draft: Path, license: str | None) -> ExportCard:
    """Writes a generator without a card, compares it with Keras, and returns the card."""
    try:
        with silent_stderr(show_on_error=False):
            WRITERS[form.name](source.network, source.kernels, draft)
    except (InputError, OSError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # the converters have no common class of errors
        raise InputError(
            f"{form.title} cannot express this generator",
            expected=f"layers whose operations {form.engine} has",
            received=reason_of(error),
        ) from error
    images = form.load(draft)(source.inputs)
    difference = float(np.abs(images.astype(np.float64) - source.images).max())
    if images.shape != source.images.shape or not difference <= LARGEST_DIFFERENCE:
        raise InputError(
            f"The exported generator does not draw the images of Keras, in {form.engine}",
            expected=f"a difference of at most {LARGEST_DIFFERENCE:g} in {COMPARED} images in [-1, 1]",
            received=f"{difference:g}",
        )
    return _card(source, form, form.read(draft)[1], difference, license)


def _card(
    source: Source, form: ExportFormat, content_sha256: str, difference: float, license: str | None
) -> ExportCard:
    saved = source.saved
    is_pretrained = saved.folder.resolve().parent == models.pretrained_folder().resolve()
    installed = {package: runtime.installed_version(package) for package in PACKAGES}
    return ExportCard(
        name=export_name(saved),
        format=form.name,
        weights=source.weights,
        latent_dim=source.engine.latent_dim,
        num_classes=source.engine.num_classes,
        class_names=saved.class_names,
        image_shape=source.engine.image_shape,  # type: ignore[arg-type]  # three numbers
        data=None if saved.data is None else replace(saved.data, dataset=public_name(saved.data.dataset)),
        generator_sha256=saved.summary.sha256,
        content_sha256=content_sha256,
        verdict=read_verdict(saved),
        license=PRETRAINED_LICENSE if license is None and is_pretrained else license,
        max_difference=difference,
        compared=COMPARED,
        versions=installed,
    )


def _existing(folder: Path) -> Path:
    """Returns a folder, or its nearest parent that exists."""
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.is_dir())
