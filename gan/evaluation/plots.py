"""The plots of a report, as SVG text that a page can hold."""

import io
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from gan.evaluation.report_text import PERTURBATIONS
from gan.utils.display import STYLE

PICTURES, REAL = "#c2410c", "#475569"
SVG_STYLE: Any = {**STYLE, "svg.fonttype": "none", "svg.hashsalt": "gan"}


def class_histogram(report: dict[str, Any]) -> str:
    """Bars of the share of each class: in pictures, and in test images."""
    histogram, width = report["class_histogram"], 0.4
    with rc_context(SVG_STYLE):
        figure = Figure(figsize=(7, 3), layout="constrained")
        axes = figure.subplots()
        for offset, side, colour in ((-0.5, "pictures", PICTURES), (0.5, "real", REAL)):
            counts = histogram[side]
            shares = [100 * count / max(1, sum(counts)) for count in counts]
            places = [label + offset * width for label in range(len(counts))]
            axes.bar(places, shares, width, color=colour, label="pictures" if side == "pictures" else "test images")
        axes.set(xlabel="class that the classifier sees", ylabel="share (%)", xticks=range(len(histogram["real"])))
        axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
        return _svg(figure)


def perturbation_curves(report: dict[str, Any]) -> str:
    """The error rate, with its interval, against the severity of each fault that has severities."""
    clean = report["perturbation"][0]
    faults: dict[str, list[dict[str, Any]]] = {}
    for point in report["perturbation"][1:]:
        faults.setdefault(point["fault"], []).append(point)
    graded = {fault: [{**clean, "severity": 0.0}, *points] for fault, points in faults.items() if len(points) > 1}
    with rc_context(SVG_STYLE):
        figure = Figure(figsize=(7, 3), layout="constrained")
        plots = figure.subplots(1, max(1, len(graded)), squeeze=False, sharey=True)[0]
        for axes, (fault, points) in zip(plots, graded.items()):
            severity = [point["severity"] for point in points]
            axes.plot(severity, [100 * point["error_rate"] for point in points], "o-", color=PICTURES, markersize=4)
            lower, upper = ([100 * point[f"error_rate_{end}"] for point in points] for end in ("lower", "upper"))
            axes.fill_between(severity, lower, upper, color=PICTURES, alpha=0.2, linewidth=0)
            axes.axhline(100 * report["tolerance"], color=REAL, linestyle="--", linewidth=1)
            axes.annotate("tolerance", (max(severity), 100 * report["tolerance"]), (0, 3), textcoords="offset points",
                          ha="right", color=REAL)  # fmt: skip
            axes.set(title=PERTURBATIONS.get(fault, fault), xlabel="severity (standard deviations)")
        plots[0].set(ylabel="error rate (%)", ylim=(0, None))
        return _svg(figure)


def _svg(figure: Figure) -> str:
    held = io.StringIO()
    figure.savefig(held, format="svg", metadata={"Date": None})
    drawn = held.getvalue()
    return drawn[drawn.index("<svg") :]
