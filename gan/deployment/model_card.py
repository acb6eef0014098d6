"""The model card of a published generator: how to load it, its data, its numbers beside real ones, its limits."""

import re
from collections.abc import Sequence

import keras

from gan.deployment.names import public_name
from gan.evaluation.report import EvaluationReport, rows, samples_text
from gan.evaluation.report_text import headline, name_of
from gan.evaluation.report_text import summary as sentences
from gan.models.networks.inputs import NetworkInputs
from gan.saving.hub import PREFIX
from gan.saving.metadata import RunMetadata
from gan.saving.saved_generator import SavedGenerator
from gan.utils.templates import load_templates

LICENSES = {
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0",
    "gpl-3.0", "lgpl-3.0", "mpl-2.0", "openrail", "unlicense",
}  # fmt: skip
"""Names of licenses that the Hub knows, in lower case."""

_TEMPLATES = load_templates("gan.deployment", "page", autoescape=False)


def model_card(
    saved: SavedGenerator,
    generator: keras.Model,
    *,
    name: str,
    repository: str,
    license: str | None,
    notice: str | None,
    report: EvaluationReport | None,
    discriminator: bool,
) -> str:
    """Returns the model card as Markdown, with the header that the Hub reads.

    Args:
        saved: the generator's file and metadata.
        generator: the loaded generator.
        name: title.
        repository: USER/NAME.
        license: license of the weights. None: not stated.
        notice: origin, license and attribution of the training images. None: not stated.
        report: the report of this very generator. None: it was not evaluated.
        discriminator: whether the repository holds the discriminator too.
    """
    inputs = NetworkInputs.of(generator)
    height, width, channels = generator.output_shape[1:]
    data = saved.trained_on
    identifier = (license or "").lower()
    card = _TEMPLATES.get_template("model_card.md.jinja").render(
        name=_text(name),
        repository=repository,
        license=license,  # as it is in the header of YAML
        license_text=None if license is None else _text(license),
        license_id=identifier if identifier in LICENSES else None,
        shape=f"{height} x {width} {'gray' if channels == 1 else 'RGB' if channels == 3 else f'{channels}-channel'}",
        classes=[_text(one) for one in _class_names(saved.class_names, inputs.num_classes)],
        data=None
        if data is None
        else {"name": _code(public_name(data.name)), "train": data.train, "train_sha256": data.train_sha256},
        code=_loading(inputs, repository),
        discriminator=discriminator,
        notice=None if notice is None else [_text(line) for line in notice.strip().splitlines()],
        run=None if saved.record is None else _training(saved.record),
        report=report is not None,
        classifier=report is not None and report.classifier_sha256 is not None,
        verdict="" if report is None else headline(report),
        samples="" if report is None else samples_text(report.num, report.compared),
        rows=[] if report is None else [{**row, "name": name_of(report, row["name"])} for row in rows(report)],
        summary=[] if report is None else list(sentences(report).values()),
    )
    return f"{card}\n"


def _text(text: str) -> str:
    """Returns a text of the user as one line that neither ends a table cell nor is HTML or a heading of its own."""
    return re.sub(r"([\\`*_|<>#\[\]])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Returns a text of the user as one line that can stand between backticks."""
    return " ".join(text.replace("`", "'").split())


def _class_names(names: Sequence[str], count: int) -> Sequence[str]:
    return names if len(names) == count else [str(number) for number in range(count)]


def _loading(inputs: NetworkInputs, repository: str) -> str:
    """Returns the lines of Python that load the generator with Keras alone and draw eight samples."""
    lines = [
        "import keras",
        "import numpy as np",
        "",
        f'generator = keras.saving.load_model("{PREFIX}{repository}", compile=False)',
        f'latents = np.random.default_rng(0).standard_normal((8, {inputs.latent_dim}), "float32")',
    ]
    if inputs.num_classes:
        lines.append(f"labels = np.arange(8) % {inputs.num_classes}")
    argument = re.sub(r"'(latents|labels)'(?!:)", r"\1", repr(inputs.structure))  # keys of a dict stay text
    return "\n".join([*lines, f"images = generator.predict({argument})  # [8, height, width, channels] in [-1, 1]"])


def _training(record: RunMetadata) -> str:
    """Returns what made the generator: length, networks, loss, and the device with its versions."""
    options, result = record.config.optimization, record.result
    penalties = " and ".join(options.penalties) or "no penalty"
    length = (
        "" if result is None else f"{result.images:,} real images shown to the discriminator in {result.seconds:,.0f} s"
    )
    facts = [
        length,
        f"architecture `{record.config.model.arch}`, conditioning `{record.config.model.conditioning}`",
        f"loss `{options.loss}`, {penalties}, batches of {options.batch_size}, seed {record.config.seed}",
        record.device,
    ]
    return "\n".join(f"* {fact}" for fact in facts if fact)
