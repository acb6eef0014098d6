"""A report as one HTML page that needs nothing else: pictures and plots are inside."""

import base64
import io
from pathlib import Path

import jinja2
import numpy as np

from gan.data import images
from gan.evaluation import plots
from gan.evaluation import report as reports
from gan.evaluation.evaluation import Evaluation
from gan.evaluation.report_text import PERTURBATIONS
from gan.saving import files, run_folder

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
    files.write_json(folder / run_folder.REPORT, evaluation.report)
    files.write(folder / run_folder.PAGE, lambda beside: beside.write_text(html, encoding="utf-8"))


def page(evaluation: Evaluation, *, checkpoint: str) -> str:
    """The report of an evaluation as HTML; `checkpoint`: what the page says was judged."""
    report = evaluation.report
    return TEMPLATES.get_template("page.html.jinja").render(
        report=report,
        checkpoint=checkpoint,
        rows=reports.rows(report),
        pictures={name: _embedded(picture) for name, picture in evaluation.pictures.items()},
        histogram=plots.class_histogram(report),
        curves=plots.perturbation_curves(report) if "perturbation" in report else None,
        perturbations=PERTURBATIONS,
    )


def _embedded(picture: np.ndarray) -> str:
    held = io.BytesIO()
    images.to_pil(picture).save(held, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
