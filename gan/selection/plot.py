"""The plot of a selection: error against images for all candidates, and against cost for the finished ones."""

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from gan.saving import files
from gan.selection.cost import UNITS, CandidateCost
from gan.selection.record import CandidateRecord, SelectionRecord
from gan.tolerance import wilson_interval
from gan.utils.display import STYLE

PLOT = "selection.png"
"""Name of the plot in the folder of a selection."""

FRONTIER, BEATEN, TESTED, TOLERANCE = "#c2410c", "#94a3b8", "#1d4ed8", "#334155"
FEW = 12
"""Candidates up to which each one is named in the plot. Of more, only those that were tested are."""
NEAR, NEAR_ERROR = 0.15, 0.08
"""Points with one label: largest distance as a share of the axis, and difference of the logarithms of their errors."""
LOWEST = 0.01
"""Lowest error rate in the plot, in percent; no error at all is drawn there."""


def plot_selection(record: SelectionRecord) -> bytes:
    """Draws a selection as PNG. The error rates have their Wilson 95 % intervals.

    Without a search, only the costs are drawn.
    """
    with rc_context({**STYLE, "font.size": 10}):
        draw = (_plot_search, _plot_cost) if record.trains else (_plot_cost,)
        figure = Figure(figsize=(11 if record.trains else 7, 4.4), layout="constrained")
        parts = figure.subplots(1, len(draw), sharey=True, squeeze=False)[0]
        for axes, plot in zip(parts, draw):
            plot(axes, record)
            axes.axhline(100 * record.options.tolerance, color=TOLERANCE, linestyle="--", linewidth=1)
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        parts[0].set_ylabel("wrong samples, %")
        if common := common_options([one.name for one in record.candidates]):
            figure.suptitle(f"all with {common}", x=0.01, horizontalalignment="left", fontsize=9)
        stream = BytesIO()
        figure.savefig(stream, format="png", dpi=150)
    return stream.getvalue()


def write_plot(folder: Path, record: SelectionRecord) -> Path:
    """Writes the plot of a selection into its folder, and returns the file."""
    path, content = folder / PLOT, plot_selection(record)
    files.write(path, lambda partial: partial.write_bytes(content))
    return path


def _plot_search(axes: Axes, record: SelectionRecord) -> None:
    axes.set_title("Search: looks at validation data", loc="left", fontsize=10)
    axes.set_xlabel("images that D has seen")
    looked = [one for one in record.candidates if one.looks]
    for one in looked:
        images, error = [look.images for look in one.looks], [_percent(look.error) for look in one.looks]
        color = _color(one, record)
        axes.plot(images, error, color=color, linewidth=1, marker="o", markersize=3, zorder=3 if _is_kept(one) else 2)
        if not one.is_finished:
            axes.plot(images[-1:], error[-1:], color=color, marker="x", markersize=7)
    named = [one for one in looked if len(looked) <= FEW or one.name == record.chosen]
    ends = [(_name(one, record), float(one.looks[-1].images), _percent(one.looks[-1].error)) for one in named]
    for names, images_seen, error_rate in _labels(ends, is_log=False):
        axes.annotate(
            "\n".join(names),
            (images_seen, error_rate),
            xytext=(7, 0),
            textcoords="offset points",
            fontsize=8,
            verticalalignment="center",
            in_layout=False,
        )
    axes.plot([], [], "x", color=BEATEN, markersize=7, label="left the search")
    axes.legend(fontsize=8, loc="lower left")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(0, 1.4 * max((one.looks[-1].images for one in looked), default=1))


def _plot_cost(axes: Axes, record: SelectionRecord) -> None:
    axes.set_title("Error against cost" + (": finished candidates" if record.trains else ""), loc="left", fontsize=10)
    axes.set_xlabel(UNITS[record.options.cost])
    finished = [(one, one.cost) for one in record.candidates if one.is_finished and one.cost is not None]
    for one, cost in finished:
        look = one.looks[-1]
        _plot_rate(axes, cost, look.wrong, look.num, _color(one, record), "o" if _is_kept(one) else ".")
        if one.test is not None:
            _plot_rate(axes, cost, one.test.wrong, one.test.num, TESTED, "D" if one.test.passed else "X", shift=1.03)
        if one.name == record.chosen:
            axes.plot(cost.value, _percent(look.error), "o", markersize=16, markerfacecolor="none", color=FRONTIER)
    named = [(one, cost) for one, cost in finished if len(finished) <= FEW or one.test is not None]
    points = [(_name(one, record), cost.value, _percent(one.looks[-1].error)) for one, cost in named]
    for names, value, error in _labels(points, is_log=True):
        axes.annotate(
            "\n".join(names),
            (value, error),
            xytext=(-11, 4),
            textcoords="offset points",
            fontsize=8,
            horizontalalignment="right",
            in_layout=False,
        )
    if finished:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        values = [cost.value for _, cost in finished]
        space = max(max(values) / min(values), 2.0) ** 0.6  # of the names
        axes.set_xlim(min(values) / space, max(values) * space**0.3)
    for label, color, marker in (
        ("on the frontier, validation", FRONTIER, "o"),
        ("passed its test", TESTED, "D"),
        ("did not pass", TESTED, "X"),
        ("beaten, or too little coverage", BEATEN, "."),
    ):
        axes.plot([], [], marker, color=color, label=label)
    axes.plot([], [], "--", color=TOLERANCE, linewidth=1, label=f"tolerance {100 * record.options.tolerance:g} %")
    axes.legend(fontsize=8, loc="best")


def common_options(names: Sequence[str]) -> str:
    """Returns the varied options that all names end with, such as `images=40000`; "" if they differ.

    A name is a preset, and the varied options after a comma.
    """
    options = {name.partition(",")[2] for name in names}
    return options.pop() if len(options) == 1 else ""


def _name(one: CandidateRecord, record: SelectionRecord) -> str:
    """Returns the name of a candidate, without the options that all have."""
    common = common_options([other.name for other in record.candidates])
    return one.name.removesuffix(f",{common}") if common else one.name


def _labels(points: Sequence[tuple[str, float, float]], *, is_log: bool) -> list[tuple[list[str], float, float]]:
    """Returns (names, x, error) of each label, at its leftmost point: near points have one label together.

    points: (name, x, error) of each point, all above 0. is_log: whether the axis of x is logarithmic.
    """
    ordered = sorted(points, key=lambda point: point[1])
    scale = math.log if is_log else float
    span = scale(ordered[-1][1]) - (scale(ordered[0][1]) if is_log else 0.0) if ordered else 0.0
    labels: list[tuple[list[str], float, float]] = []
    for name, x, error in ordered:
        for names, first, height in labels:
            if scale(x) - scale(first) <= NEAR * span and abs(math.log(error / height)) <= NEAR_ERROR:
                names.append(name)
                break
        else:
            labels.append(([name], x, error))
    return labels


def _plot_rate(
    axes: Axes, cost: CandidateCost, wrong: int, num: int, color: str, marker: str, *, shift: float = 1.0
) -> None:
    lower, upper = (_percent(bound) for bound in wilson_interval(wrong, num))
    center = _percent(wrong / num)
    axes.errorbar(
        cost.value * shift,
        center,
        yerr=[[max(0.0, center - lower)], [max(0.0, upper - center)]],
        fmt=marker,
        color=color,
        markersize=6,
        linewidth=1,
        capsize=2,
        zorder=3,
    )


def _is_kept(one: CandidateRecord) -> bool:
    return one.is_finished and one.dropped is None


def _color(one: CandidateRecord, record: SelectionRecord) -> str:
    return FRONTIER if _is_kept(one) and record.order is not None else BEATEN


def _percent(rate: float) -> float:
    return max(LOWEST, 100 * rate)
