"""python -m benchmarks growth: time and memory of a train step against batch size, width and image size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks import machine, runs
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import PowerLaw, Spread, Table, format_spread
from gan.config import PRESETS, TrainConfig
from gan.errors import TrainingError, check, check_positive, check_whole
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure, Panel
    from gan.data.dataset import Dataset

QUANTITIES = {"seconds_per_step": ("ms/step", 1e3), "megabytes": ("memory (MB)", 1.0)}
"""{measured quantity: (axis label, scale of the plotted values)}."""
PLACE = {"batch": "images", "width": "filters", "size": "pixels, side"}
SIDE = 32
"""Side of the images, in pixels, unless the size varies."""
LABELS = 10


@dataclass(frozen=True)
class Growth(Benchmark):
    """Measure how time and memory of a train step grow with batch size, network width and image size.

    Each point is measured in a separate process, and the points take turns. The images are noise. Finished points are
    saved in --out. The same command resumes an interrupted benchmark; points and rounds may be added.
    """

    preset: str = "mnist"
    """Preset for all other options (see `gan presets`)."""
    batches: tuple[int, ...] = (8, 16, 32, 64, 128, 256)
    """Batch sizes, with images of 32 x 32 pixels."""
    widths: tuple[int, ...] = (8, 16, 32, 64, 128)
    """Widths of both networks, with images of 32 x 32 pixels."""
    sizes: tuple[int, ...] = (8, 16, 32, 64, 128)
    """Sides of square images, in pixels."""
    rounds: int = 3
    """Measurements of each point."""
    seconds: float = 2.0
    """Approximate duration of each measurement, in seconds; at least one step."""
    out: Path = Path("benchmarks/results/growth")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "growth"

    @property
    def axes(self) -> dict[str, tuple[int, ...]]:
        """Points of each axis."""
        return {"batch": self.batches, "width": self.widths, "size": self.sizes}

    def check(self) -> None:
        runs.check_presets((self.preset,))
        check_whole("rounds", self.rounds, 1)
        check_positive("seconds", self.seconds)
        check(any(self.axes.values()), "batches, widths, sizes", "at least one", "none")
        for axis, values in zip(("batches", "widths", "sizes"), self.axes.values()):
            check(len(set(values)) == len(values), axis, "each once", list(values))
            for value in values:
                check_whole(axis, value, 1)

    def settings(self) -> Mapping[str, Any]:
        return {"preset": self.preset, "seconds": self.seconds}

    def measure(self, record: Record, log: Log) -> None:
        from concurrent.futures import BrokenExecutor, ProcessPoolExecutor  # slow to import; --help stays fast
        from multiprocessing import get_context

        keys = [(axis, value, number) for number in range(self.rounds) for axis, values in self.axes.items()
                for value in values]  # fmt: skip
        configs = {axis: {value: config_of(self.preset, axis, value) for value in values}
                   for axis, values in self.axes.items()}  # fmt: skip
        planned = [(f"{axis}-{value}-{number}", axis, value, configs[axis][value]) for axis, value, number in keys]
        missing = [plan for plan in planned if not record.has(plan[0], runs.identity(plan[3]))]
        log(f"{len(planned)} measurements; {len(planned) - len(missing)} already recorded in {record.path}")
        sizes = {}
        for _, axis, value, config in missing:  # reject invalid configurations before the first measurement
            if (axis, value) not in sizes:
                sizes[axis, value] = runs.parameters(config, noise(config))
                runs.forget()
        for number, (key, axis, value, config) in enumerate(missing, 1):
            try:
                with ProcessPoolExecutor(1, get_context("spawn"), runtime.load_tensorflow) as process:
                    found = process.submit(measure_point, config, self.seconds).result()
            except BrokenExecutor as error:
                raise TrainingError(f"{key}: its process was killed, perhaps because memory ran out") from error
            record.add(key, runs.identity(config), {"axis": axis, "value": value, **sizes[axis, value], **found})
            log(f"{key}, {number} of {len(missing)}: {1e3 * found['seconds_per_step']:,.1f} ms/step")

    def table(self, content: Mapping[str, Any]) -> Table:
        rows = []
        for axis, values in _points(content).items():
            for value, found in values.items():
                images = found[0]["images_per_step"]
                rates = [images / run["seconds_per_step"] for run in found]
                rows.append(
                    [
                        f"{axis} {value}",
                        f"{len(found)}",
                        format_spread((run["seconds_per_step"] for run in found), ",.1f", scale=1e3),
                        format_spread(rates, ",.0f"),
                        f"{1e-6 * found[0]['flops_per_step'] / images:,.1f}",
                        format_spread(
                            (run["flops_per_step"] / run["seconds_per_step"] for run in found), ",.1f", scale=1e-9
                        ),
                        format_spread((run["megabytes"] for run in found), ",.0f"),
                        *(f"{found[0][f'{network}_parameters']:,}" for network in ("generator", "discriminator")),
                    ]
                )
        settings = content["settings"]
        return Table(
            f"Train step of {settings['preset']} while one quantity grows: median (minimum to maximum) of n processes.",
            ["point", "n", "ms/step", "images/s", "MFLOP/image", "GFLOP/s", "memory (MB)", "G weights", "D weights"],
            rows,
            [
                "Steps run in a bare loop, without compilation. FLOPs: matrix products and convolutions only. Memory: "
                "peak of a process while it builds, compiles and trains, without TensorFlow itself.",
                "",
                *_exponents(content).markdown().splitlines(),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import panels

        drawn = [
            _panel(axis, points, label, scale)
            for name, (label, scale) in QUANTITIES.items()
            for axis, points in _medians(content, name).items()
        ]
        columns = max(1, len(_points(content)))
        return panels(drawn, title=f"A train step of {content['settings']['preset']}", columns=columns)


def _panel(axis: str, points: list[tuple[float, float]], label: str, scale: float) -> "Panel":
    from benchmarks.plot import Panel

    curves = {"median": [(x, scale * y) for x, y in points]}
    if law := PowerLaw.of(points):
        curves[f"power law, exponent {law.exponent:.2f}"] = [(x, scale * y) for x, y in law.curve(points)]
    return Panel(f"{axis} ({PLACE[axis]})", label, curves, log=True, log_x=True)


def _points(content: Mapping[str, Any]) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """Returns {axis: {value: [runs]}}, sorted by value."""
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for run in sorted(content["runs"].values(), key=lambda run: run["value"]):
        found.setdefault(run["axis"], {}).setdefault(run["value"], []).append(run)
    return {axis: found[axis] for axis in PLACE if axis in found}


def _medians(content: Mapping[str, Any], name: str) -> dict[str, list[tuple[float, float]]]:
    """Returns {axis: [(value, median)]} of all known positive medians."""
    return {
        axis: [
            (value, spread.median)
            for value, found in values.items()
            if (spread := Spread.of(run[name] for run in found)) and spread.median > 0
        ]
        for axis, values in _points(content).items()
    }


def _exponents(content: Mapping[str, Any]) -> Table:
    """Returns the exponents of time and memory: over all points, and between the two largest."""
    medians = {name: _medians(content, name) for name in QUANTITIES}
    rows = [
        [axis, *(law.format() if (law := PowerLaw.of(points)) else "-"
                 for name in QUANTITIES for points in (medians[name][axis], medians[name][axis][-2:]))]
        for axis in _points(content)
    ]  # fmt: skip
    return Table(
        "Exponent of the growth: 1 is linear. For size, 2 is linear in pixels; for width, 2 is linear in weights.",
        ["axis", "time, all points", "time, two largest", "memory, all points", "memory, two largest"],
        rows,
    )


def _batch(config: TrainConfig, value: int) -> TrainConfig:
    return replace(config, optimization=replace(config.optimization, batch_size=value))


def _width(config: TrainConfig, value: int) -> TrainConfig:
    return replace(config, model=replace(config.model, g_width=value, d_width=value))


def _size(config: TrainConfig, value: int) -> TrainConfig:
    return replace(config, data=replace(config.data, image_size=str(value)))


AXES: Mapping[str, Callable[[TrainConfig, int], TrainConfig]] = MappingProxyType(
    {"batch": _batch, "width": _width, "size": _size}
)
"""Functions that set a value in a configuration, by axis."""


def config_of(preset: str, axis: str, value: int) -> TrainConfig:
    """Returns the configuration for one value of an axis. Raises `InputError` for an invalid value."""
    config = runs.unwatched(PRESETS[preset], dataset="noise", seed=0, images=runs.SCHEDULED, eval_every=None)
    return AXES[axis](_size(config, SIDE), value)


def noise(config: TrainConfig) -> "Dataset":
    """Returns grayscale noise images with labels: the size of the configuration, enough for one batch."""
    from gan.data.dataset import Dataset

    count = max(runs.images_per_step(config), LABELS)
    rng = np.random.default_rng(0)
    shape = config.data.height_and_width or (SIDE, SIDE)
    images = rng.integers(0, 256, (count, *shape, 1), dtype=np.uint8)
    labels = np.arange(count) % LABELS
    return Dataset.from_arrays(images, labels, validation=(images, labels), test=(images, labels), name="noise")


def measure_point(config: TrainConfig, seconds: float) -> dict[str, Any]:
    """Measures a train step: {"seconds_per_step", "steps", "first_seconds", "images_per_step", "flops_per_step",
    "megabytes"}.

    Call it once per process. megabytes: peak memory from here on, minus the memory after TensorFlow has started; None:
    unknown.
    """
    from benchmarks.loops import bare_loop, compile_for_run, fit_loop, seconds_of, steps_in

    runtime.start(seed=config.seed)
    dataset = noise(config)
    machine.reset_peak()
    before = machine.peak_megabytes()
    gan = compile_for_run(config, dataset)
    fit = fit_loop(gan, config, dataset)
    loop = bare_loop(fit, gan, config, dataset)
    first = seconds_of(loop, 1)
    steps = steps_in(loop, seconds)
    taken = seconds_of(loop, steps)
    after = machine.peak_megabytes()
    return {
        "seconds_per_step": taken / steps,
        "steps": steps,
        "first_seconds": first,
        "images_per_step": loop.images,
        "flops_per_step": loop.flops,
        "megabytes": None if before is None or after is None else after - before,
    }
