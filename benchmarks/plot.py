"""Plots of benchmarks as PNG files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from benchmarks.summary import Spread
from gan.saving import files
from gan.utils.display import STYLE

__all__ = ["Figure", "Panel", "Route", "bars", "panels", "plane", "scatter", "write_png"]

PNG_STYLE: Any = {**STYLE, "savefig.dpi": 150}
COLORS = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490", "#a16207", "#be185d", "#4d7c0f", "#374151")
MARKERS = "osD^vP"

Points = Sequence[tuple[float, float]]


def scatter(
    points: Mapping[str, Points], *, x: str, y: str, title: str, line: tuple[str, float] | None = None
) -> Figure:
    """Draws points (x, y) with one color and marker per kind. The y axis is logarithmic. `line`: (label, y)."""
    with rc_context(PNG_STYLE):
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        for number, (kind, known) in enumerate(points.items()):
            marker, color = MARKERS[number % len(MARKERS)], COLORS[number % len(COLORS)]
            if known:
                axes.plot(*zip(*known), marker, color=color, label=_short(kind), markersize=7, alpha=0.85)
        if line is not None:
            axes.axhline(line[1], color="#475569", linestyle="--", linewidth=1, label=line[0])
        axes.set(xlabel=x, ylabel=y, title=title, yscale="log")
        axes.set_xlim(0, 1.05 * axes.dataLim.xmax if any(points.values()) else 1)
        _plain_ticks(axes)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        return figure


@dataclass(frozen=True)
class Panel:
    """Axes with labels x and y, and the points (x, y) of each curve. A curve of one point is a horizontal line."""

    x: str
    y: str
    curves: Mapping[str, Points]
    log: bool = False
    """Whether the y axis is logarithmic."""
    log_x: bool = False
    """Whether the x axis is logarithmic, with a tick at each x of the first curve."""


def panels(drawn: Sequence[Panel], *, title: str, columns: int | None = None) -> Figure:
    """Draws panels side by side. `columns`: panels in a row; None: all of them."""
    columns = columns or len(drawn)
    rows = -(-len(drawn) // columns)
    with rc_context(PNG_STYLE):
        figure = Figure(figsize=(5 * columns, 4 * rows), layout="constrained")
        figure.suptitle(title)
        for axes, panel in zip(figure.subplots(rows, columns, squeeze=False).flat, drawn):
            for number, (label, points) in enumerate(panel.curves.items()):
                color = COLORS[number % len(COLORS)]
                if len(points) == 1:
                    axes.axhline(points[0][1], color=color, linestyle="--", linewidth=1, label=_short(label))
                elif points:
                    axes.plot(
                        *zip(*points),
                        "o-" if len(points) <= 50 else "-",
                        color=color,
                        markersize=4,
                        label=_short(label),
                    )
            axes.set(xlabel=panel.x, ylabel=panel.y)
            if panel.log_x:
                axes.set_xscale("log")
                axes.set_xticks([x for x, _ in next(iter(panel.curves.values()), ())])
                axes.xaxis.set_minor_locator(NullLocator())
            else:
                axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter("{x:,.0f}")
            if panel.log:
                axes.set_yscale("log")
                _plain_ticks(axes)
            axes.legend(frameon=False)
        return figure


@dataclass(frozen=True)
class Route:
    """Points (x, y) of one kind, in order, with a line through them. `names`: words beside the points; (): none."""

    points: Points
    names: Sequence[str] = ()


def plane(routes: Mapping[str, Sequence[Route]], *, x: str, y: str, title: str) -> Figure:
    """Draws routes in a plane, with one color and marker per kind. A route of one point is a large marker."""
    with rc_context(PNG_STYLE):
        figure = Figure(figsize=(9, 5.5), layout="constrained")
        axes = figure.subplots()
        for number, (kind, of_kind) in enumerate(routes.items()):
            marker, color = MARKERS[number % len(MARKERS)], COLORS[number % len(COLORS)]
            for first, route in enumerate(of_kind):
                size = 9 if len(route.points) == 1 else 5
                label = None if first else _short(kind)
                axes.plot(*zip(*route.points), f"{marker}-", color=color, label=label, markersize=size, alpha=0.85)
                for point, name in zip(route.points, route.names):
                    axes.annotate(name, point, xytext=(6, -12), textcoords="offset points", color=color, fontsize=9)
        axes.set(xlabel=x, ylabel=y, title=title)
        axes.set_xlim(0, None)
        axes.set_ylim(0, None)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        return figure


def bars(groups: Mapping[str, Mapping[str, Sequence[float]]], *, title: str, stacked: bool = False) -> Figure:
    """Draws one panel of horizontal bars for each label of an x axis, side by side or stacked.

    A bar shows the median of the values of a name; a line across its end shows their range.
    """
    with rc_context(PNG_STYLE):
        sizes, panels = [1.5 + 0.35 * len(values) for values in groups.values()], max(1, len(groups))
        size = (10, sum(sizes, 0.5)) if stacked else (6 * panels, max(sizes, default=1.5))
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(title)
        shape = {"nrows": panels, "height_ratios": sizes or None} if stacked else {"ncols": panels}
        for number, (axes, (x, values)) in enumerate(zip(figure.subplots(**shape, squeeze=False).flat, groups.items())):
            spreads = {_short(name, 40): spread for name, known in values.items() if (spread := Spread.of(known))}
            ranges = [[s.median - s.least for s in spreads.values()], [s.most - s.median for s in spreads.values()]]
            axes.barh(
                list(spreads),
                [spread.median for spread in spreads.values()],
                xerr=ranges,
                color=COLORS[number % len(COLORS)],
                alpha=0.85,
                ecolor="#475569",
            )
            axes.invert_yaxis()
            axes.set(xlabel=x)
        return figure


def _short(label: str, most: int = 30) -> str:
    """Shortens a label that is too long for a legend, such as a path, to its end."""
    return label if len(label) <= most else "..." + label[3 - most :]


def _plain_ticks(axes: Any) -> None:
    """Labels a logarithmic y axis with numbers such as 0.5 and 20 instead of powers."""
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else MaxNLocator(5))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def write_png(path: Path, figure: Figure) -> None:
    """Writes a figure atomically."""
    with rc_context(PNG_STYLE):
        files.write(path, lambda beside: figure.savefig(beside, format="png"))
