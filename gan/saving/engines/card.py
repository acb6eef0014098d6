"""The card of an exported generator: the metadata inside the exported file. Does not import TensorFlow."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gan.config import DataConfig
from gan.errors import ImageShape, InputError, Json, NotNegative, Positive, Whole, as_json, check, convert
from gan.tolerance import ErrorRate, Verdict

Weights = Literal["float32", "float16", "int8"]
"""Number type in which the kernels are stored. Every engine computes in float32."""

FormatName = Literal["saved_model", "onnx", "litert"]
"""Name of a format, as in `gan export --format`."""


@dataclass(frozen=True, kw_only=True)
class GeneratorVerdict:
    """What `gan evaluate` measured of the generator before its export, in the report beside it.

    Weights of float16 or int8 change a generator. `gan evaluate` on the exported file judges what is deployed.
    """

    verdict: Verdict | None
    """None: there was no tolerance, only numbers."""
    tolerance: NotNegative | None
    error_rate: NotNegative
    error_rate_lower: NotNegative
    error_rate_upper: NotNegative
    num: Positive
    """Number of samples."""
    dataset: str
    classifier_sha256: str | None = None
    """SHA-256 of the classifier that measured it; None: not recorded."""
    train_sha256: str | None = None
    """SHA-256 of the training images and labels of that data set; None: not recorded."""
    real_rate: ErrorRate | None = None
    """Error rate of the classifier on real test images; None: not recorded."""


@dataclass(frozen=True, kw_only=True)
class ExportCard:
    """Metadata inside an exported generator, as JSON."""

    kind: Literal["generator"] = "generator"
    name: str
    """Name of the run, file or pretrained checkpoint."""
    format: FormatName
    weights: Weights
    latent_dim: Positive
    """Length of a latent vector. The input `latents` is float32 [B, latent_dim], standard normal."""
    num_classes: Whole
    """Number of classes; 0: there is no input `labels`. Otherwise it is int32 [B], from 0 to num_classes - 1."""
    class_names: tuple[str, ...] = ()
    image_shape: ImageShape
    """Height, width and channels. The output `images` is float32 [B, height, width, channels]."""
    pixel_range: tuple[float, float] = (-1.0, 1.0)
    """Values of black and white in the output."""
    data: DataConfig | None = None
    """Options of the data that the generator draws; of a folder or file, only the last part of its path."""
    train_sha256: str | None = None
    """SHA-256 of the training images and labels of the generator, as in config.json; None: not known."""
    mixture: bool = False
    """Whether the first latent number chooses one of several generators, so that truncation changes their weights."""
    generator_sha256: str
    """SHA-256 of the generator's .keras file."""
    content_sha256: str
    """SHA-256 of the exported file without this card. It connects the card and the weights."""
    verdict: GeneratorVerdict | None = None
    """None: there was no report of this generator."""
    license: str | None = None
    """License of the generator; None: not stated."""
    max_difference: NotNegative
    """Largest absolute difference between images of this file and of Keras with the same weights."""
    compared: Positive
    """Number of images in that comparison."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of the Python packages that wrote the file, by name."""

    def __post_init__(self) -> None:
        check(self.pixel_range == (-1.0, 1.0), "pixel_range", "[-1, 1]", self.pixel_range)
        for name in ("name", "license"):
            text = getattr(self, name)
            check(text is None or text.isprintable(), name, "printable text on one line", text)
        names = len(self.class_names)
        check(names in (0, self.num_classes), "class_names", f"{self.num_classes} names, or none", names)

    def as_text(self) -> str:
        """Returns the card as one line of JSON."""
        return json.dumps(as_json(self), ensure_ascii=False)

    def as_dict(self) -> dict[str, Json]:
        """Returns the card in JSON types."""
        return as_json(self)


def read_card(text: str | None, path: Path) -> ExportCard:
    """Reads the card of an exported file.

    Raises `InputError` for a file without a card, which another program wrote, and for invalid content.
    """
    if text is None:
        raise InputError(
            "This file has no card: it is incomplete, or another program wrote it",
            expected="a file of gan export",
            received=str(path),
        )
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("Damaged card", expected="JSON", received=f"{path}: {error}") from error
    return convert(content, ExportCard, path)
