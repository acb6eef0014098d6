"""python -m benchmarks fit-checks: cost of the checks of `GAN.fit`."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import runs
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.config import PRESETS
from gan.errors import check_whole
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure

CHECKED, UNCHECKED = "GAN.fit", "keras.Model.fit"


@dataclass(frozen=True)
class FitChecks(Benchmark):
    """Compare `GAN.fit`, which checks its options and the first batch, with `keras.Model.fit` on the same GAN.

    Both take turns in one process, with the same batches and the compiled train step of a preset. A call with one step
    measures the start of `fit`.
    """

    preset: str = "mnist"
    """Preset (see `gan presets`)."""
    steps: int = 500
    """Train steps of the long calls."""
    rounds: int = 9
    """Measurements of each call."""
    dataset: str = "mnist"
    """Dataset instead of that of the preset."""
    out: Path = Path("benchmarks/results/fit-checks")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "fit-checks"

    def check(self) -> None:
        runs.check_presets((self.preset,))
        check_whole("steps", self.steps, 2)
        check_whole("rounds", self.rounds, 1)

    def settings(self) -> Mapping[str, Any]:
        return {"preset": self.preset, "dataset": self.dataset, "steps": self.steps}

    def measure(self, record: Record, log: Log) -> None:
        import keras

        from benchmarks import loops
        from gan.data.load import load_dataset

        rounds = [number for number in range(self.rounds) if not record.has(f"round-{number}", {})]
        if not rounds:
            return
        runtime.start(seed=0)
        config = runs.unwatched(PRESETS[self.preset], dataset=self.dataset, seed=0, images=None, eval_every=None)
        dataset = load_dataset(self.dataset, fallback="none")
        gan = loops.compile_for_run(config, dataset)
        gan.set_data_on_device(False)  # only streamed batches pass through a check
        size = config.optimization.batch_size * config.optimization.critic_steps
        fits: dict[str, Callable[..., object]] = {CHECKED: gan.fit, UNCHECKED: partial(keras.Model.fit, gan)}

        def seconds(fit: Callable[..., object], steps: int) -> float:
            batches = dataset.train.batches(size, steps=steps)
            started = time.perf_counter()
            fit(batches, shuffle=False, verbose=0)
            return time.perf_counter() - started

        for fit in fits.values():
            seconds(fit, self.steps)  # compiles the train step
        for number in rounds:
            order = list(fits.items())[:: 1 if number % 2 else -1]
            taken = {name: {str(steps): seconds(fit, steps) for steps in (1, self.steps)} for name, fit in order}
            record.add(f"round-{number}", {}, {"seconds": taken})
            log(f"round {number + 1} of {self.rounds}: " + ", ".join(f"{name} {taken[name]}" for name in fits))

    def table(self, content: Mapping[str, Any]) -> Table:
        steps = content["settings"]["steps"]
        rows = []
        for count in (1, steps):
            checked, unchecked = (_seconds(content, name, count) for name in (CHECKED, UNCHECKED))
            pairs = list(zip(checked, unchecked))
            rows.append(
                [
                    f"{count:,}",
                    f"{len(pairs)}",
                    format_spread(checked, ".3f"),
                    format_spread(unchecked, ".3f"),
                    format_spread((1e3 * (one - other) for one, other in pairs), ".1f"),
                    format_spread((one / other for one, other in pairs), ".3f"),
                ]
            )
        return Table(
            f"Seconds of a call with the preset {content['settings']['preset']}: median (minimum to maximum) of n "
            "rounds. The calls take turns.",
            ["steps", "n", f"{CHECKED} (s)", f"{UNCHECKED} (s)", "difference (ms)", "ratio"],
            rows,
            ["Differences and ratios are computed within one round.", "", *provenance(content)],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        steps = content["settings"]["steps"]
        seconds = {name: _seconds(content, name, steps) for name in (CHECKED, UNCHECKED)}
        return bars({f"{steps:,} steps (s)": seconds}, title="Cost of the checks of fit")


def _seconds(content: Mapping[str, Any], name: str, steps: int) -> list[float]:
    return [run["seconds"][name][str(steps)] for run in content["runs"].values()]
