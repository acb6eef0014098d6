"""The plots of a report, as SVG text that a page can hold."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from gan.evaluation.report import EvaluationReport, PerturbationPoint
from gan.evaluation.report_text import PERTURBATIONS
from gan.utils.display import STYLE

SAMPLES, REAL = "#c2410c", "#475569"
SVG_STYLE: Any = {**STYLE, "svg.fonttype": "none", "svg.hashsalt": "gan"}


def class_histogram(report: EvaluationReport) -> str:
    """Bars of the share of each class: in samples, and in test images."""
    histogram, width = report.class_histogram, 0.4
    with rc_context(SVG_STYLE):
        figure = Figure(figsize=(7, 3), layout="constrained")
        axes = figure.subplots()
        drawn = (("samples", histogram.samples, -0.5, SAMPLES), ("test images", histogram.real, 0.5, REAL))
        for name, counts, offset, colour in drawn:
            shares = [100 * count / max(1, sum(counts)) for count in counts]
            places = [label + offset * width for label in range(len(counts))]
            axes.bar(places, shares, width, color=colour, label=name)
        axes.set(xlabel="class that the classifier sees", ylabel="share (%)", xticks=range(len(histogram.real)))
        axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
        return _svg(figure)


def perturbation_curves(tolerance: float, points: Sequence[PerturbationPoint]) -> str:
    """The error rate, with its interval, against the severity of each fault that has severities.

    tolerance: a line that is drawn across. points: the first is without a fault.
    """
    clean = replace(points[0], severity=0.0)
    faults: dict[str, list[PerturbationPoint]] = {}
    for point in points[1:]:
        faults.setdefault(point.fault, []).append(point)
    graded = {fault: [clean, *of_fault] for fault, of_fault in faults.items() if len(of_fault) > 1}
    with rc_context(SVG_STYLE):
        figure = Figure(figsize=(7, 3), layout="constrained")
        plots = figure.subplots(1, max(1, len(graded)), squeeze=False, sharey=True)[0]
        for axes, (fault, curve) in zip(plots, graded.items()):
            severity = [point.severity for point in curve]
            axes.plot(severity, [100 * point.error_rate for point in curve], "o-", color=SAMPLES, markersize=4)
            lower = [100 * point.error_rate_lower for point in curve]
            upper = [100 * point.error_rate_upper for point in curve]
            axes.fill_between(severity, lower, upper, color=SAMPLES, alpha=0.2, linewidth=0)
            axes.axhline(100 * tolerance, color=REAL, linestyle="--", linewidth=1)
            axes.annotate("tolerance", (max(severity), 100 * tolerance), (0, 3), textcoords="offset points",
                          ha="right", color=REAL)  # fmt: skip
            axes.set(title=PERTURBATIONS.get(fault, fault), xlabel="severity (standard deviations)")
        plots[0].set(ylabel="error rate (%)", ylim=(0, None))
        return _svg(figure)


def _svg(figure: Figure) -> str:
    held = io.StringIO()
    figure.savefig(held, format="svg", metadata={"Date": None})
    drawn = held.getvalue()
    return drawn[drawn.index("<svg") :]
