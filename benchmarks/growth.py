"""python -m benchmarks growth: time and memory of a train step against batch, width and image size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks import machine, runs
from benchmarks.benchmark import Benchmark, Record, Say, provenance
from benchmarks.summary import PowerLaw, Spread, Table, written
from gan.config import PRESETS, TrainConfig
from gan.errors import TrainingError, check, check_positive, check_whole
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure, Panel
    from gan.data.dataset import Dataset

QUANTITIES = {"seconds_per_step": ("ms a step", 1e3), "megabytes": ("memory (MB)", 1.0)}
"""{what grows: (label, what it is times there)}."""
PLACE = {"batch": "images", "width": "filters", "size": "pixels, side"}
SIDE = 32
"""Of images where it is not the size that grows."""
LABELS = 10


@dataclass(frozen=True)
class Growth(Benchmark):
    """Measure how time and memory of a train step grow with the batch, the networks' width and the images' size.

    Each point in a process of its own, so that it holds nothing of the others, all of them in turns; on images of
    noise. What is done is kept in --out, and the same command goes on where it was broken off; points and rounds may be
    added.
    """

    preset: str = "mnist"
    """One of `gan presets`; all but what grows is as it has it."""
    batches: tuple[int, ...] = (8, 16, 32, 64, 128, 256)
    """Batch sizes, for images of 32 x 32."""
    widths: tuple[int, ...] = (8, 16, 32, 64, 128)
    """Widths of both networks, for images of 32 x 32."""
    sizes: tuple[int, ...] = (8, 16, 32, 64, 128)
    """Sides of square images, in pixels."""
    rounds: int = 3
    """How often each point is measured."""
    seconds: float = 2.0
    """About how long steps are made each time; at least one step."""
    out: Path = Path("benchmarks/results/growth")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "growth"

    @property
    def axes(self) -> dict[str, tuple[int, ...]]:
        """The points of each axis."""
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

    def measure(self, record: Record, say: Say) -> None:
        from concurrent.futures import BrokenExecutor, ProcessPoolExecutor  # slow to import, and `gan --help` is not
        from multiprocessing import get_context

        keys = [(axis, value, number) for number in range(self.rounds) for axis, values in self.axes.items()
                for value in values]  # fmt: skip
        configs = {axis: {value: config_of(self.preset, axis, value) for value in values}
                   for axis, values in self.axes.items()}  # fmt: skip
        planned = [(f"{axis}-{value}-{number}", axis, value, configs[axis][value]) for axis, value, number in keys]
        missing = [plan for plan in planned if not record.has(plan[0], runs.identity(plan[3]))]
        say(f"{len(planned)} measurements, {len(planned) - len(missing)} of them recorded in {record.path}")
        sizes = {}
        for _, axis, value, config in missing:  # what cannot be built is refused before anything is measured
            if (axis, value) not in sizes:
                sizes[axis, value] = runs.parameters(config, noise(config))
                runs.forget()
        for number, (key, axis, value, config) in enumerate(missing, 1):
            try:
                with ProcessPoolExecutor(1, get_context("spawn"), runtime.load_tensorflow) as process:
                    found = process.submit(measured, config, self.seconds).result()
            except BrokenExecutor as error:
                raise TrainingError(f"{key}: its process was killed, perhaps for want of memory") from error
            record.add(key, runs.identity(config), {"axis": axis, "value": value, **sizes[axis, value], **found})
            say(f"{key}, {number} of {len(missing)}: {1e3 * found['seconds_per_step']:,.1f} ms a step")

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
                        written((run["seconds_per_step"] for run in found), ",.1f", scale=1e3),
                        written(rates, ",.0f"),
                        f"{1e-6 * found[0]['flops_per_step'] / images:,.1f}",
                        written((run["flops_per_step"] / run["seconds_per_step"] for run in found), ",.1f", scale=1e-9),
                        written((run["megabytes"] for run in found), ",.0f"),
                        *(f"{found[0][f'{network}_parameters']:,}" for network in ("generator", "discriminator")),
                    ]
                )
        settings = content["settings"]
        return Table(
            f"A train step of {settings['preset']} as one thing grows: median (least to most) of n processes.",
            ["point", "n", "ms a step", "images/s", "MFLOP/image", "GFLOP/s", "memory (MB)", "G weights", "D weights"],
            rows,
            [
                "Steps in a bare loop, compiling left out. FLOPs: of matrix products and convolutions. Memory: the "
                "most that a process held while it built, compiled and trained, beyond TensorFlow itself.",
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
        curves[f"grows with the power {law.exponent:.2f}"] = [(x, scale * y) for x, y in law.curve(points)]
    return Panel(f"{axis} ({PLACE[axis]})", label, curves, log=True, log_x=True)


def _points(content: Mapping[str, Any]) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """{axis: {value: [runs]}}, values in order."""
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for run in sorted(content["runs"].values(), key=lambda run: run["value"]):
        found.setdefault(run["axis"], {}).setdefault(run["value"], []).append(run)
    return {axis: found[axis] for axis in PLACE if axis in found}


def _medians(content: Mapping[str, Any], name: str) -> dict[str, list[tuple[float, float]]]:
    """{axis: [(value, median)]} of what is known and positive."""
    return {
        axis: [
            (value, spread.median)
            for value, found in values.items()
            if (spread := Spread.of(run[name] for run in found)) and spread.median > 0
        ]
        for axis, values in _points(content).items()
    }


def _exponents(content: Mapping[str, Any]) -> Table:
    """The power that time and memory grow with: over all points, and between the two largest."""
    medians = {name: _medians(content, name) for name in QUANTITIES}
    rows = [
        [axis, *(law.written() if (law := PowerLaw.of(points)) else "-"
                 for name in QUANTITIES for points in (medians[name][axis], medians[name][axis][-2:]))]
        for axis in _points(content)
    ]  # fmt: skip
    return Table(
        "The power that it grows with: 1 is linear; of a size, 2 is linear in pixels, of a width, 2 in weights.",
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
"""What a value changes in a configuration, by axis."""


def config_of(preset: str, axis: str, value: int) -> TrainConfig:
    """The configuration of one value of an axis. Raises `InputError` for a value that no configuration has."""
    config = runs.unwatched(PRESETS[preset], dataset="noise", seed=0, images=runs.SCHEDULED, eval_every=None)
    return AXES[axis](_size(config, SIDE), value)


def noise(config: TrainConfig) -> "Dataset":
    """Grey images of noise, of a configuration's size, with labels, enough for a batch."""
    from gan.data.dataset import Dataset

    count = max(runs.images_per_step(config), LABELS)
    rng = np.random.default_rng(0)
    shape = config.data.height_and_width or (SIDE, SIDE)
    images = rng.integers(0, 256, (count, *shape, 1), dtype=np.uint8)
    labels = np.arange(count) % LABELS
    return Dataset.from_arrays(images, labels, validation=(images, labels), test=(images, labels), name="noise")


def measured(config: TrainConfig, seconds: float) -> dict[str, Any]:
    """{"seconds_per_step", "steps", "first_seconds", "images_per_step", "flops_per_step", "megabytes"} of a train step.

    To be called once in a process. megabytes: the most it held from here on, beyond what it held once TensorFlow has
    started; None: unknown.
    """
    from benchmarks.loops import bare_loop, compiled, fit_loop, seconds_of, steps_in

    runtime.start(seed=config.seed)
    dataset = noise(config)
    machine.reset_peak()
    before = machine.peak_megabytes()
    gan = compiled(config, dataset)
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
