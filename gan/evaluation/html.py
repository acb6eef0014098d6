"""HTML page of a report: one file that contains its images and plots."""

import base64
import io
import os
from functools import partial
from pathlib import Path

import numpy as np

from gan.data import images
from gan.evaluation import plots
from gan.evaluation import report as reports
from gan.evaluation.evaluation import Evaluation
from gan.evaluation.report_text import PERTURBATIONS, headline, name_of
from gan.saving import files, run_folder
from gan.utils.arguments import checked
from gan.utils.templates import load_templates

TEMPLATES = load_templates("gan.evaluation")
TEMPLATES.filters["unbroken"] = lambda text: text.replace(" %", "\u00a0%")


@checked
def write_report(folder: str | os.PathLike[str], evaluation: Evaluation, *, checkpoint: str) -> None:
    """Writes report.html and report.json into `folder`, each file atomically. Creates the folder if it is missing."""
    html = page(evaluation, checkpoint=checkpoint)
    folder = files.as_path(folder, "folder")
    files.check_writable(folder / run_folder.REPORT)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / run_folder.REPORT, evaluation.report.as_dict())
    files.write(folder / run_folder.PAGE, partial(_write_text, text=html))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="backslashreplace")  # of a file name that is not UTF-8


@checked
def page(evaluation: Evaluation, *, checkpoint: str) -> str:
    """Returns the report of an evaluation as HTML.

    Args:
        evaluation: from `evaluate` or `evaluate_samples`.
        checkpoint: name of the generator, for the title.
    """
    report = evaluation.report
    return TEMPLATES.get_template("page.html.jinja").render(
        report=report,
        samples=reports.samples_text(report.num, report.compared),
        checkpoint=checkpoint,
        headline=headline(report),
        rows=reports.rows(report),
        name_of=partial(name_of, report),
        images={name: _embedded(image) for name, image in evaluation.images.items()},
        histogram=plots.class_histogram(report),
        curves=plots.perturbation_curves(report.tolerance, report.perturbation) if report.perturbation else [],
        perturbations=PERTURBATIONS,
        stopping=plots.stopping_curve(report.stopping) if report.stopping else "",
    )


def _embedded(image: np.ndarray) -> str:
    stream = io.BytesIO()
    images.to_pil(image).save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
