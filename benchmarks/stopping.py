"""python -m benchmarks stopping: when `gan train --tolerance` stops, and when an oracle would stop."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.benchmark import Benchmark, BenchmarkInterruptedError, Log, Record, provenance
from benchmarks.runs import (
    check_presets,
    check_seeds,
    forget,
    forget_state,
    identity,
    images_per_step,
    train_run,
    unwatched,
)
from benchmarks.summary import Table
from gan.config import PRESETS, StoppingConfig, TrainConfig
from gan.errors import check, check_share, check_whole
from gan.saving import models, run_folder
from gan.saving.known_images import check_card
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure
    from gan.data.dataset import Dataset
    from gan.evaluation.classifier.extractor import Extractor

ORACLE_SEED = 2_500_000_009
"""Seed of the samples of the oracle. No run and no evaluation uses it."""

CHUNK = 10_000
"""Samples of the oracle that are held in memory at a time."""


@dataclass(frozen=True)
class Stopping(Benchmark):
    """Train a preset with several tolerances and seeds, and compare when each run stops with an oracle.

    The oracle is the same run without a tolerance. The classifier that confirms measures its generator after every
    interval on many samples. It stops at the first interval whose error rate is within the tolerance.
    """

    preset: str = "mnist"
    """Preset (see `gan presets`)."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds. Each tolerance is used once per seed."""
    tolerances: tuple[float, ...] = (0.02, 0.01, 0.006, 0.001)
    """Tolerances, from 0 to 1."""
    dataset: str = "mnist"
    """Dataset of all runs."""
    oracle_num: int = 100_000
    """Samples per interval for the oracle."""
    classifier: str = "mnist-classifier"
    """Classifier of the confirmations and of the oracle: folder or pretrained name."""
    out: Path = Path("benchmarks/results/stopping")
    """Folder for results.json, table.md, plot.png and run folders."""

    name: ClassVar[str] = "stopping"

    def check(self) -> None:
        check_presets((self.preset,))
        check_seeds(self.seeds)
        check(bool(self.tolerances), "tolerances", "at least one", self.tolerances)
        for tolerance in self.tolerances:
            check_share("tolerances", tolerance)
            StoppingConfig(tolerance=tolerance).check_confirmable()
        check_whole("oracle_num", self.oracle_num, 1)
        check_card(self.dataset, models.find_classifier(self.classifier).card)

    def settings(self) -> Mapping[str, Any]:
        card = models.find_classifier(self.classifier).card
        return {
            "preset": self.preset,
            "dataset": self.dataset,
            "oracle_num": self.oracle_num,
            "classifier_sha256": card.sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        from gan.data.load import load_dataset
        from gan.evaluation.classifier.extractor import Extractor, load_classifier

        runtime.start(seed=0)
        dataset = load_dataset(self.dataset, fallback="none")
        extractor = Extractor(load_classifier(self.classifier)[0])
        for seed in self.seeds:
            key, config = f"oracle-{seed}", self._config(seed, None)
            if not record.has(key, identity(config)):
                log(f"seed {seed}, oracle: {self.oracle_num:,} samples per interval")
                record.add(key, identity(config), self._curve(key, config, dataset, extractor, log))
        for seed in self.seeds:
            for tolerance in self.tolerances:
                key, config = f"{tolerance:g}-{seed}", self._config(seed, tolerance)
                if not record.has(key, identity(config)):
                    log(f"seed {seed}, tolerance {tolerance:g}")
                    record.add(key, identity(config), self._stopped(key, config, len(dataset.train)))

    def _config(self, seed: int, tolerance: float | None) -> TrainConfig:
        config = unwatched(PRESETS[self.preset], dataset=self.dataset, seed=seed, images=None, eval_every=None)
        stopping = PRESETS[self.preset].stopping
        if tolerance is None:
            return replace(config, stopping=stopping)
        return replace(config, stopping=replace(stopping, tolerance=tolerance, classifier=self.classifier))

    def _stopped(self, key: str, config: TrainConfig, training_images: int) -> dict[str, Any]:
        """Trains with a tolerance. Returns when the run stopped, and what its confirmations found."""
        from gan.training.train import train

        started = time.perf_counter()
        run = train(config, output=self.out / "runs" / f"{key}-{time.time_ns()}", preset=self.preset)
        if run.signal is not None:
            raise BenchmarkInterruptedError(run.signal)
        forget_state(run)
        forget()
        confirmed = [one for one in run.confirmations if not one.is_last]
        return {
            "planned_images": config.optimization.total_steps(training_images) * images_per_step(config),
            "verdict": run.verdict,
            "images": run.images,
            "interval": run.interval,
            "seconds": run.seconds,
            "compile_seconds": run.compile_seconds,
            "whole_seconds": round(time.perf_counter() - started, 3),
            "confirmations": [
                {"interval": one.interval, "num": one.num, "wrong": one.wrong, "verdict": one.verdict,
                 "bounds": one.bounds, "unmet": one.unmet, "seconds": one.seconds, "is_last": one.is_last}
                for one in run.confirmations
            ],
            "confirm_seconds": round(sum(one.seconds for one in confirmed), 3),
        }  # fmt: skip

    def _curve(
        self, key: str, config: TrainConfig, dataset: "Dataset", extractor: "Extractor", log: Log
    ) -> dict[str, Any]:
        """Trains without a tolerance. Returns the error rate of the generator after each interval."""
        import keras
        import numpy as np

        from gan import load_generator, sampling
        from gan.evaluation.metrics import wrong_outcomes
        from gan.models.networks.inputs import NetworkInputs

        kept: list[list[np.ndarray]] = []
        images: list[int] = []

        class Keep(keras.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
                kept.append([np.array(weight) for weight in self.model.generator_ema.get_weights()])
                images.append(int(self.model.images_seen))

        run = train_run(config, self.out / "runs" / f"{key}-{time.time_ns()}", preset=self.preset, listeners=[Keep()])
        forget_state(run)
        generator: keras.Model = load_generator(run.folder / run_folder.GENERATOR)
        known = dataset.train.labels if NetworkInputs.of(generator).num_classes else None
        curve = []
        for number, weights in enumerate(kept):
            generator.set_weights(weights)
            rng, wrong = np.random.default_rng([config.seed, number]), 0
            for first in range(0, self.oracle_num, CHUNK):
                num = min(CHUNK, self.oracle_num - first)
                labels = None if known is None else np.asarray(known)[rng.integers(len(known), size=num)]
                samples = sampling.generate(generator, num, seed=ORACLE_SEED, start=first, labels=labels)
                wrong += int(np.sum(wrong_outcomes(extractor.arrays(samples)["logits"], labels)))
            curve.append({"images": images[number], "wrong": wrong})
            log(f"interval {number + 1}: {100 * wrong / self.oracle_num:.3f} %")
        forget()
        return {"seconds": run.seconds, "compile_seconds": run.compile_seconds, "curve": curve}

    def table(self, content: Mapping[str, Any]) -> Table:
        settings, runs = content["settings"], content["runs"]
        rows = []
        for run in sorted(_stopped(runs), key=lambda run: (-_tolerance(run), run["config"]["seed"])):
            tolerance, seed = _tolerance(run), run["config"]["seed"]
            oracle = _oracle(content, seed, tolerance)
            before = [one for one in run["confirmations"] if not one["is_last"]]
            last = run["confirmations"][-1]
            rows.append(
                [
                    f"{100 * tolerance:g} %",
                    f"{seed}",
                    f"{run['verdict']}",
                    f"{run['images']:,}",
                    "-" if oracle is None else f"{oracle:,}",
                    "-" if oracle is None else f"{run['images'] / oracle:.2f}",
                    f"{run['seconds']:.1f}",
                    f"{len(before)}" + (" + 1 at the end" if last["is_last"] else ""),
                    f"{sum(one['num'] for one in run['confirmations']):,}",
                    f"{run['confirm_seconds']:.1f}",
                    f"{100 * run['confirm_seconds'] / _planned_seconds(run):.1f}",
                    f"{100 * last['wrong'] / last['num']:.2f} ({100 * last['bounds'][0]:.2f} to "
                    f"{100 * last['bounds'][1]:.2f})",
                ]
            )
        return Table(
            f"`gan train {settings['preset']} --tolerance T` on {settings['dataset']}: each run, and an oracle that "
            "knows the error rate after every interval.",
            ["tolerance", "seed", "verdict", "images", "images of the oracle", "ratio", "training (s)",
             "confirmations", "samples", "confirming before the end (s)", "of the planned run (%)",
             "last confirmation (%)"],
            rows,
            [
                f"The oracle is the same run without a tolerance: the classifier measures {settings['oracle_num']:,} "
                "samples after each interval, and the first interval within the tolerance counts; `-`: none is. "
                "Training: all seconds of the run, confirmations included. Of the planned run: seconds of the "
                "confirmations before the end / seconds that all planned images take at the speed of the run.",
                f"Classifier: {settings['classifier_sha256']}.",
                "",
                *provenance(content),
            ],
        )  # fmt: skip

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import Panel, panels

        num = content["settings"]["oracle_num"]
        rates = {
            f"seed {run['config']['seed']}": [
                (point["images"], max(100 * point["wrong"] / num, 1e-3)) for point in run["curve"]
            ]
            for key, run in content["runs"].items()
            if key.startswith("oracle-")
        }
        lines = {
            f"T = {100 * tolerance:g} %": [(0.0, 100 * tolerance)]
            for tolerance in sorted({_tolerance(run) for run in _stopped(content["runs"])}, reverse=True)
        }
        drawn = [Panel("images", "error rate of the oracle's samples (%)", {**rates, **lines}, log=True)]
        return panels(drawn, title="Early stopping with a tolerance")


def _stopped(runs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [run for key, run in runs.items() if not key.startswith("oracle-")]


def _tolerance(run: Mapping[str, Any]) -> float:
    return float(run["config"]["stopping"]["tolerance"])


def _planned_seconds(run: Mapping[str, Any]) -> float:
    """Returns the seconds that all planned images take at the speed of a run, without its confirmations."""
    confirming = sum(one["seconds"] for one in run["confirmations"])
    running = run["seconds"] - run["compile_seconds"] - confirming
    return float(run["compile_seconds"] + running * run["planned_images"] / run["images"])


def _oracle(content: Mapping[str, Any], seed: int, tolerance: float) -> int | None:
    """Returns the images after which the oracle sees a rate within the tolerance. None: never, or not measured."""
    run, num = content["runs"].get(f"oracle-{seed}"), content["settings"]["oracle_num"]
    points = [] if run is None else run["curve"]
    return next((point["images"] for point in points if point["wrong"] <= tolerance * num), None)
