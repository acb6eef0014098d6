"""Plots of a report: SVG text with colors that follow the page."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan.evaluation.report import EvaluationReport, PerturbationPoint
from gan.evaluation.report_text import PERTURBATIONS
from gan.utils.display import STYLE

INK, SAMPLES, REAL = "#010203", "#c2410c", "#475569"
PAGE_COLORS = {INK: "currentColor", SAMPLES: f"var(--samples, {SAMPLES})", REAL: f"var(--real, {REAL})"}
"""What each color of a plot becomes in the page, so that plots follow its light or dark theme."""
INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color")
SVG_STYLE: Any = {
    **STYLE,
    **dict.fromkeys(INKED, INK),
    "grid.alpha": 0.18,
    "svg.fonttype": "none",
    "svg.hashsalt": "gan",
}
SIZE = (5.2, 2.9)
"""Inches: narrow enough for a phone without shrinking the text."""


def class_histogram(report: EvaluationReport) -> str:
    """Plots the share of each class, in samples and in test images, as SVG text."""
    histogram, width = report.class_histogram, 0.4
    classes = len(histogram.real)
    with rc_context(SVG_STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        series = (("samples", histogram.samples, -0.5, SAMPLES), ("test images", histogram.real, 0.5, REAL))
        for name, counts, offset, color in series:
            shares = [100 * count / max(1, sum(counts)) for count in counts]
            positions = [label + offset * width for label in range(len(counts))]
            axes.bar(positions, shares, width, color=color, label=name)
        axes.set(xlabel="class found by the classifier", ylabel="share (%)")
        axes.set(xticks=range(0, classes, -(-classes // 20)))
        axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
        return _svg(figure)


def perturbation_curves(tolerance: float, points: Sequence[PerturbationPoint]) -> list[str]:
    """Plots the error rate against the severity of each fault with several severities, as SVG texts.

    Args:
        tolerance: drawn as a horizontal line.
        points: the first is without a fault.
    """
    clean = replace(points[0], severity=0.0)
    faults: dict[str, list[PerturbationPoint]] = {}
    for point in points[1:]:
        faults.setdefault(point.fault, []).append(point)
    graded = {fault: [clean, *of_fault] for fault, of_fault in faults.items() if len(of_fault) > 1}
    highest = max((point.error_rate_upper for curve in graded.values() for point in curve), default=tolerance)
    plots = []
    with rc_context(SVG_STYLE):
        for fault, curve in graded.items():
            figure = Figure(figsize=SIZE, layout="constrained")
            axes = figure.subplots()
            _curve(axes, tolerance, curve)
            axes.set(title=PERTURBATIONS.get(fault, fault), xlabel="severity (standard deviations)")
            axes.set(ylabel="error rate (%)", ylim=(0, 105 * max(highest, tolerance)))
            plots.append(_svg(figure))
    return plots


def _curve(axes: Axes, tolerance: float, curve: Sequence[PerturbationPoint]) -> None:
    severity = [point.severity for point in curve]
    axes.plot(severity, [100 * point.error_rate for point in curve], "o-", color=SAMPLES, markersize=4)
    lower = [100 * point.error_rate_lower for point in curve]
    upper = [100 * point.error_rate_upper for point in curve]
    axes.fill_between(severity, lower, upper, color=SAMPLES, alpha=0.2, linewidth=0)
    axes.axhline(100 * tolerance, color=REAL, linestyle="--", linewidth=1)
    axes.annotate("tolerance", (max(severity), 100 * tolerance), (0, 3), textcoords="offset points",
                  ha="right", color=REAL)  # fmt: skip


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    svg = stream.getvalue()
    for color, of_page in PAGE_COLORS.items():
        svg = svg.replace(color, of_page)
    return svg[svg.index("<svg") :]
