"""A report as one HTML page that needs nothing else: pictures and plots are inside."""

import base64
import io
from pathlib import Path

import jinja2
import numpy as np

from gan import checkpoints, images, reports
from gan.evaluation import figures
from gan.evaluation.report import Evaluation
from gan.evaluation.words import PERTURBATIONS

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("gan.evaluation", "."),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(folder: Path, evaluation: Evaluation, *, checkpoint: str) -> None:
    """Writes report.html and report.json into `folder`, which is made where it is missing; each file atomically."""
    html = page(evaluation, checkpoint=checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.write_json(folder / checkpoints.REPORT, evaluation.report)
    checkpoints.write(folder / checkpoints.PAGE, lambda beside: beside.write_text(html, encoding="utf-8"))


def page(evaluation: Evaluation, *, checkpoint: str) -> str:
    """The report of an evaluation as HTML; `checkpoint`: what the page says was judged."""
    report = evaluation.report
    return TEMPLATES.get_template("page.html.jinja").render(
        report=report,
        checkpoint=checkpoint,
        rows=reports.rows(report),
        pictures={name: _embedded(picture) for name, picture in evaluation.pictures.items()},
        histogram=figures.class_histogram(report),
        curves=figures.perturbation_curves(report) if "perturbation" in report else None,
        perturbations=PERTURBATIONS,
    )


def _embedded(picture: np.ndarray) -> str:
    held = io.BytesIO()
    images.to_pil(picture).save(held, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
