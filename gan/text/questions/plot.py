"""Draws the tolerance curve: error rate of the answers against the share of questions answered."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gan.saving import files
from gan.text.questions.grading import LEAST_ANSWERED, Point


def save_curve(path: Path, curves: Mapping[str, Sequence[Point]], *, tolerance: float) -> None:
    """Writes an image of tolerance curves, with the Wilson 95 % interval of each point. The suffix names the format.

    Args:
        path: file to write.
        curves: name, such as that of a language -> points, from all answers to few.
        tolerance: highest accepted error rate, drawn as a line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in curves.items():
        answered = [point.answered for point in points]
        (line,) = axes.plot(answered, [point.error_rate for point in points], label=name)
        lower, upper = ([getattr(point, f"error_rate_{end}") for point in points] for end in ("lower", "upper"))
        axes.fill_between(answered, lower, upper, alpha=0.2, color=line.get_color())
    axes.axhline(tolerance, color="gray", linestyle="--", label="tolerance")
    axes.axvline(LEAST_ANSWERED, color="gray", linestyle=":")
    axes.set(xlabel="share of the known questions that are answered", ylabel="error rate of the answers")
    axes.set_ylim(bottom=0)
    axes.legend()
    files.write(path, figure.savefig)
