"""python -m benchmarks step: cost of a train step, peak speed of the machine, and a profile by operation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import runs
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.config import PRESETS, TrainConfig
from gan.errors import check_positive, check_whole
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure
    from gan.data.dataset import Dataset

FIT, BARE, PRODUCT = "fit", "bare loop", "matrix product"
NO_OPERATION, OTHERS = "(no operation runs)", "(others)"
PRODUCTS = ("MatMul", "Conv2D")
"""Parts of the names of matrix products and convolutions in the optimized graph."""
NAMED_KINDS = 16
"""Number of kinds of operation in the table. The others are in results.json."""
LEAST_TRACED = 4


@dataclass(frozen=True)
class Step(Benchmark):
    """Compare `fit` with a bare loop of the same train step, and its FLOP/s with a matrix product.

    The loops take turns in one process, round by round. FLOPs count matrix products and convolutions in the graph of
    one step. Finally, a few steps are traced, and their time is reported by kind of operation.
    """

    presets: tuple[str, ...] = ("mnist", "tf-tutorial")
    """Presets (see `gan presets`). tf-tutorial is also compared with the loop of the tutorial."""
    rounds: int = 5
    """Measurements of each loop."""
    seconds: float = 5.0
    """Approximate duration of each measurement, in seconds; at least one execution of the graph."""
    size: int = 4_096
    """Rows and columns of the multiplied matrices."""
    dataset: str = "mnist"
    """Dataset of all presets, instead of their own."""
    out: Path = Path("benchmarks/results/step")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "step"

    def check(self) -> None:
        runs.check_presets(self.presets)
        check_whole("rounds", self.rounds, 1)
        check_whole("size", self.size, 1)
        check_positive("seconds", self.seconds)

    def settings(self) -> Mapping[str, Any]:
        return {"dataset": self.dataset, "rounds": self.rounds, "seconds": self.seconds, "size": self.size}

    def measure(self, record: Record, log: Log) -> None:
        from gan.data.load import load_dataset

        planned = {preset: self._config(preset) for preset in self.presets}
        missing = {preset: c for preset, c in planned.items() if not record.has(preset, runs.identity(c))}
        if not missing:
            return
        runtime.start(seed=0)
        dataset = load_dataset(self.dataset, fallback="none")
        sizes = {preset: runs.parameters(config, dataset) for preset, config in missing.items()}
        for preset, config in missing.items():
            runs.forget()
            found = self._of(preset, config, dataset, log)
            record.add(preset, runs.identity(config), {"preset": preset, **sizes[preset], **found})

    def _config(self, preset: str) -> TrainConfig:
        return runs.unwatched(PRESETS[preset], dataset=self.dataset, seed=0, images=runs.SCHEDULED, eval_every=None)

    def _of(self, preset: str, config: TrainConfig, dataset: "Dataset", log: Log) -> dict[str, Any]:
        """Measures a preset: {"loops": {name: measurements}, "profile": [one per round]}."""
        from benchmarks import loops
        from benchmarks.profiler import trace_calls

        gan = loops.compile_for_run(config, dataset)
        fit = loops.fit_loop(gan, config, dataset)
        timed = {FIT: fit, BARE: loops.bare_loop(fit, gan, config, dataset), **loops.peers(preset, config, dataset)}
        timed[PRODUCT] = loops.product_loop(self.size)
        first = {name: loops.seconds_of(loop, loop.multiple) for name, loop in timed.items()}
        steps = dict.fromkeys(timed, loops.steps_in(fit, self.seconds))
        steps[PRODUCT] = loops.steps_in(timed[PRODUCT], self.seconds)
        seconds: dict[str, list[float]] = {name: [] for name in timed}
        for number in range(1, self.rounds + 1):
            for name, loop in timed.items():
                seconds[name].append(loops.seconds_of(loop, steps[name]))
            rates = (f"{name} {steps[name] / taken[-1]:,.1f}" for name, taken in seconds.items())
            log(f"{preset}: round {number} of {self.rounds}, steps/s: {', '.join(rates)}")
        profiles = trace_calls(fit.step, fit.arguments, calls=max(LEAST_TRACED, fit.every), rounds=self.rounds)
        measured = {
            name: {
                "images_per_step": loop.images,
                "flops_per_step": loop.flops,
                "first_seconds": first[name],
                "steps": steps[name],
                "seconds": seconds[name],
            }
            for name, loop in timed.items()
        }
        return {"loops": measured, "profile": [profile.as_dict() for profile in profiles]}

    def table(self, content: Mapping[str, Any]) -> Table:
        settings, rows, below = content["settings"], [], []
        for preset, run in content["runs"].items():
            for name, rates in rates_of(run).items():
                loop = run["loops"][name]
                with_images = loop["images_per_step"] > 0
                rows.append(
                    [
                        f"{preset}: {name}",
                        f"{len(loop['seconds'])}",
                        format_spread(rates["images_per_second"], ",.0f") if with_images else "-",
                        format_spread(rates["of_bare"], ".3f") if with_images else "-",
                        f"{1e-6 * loop['flops_per_step'] / loop['images_per_step']:,.1f}" if with_images else "-",
                        format_spread(rates["flops_per_second"], ",.1f", scale=1e-9),
                        format_spread(rates["of_product"], ".3f"),
                    ]
                )
            below += ["", *_kinds(preset, run).markdown().splitlines()]
        size = settings["size"]
        return Table(
            f"Train steps on {settings['dataset']}, about {settings['seconds']:g} s per round: median (minimum to "
            "maximum) of n rounds. The loops of a preset take turns.",
            ["loop", "n", "images/s", "relative to bare loop", "MFLOP/image", "GFLOP/s", "relative to product"],
            rows,
            [
                "Images: real images seen by D. FLOPs: matrix products and convolutions in the graph of one step; a "
                "lazy penalty counts in proportion to its frequency. Matrix product: float32, "
                f"{size:,} x {size:,} x {size:,}. Each ratio is computed within one round.",
                *below,
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        rates = {
            f"{preset}, {name}": [1e-9 * value for value in found["flops_per_second"]]
            for preset, run in content["runs"].items()
            for name, found in rates_of(run).items()
        }
        kinds = {f"ms per step of {preset}": _by_kind(run) for preset, run in content["runs"].items()}
        shown = {
            x: {name: [1e3 * value for value in values] for name, values in found.items()} for x, found in kinds.items()
        }
        return bars({"GFLOP/s": rates, **shown}, title="Train steps")


def rates_of(run: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Computes rates of a recorded preset: {loop: {"images_per_second", "flops_per_second", "of_bare", "of_product"}}.

    Each is a list with one value per round.
    """

    def per_second(loop: Mapping[str, Any], what: str) -> list[float]:
        return [loop[what] * loop["steps"] / seconds for seconds in loop["seconds"]]

    loops = run["loops"]
    bare, product = per_second(loops[BARE], "images_per_step"), per_second(loops[PRODUCT], "flops_per_step")
    found = {}
    for name, loop in loops.items():
        images, flops = per_second(loop, "images_per_step"), per_second(loop, "flops_per_step")
        found[name] = {
            "images_per_second": images,
            "flops_per_second": flops,
            "of_bare": [rate / other for rate, other in zip(images, bare)],
            "of_product": [rate / other for rate, other in zip(flops, product)],
        }
    return found


def _by_kind(run: Mapping[str, Any]) -> dict[str, list[float]]:
    """Returns the seconds of a step by kind of operation, one value per round. The slowest kinds come first."""
    totals: dict[str, float] = {}
    for profile in run["profile"]:
        for kind in profile["kinds"]:
            totals[kind["kind"]] = totals.get(kind["kind"], 0.0) + kind["seconds"]
    named = sorted(totals, key=lambda kind: -totals[kind])[:NAMED_KINDS]
    found: dict[str, list[float]] = {name: [] for name in (*named, OTHERS, NO_OPERATION)}
    for profile in run["profile"]:
        seconds = {kind["kind"]: kind["seconds"] for kind in profile["kinds"]}
        for kind in named:
            found[kind].append(seconds.get(kind, 0.0))
        found[OTHERS].append(sum(taken for kind, taken in seconds.items() if kind not in named))
        found[NO_OPERATION].append(profile["idle_seconds"])
    return found


def _kinds(preset: str, run: Mapping[str, Any]) -> Table:
    profiles = run["profile"]
    counts = {kind["kind"]: kind["count"] for profile in profiles for kind in profile["kinds"]}
    sums = [profile["idle_seconds"] + sum(k["seconds"] for k in profile["kinds"]) for profile in profiles]
    by_kind = _by_kind(run)
    products = [
        sum(kind["seconds"] for kind in profile["kinds"] if any(part in kind["kind"] for part in PRODUCTS)) / total
        for profile, total in zip(profiles, sums)
    ]
    counts[OTHERS] = sum(count for kind, count in counts.items() if kind not in by_kind)
    return Table(
        f"Traced time of a step of {preset}: median (minimum to maximum) of {len(profiles)} rounds.",
        ["kind of operation", "share of time (%)", "ms/step", "operations/step"],
        [
            [
                kind,
                format_spread((value / total for value, total in zip(seconds, sums)), ".1f", scale=100),
                format_spread(seconds, ",.3f", scale=1e3),
                f"{counts[kind]:,.1f}" if kind in counts else "-",
            ]
            for kind, seconds in by_kind.items()
        ],
        [
            f"Matrix products and convolutions together: {format_spread(products, '.1f', scale=100)} %. "
            "Parallel operations count separately, so the sum may exceed the traced time of a step: "
            f"{format_spread((profile['wall_seconds'] for profile in profiles), ',.3f', scale=1e3)} ms."
        ],
    )
