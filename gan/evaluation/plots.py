"""Plots of a report: SVG text with colors that follow the page."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

from gan.evaluation.report import EvaluationReport, PerturbationPoint
from gan.evaluation.report_text import PERTURBATIONS
from gan.evaluation.stopping import StoppingHistory
from gan.tolerance import Confirmation, Verdict
from gan.utils.display import STYLE

INK, SAMPLES, REAL = "#010203", "#c2410c", "#475569"
WITHIN, EXCEEDED, UNDECIDED = "#15803d", "#b91c1c", "#a16207"
PAGE_COLORS = {
    INK: "currentColor",
    SAMPLES: f"var(--samples, {SAMPLES})",
    REAL: f"var(--real, {REAL})",
    WITHIN: f"var(--within, {WITHIN})",
    EXCEEDED: f"var(--exceeded, {EXCEEDED})",
    UNDECIDED: f"var(--undecided, {UNDECIDED})",
}
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

CONFIRMED: dict[Verdict, tuple[str, str]] = {
    "within": ("o", WITHIN),
    "undecided": ("D", UNDECIDED),
    "exceeded": ("X", EXCEEDED),
}
"""Marker and color of a confirmation, by its verdict."""


def class_histogram(report: EvaluationReport) -> str:
    """Plots the share of each class, in samples and in test images, as SVG text; "" without a classifier."""
    histogram, width = report.class_histogram, 0.4
    if histogram is None:
        return ""
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


def perturbation_curves(tolerance: float | None, points: Sequence[PerturbationPoint]) -> list[str]:
    """Plots the error rate against the severity of each fault with several severities, as SVG texts.

    Args:
        tolerance: drawn as a horizontal line. None: no line.
        points: the first is without a fault.
    """
    clean = replace(points[0], severity=0.0)
    faults: dict[str, list[PerturbationPoint]] = {}
    for point in points[1:]:
        faults.setdefault(point.fault, []).append(point)
    graded = {fault: [clean, *of_fault] for fault, of_fault in faults.items() if len(of_fault) > 1}
    highest = max((point.error_rate_upper for curve in graded.values() for point in curve), default=0.0)
    plots = []
    with rc_context(SVG_STYLE):
        for fault, curve in graded.items():
            figure = Figure(figsize=SIZE, layout="constrained")
            axes = figure.subplots()
            _curve(axes, tolerance, curve)
            axes.set(title=PERTURBATIONS.get(fault, fault), xlabel="severity (standard deviations)")
            axes.set(ylabel="error rate (%)", ylim=(0, 105 * max(highest, tolerance or 0.0, 1e-3)))
            plots.append(_svg(figure))
    return plots


def _curve(axes: Axes, tolerance: float | None, curve: Sequence[PerturbationPoint]) -> None:
    severity = [point.severity for point in curve]
    axes.plot(severity, [100 * point.error_rate for point in curve], "o-", color=SAMPLES, markersize=4)
    lower = [100 * point.error_rate_lower for point in curve]
    upper = [100 * point.error_rate_upper for point in curve]
    axes.fill_between(severity, lower, upper, color=SAMPLES, alpha=0.2, linewidth=0)
    if tolerance is None:
        return
    axes.axhline(100 * tolerance, color=REAL, linestyle="--", linewidth=1)
    axes.annotate("tolerance", (max(severity), 100 * tolerance), (0, 3), textcoords="offset points",
                  ha="right", color=REAL)  # fmt: skip


def stopping_curve(history: StoppingHistory) -> str:
    """Plots the error rate of each interval against the images seen, with the confirmations, as SVG text.

    The error rate has a logarithmic scale, because it falls by orders of magnitude. A rate of 0 lies at the lower edge.
    Confirmations of the same interval are beside each other. Returns "" for a history without a curve.
    """
    if not history.curve:
        return ""
    shown = [(one, history.images_at(one.interval)) for one in history.confirmations]
    placed = [(one, images) for one, images in shown if images is not None]
    images = [point.images for point in history.curve]
    uppers = [point.error_rate_upper for point in history.curve] + [one.bounds[1] for one, _ in placed]
    seen = [*uppers, history.tolerance]
    seen += [point.error_rate for point in history.curve] + [number for one, _ in placed for number in one.bounds]
    lowest = 100 * min(number for number in seen if number > 0) / 1.5

    def height(rates: Sequence[float]) -> list[float]:
        return [max(100 * rate, lowest) for rate in rates]

    with rc_context(SVG_STYLE):
        figure = Figure(figsize=(SIZE[0], 3.4), layout="constrained")  # higher, for a legend of two rows
        axes = figure.subplots()
        axes.set_yscale("log")
        lower, upper = (
            height([getattr(point, f"error_rate_{end}") for point in history.curve]) for end in ("lower", "upper")
        )
        axes.fill_between(images, lower, upper, color=SAMPLES, alpha=0.2, linewidth=0)
        rates = height([point.error_rate for point in history.curve])
        axes.plot(images, rates, "o-", color=SAMPLES, markersize=3, linewidth=1.2, label="each interval")
        nominated = [(point.images, rate) for point, rate in zip(history.curve, rates) if point.is_nominated]
        if nominated:
            axes.plot(*zip(*nominated), "o", mfc="none", mec=SAMPLES, markersize=9, label="nominated")
        _confirmations(figure, axes, placed, height)
        tolerance = height([history.tolerance])[0]
        axes.axhline(tolerance, color=REAL, linestyle="--", linewidth=1)
        side = 3 if history.tolerance < 0.5 else -12  # a high line needs its label below it
        axes.annotate("tolerance", (0, tolerance), (3, side), textcoords="offset points", ha="left", color=REAL)
        axes.set(xlabel="images seen", ylabel="error rate (%)")
        axes.set(xlim=(0, 1.05 * max(images)), ylim=(lowest, 100 * min(1.0, 1.5 * max(*uppers, history.tolerance))))
        axes.xaxis.set(major_locator=MaxNLocator(5, integer=True), major_formatter=FuncFormatter(_whole))
        axes.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter=FuncFormatter(_short))
        axes.yaxis.set(minor_locator=LogLocator(subs=()), minor_formatter=NullFormatter())
        axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.45, 1), columnspacing=1.2)
        return _svg(figure)


def _confirmations(
    figure: Figure,
    axes: Axes,
    placed: Sequence[tuple[Confirmation, int]],
    height: Callable[[Sequence[float]], list[float]],
) -> None:
    """Draws each confirmation, with the number of images at its interval, as a point with its interval."""
    names = list(CONFIRMED)  # each verdict once in the legend
    before: dict[int, int] = {}
    for one, images in placed:
        marker, color = CONFIRMED[one.verdict]
        beside = before.get(images, 0)
        before[images] = beside + 1
        value, lower, upper = height([one.rate.value, *one.bounds])
        shift = ScaledTranslation(7 * beside / 72, 0, figure.dpi_scale_trans)
        drawn: Any = {"color": color, "transform": axes.transData + shift, "zorder": 3, "clip_on": False}
        axes.plot([images, images], [lower, upper], "-", linewidth=1.6, **drawn)
        label = "_"
        if one.verdict in names:
            names.remove(one.verdict)
            label = one.verdict
        axes.plot([images], [value], marker, markersize=6, label=label, gid=f"confirmation-{one.attempt}", **drawn)


def _whole(number: float, position: int | None = None) -> str:
    return f"{number:,.0f}"


def _short(number: float, position: int | None = None) -> str:
    return f"{number:g}"


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    svg = stream.getvalue()
    for color, of_page in PAGE_COLORS.items():
        svg = svg.replace(color, of_page)
    return svg[svg.index("<svg") :]
