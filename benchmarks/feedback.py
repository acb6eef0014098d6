"""python -m benchmarks feedback: does fine-tuning on what people called wrong lower the error rate?"""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.runs import (
    LEAST,
    Trial,
    check_presets,
    check_seeds,
    forget,
    forget_state,
    identity,
    judge_for,
    train_run,
    unwatched,
)
from benchmarks.summary import Table, format_spread
from gan.config import PRESETS, TrainConfig
from gan.errors import TrainingError, check, check_whole
from gan.saving import files, models
from gan.saving.known_images import check_card
from gan.tolerance import ErrorRate
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    import keras

    from benchmarks.judge import Judge
    from benchmarks.plot import Figure

START = "start"
"""Name of the runs that are judged."""

JUDGED_SEED, TUNING_SEED = 4_000_000_007, 1_000
"""Seeds of the judged samples and of the fine-tuning, plus the seed of the run."""

T_QUANTILE = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Number of differences -> 97.5 % quantile of Student's t with one degree of freedom less."""

COMPARED = ("control", "mismatched")
"""Arms that the others are compared with."""

MEASURES = {"frechet_distance": ".2f", "recall": ".3f", "coverage": ".3f"}


Arm = Callable[[TrainConfig, Path, float], TrainConfig]
"""(options without extra fakes of its own, folder of the judged run, share) -> options of the fine-tuning."""


def _frozen(name: str) -> Arm:
    """Returns the arm whose extra fakes are the samples in a file beside the judged generator."""

    def options(config: TrainConfig, start: Path, share: float) -> TrainConfig:
        return replace(config, feedback=str(start / f"{name}.jsonl"), feedback_share=share)

    return options


def _mismatched(config: TrainConfig, _: Path, share: float) -> TrainConfig:
    from gan.models.extra_fakes import MISMATCHED_LABELS

    before = config.optimization.mismatched_labels
    before = MISMATCHED_LABELS if before is None else before
    return replace(config, optimization=replace(config.optimization, mismatched_labels=before + share))


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "none": lambda config, _, share: replace(config, feedback_share=share),
        "mismatched": _mismatched,
        "control": _frozen("control"),
        "feedback": _frozen("feedback"),
    }
)
"""What is fine-tuned. `none`: no other extra fakes than those of the preset. `mismatched`: the share is for more reals
with a mismatched label, which needs no people. `control`: the share is for as many samples of the judged generator as
in `feedback`, drawn without regard to the judgements. `feedback`: the samples that were called wrong."""


@dataclass(frozen=True)
class Feedback(Benchmark):
    """Fine-tune on samples that were called wrong, and compare with as many samples of the same generator.

    For each preset and seed, a run is trained as `gan train` does. The probe judges samples of its generator in the
    place of people. Fine-tuning starts from both networks. Another classifier measures fresh samples. Finished runs are
    saved in --out. The same command resumes an interrupted benchmark; seeds and presets may be added.
    """

    presets: tuple[str, ...] = ("mnist-sprint", "mnist-mlp")
    """Presets of the runs that are judged (see `gan presets`)."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds. Each preset is trained once per seed, and fine-tuned once per arm."""
    judgements: int = 5_000
    """Samples of each generator that are judged."""
    share: float = 0.1
    """Share of D's loss for the frozen samples (see `gan train --feedback-share`)."""
    images: int = 27_000
    """Length of the fine-tuning, in real images seen by D."""
    start_images: int | None = None
    """Length of the runs that are judged, in images. None: that of the preset."""
    num: int = 10_000
    """Fresh samples that measure each generator, and number of test images."""
    probe: str = "mnist-probe"
    """Classifier that judges in the place of people: folder or pretrained name."""
    classifier: str = "mnist-classifier"
    """Classifier that measures: folder or pretrained name."""
    dataset: str = "mnist"
    """Dataset of all runs, instead of the dataset of each preset."""
    out: Path = Path("benchmarks/results/feedback")
    """Folder for results.json, table.md, plot.png and run folders."""

    name: ClassVar[str] = "feedback"

    def check(self) -> None:
        check_presets(self.presets)
        check_seeds(self.seeds)
        for name, least in (("judgements", 2), ("images", 1), ("num", LEAST)):
            check_whole(name, getattr(self, name), least)
        check(0 < self.share < 1, "share", "a number > 0 and < 1", self.share)
        for preset in self.presets:
            conditional = PRESETS[preset].model.conditioning != "none"
            check(conditional, "presets", "conditional presets: only their samples have a class", preset)
        for classifier in (self.probe, self.classifier):
            check_card(self.dataset, models.find_classifier(classifier)[1])

    def settings(self) -> Mapping[str, Any]:
        return {
            "dataset": self.dataset,
            "judgements": self.judgements,
            "share": self.share,
            "images": self.images,
            "num": self.num,
            "probe_sha256": models.find_classifier(self.probe)[1].sha256,
            "classifier_sha256": models.find_classifier(self.classifier)[1].sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        from gan.data.load import load_dataset

        pairs = [(preset, seed) for seed in self.seeds for preset in self.presets]
        missing = [pair for pair in pairs if not all(self._is_in(record, *pair, arm) for arm in (START, *ARMS))]
        log(f"{len(pairs)} runs with {len(ARMS)} arms each; {len(missing)} not recorded yet")
        if not missing:
            return
        runtime.start()
        dataset = load_dataset(self.dataset, fallback="none")
        judge = judge_for(record, dataset, self.classifier, self.num)
        for preset, seed in missing:
            for arm in (START, *ARMS):
                trial = self._trial(preset, seed, arm)
                if not record.has(trial.key, _identity(trial)):
                    log(f"{trial.key}: training")
                    found = {"preset": preset, "seed": seed, "arm": arm, **self._run(trial, judge)}
                    if arm == START and "failed" not in found:
                        found |= self._judge(self._folder(trial.key), seed)
                    record.add(trial.key, _identity(trial), found)
                    log(f"{trial.key}: {found.get('failed', found.get('error_rate'))}")

    def _is_in(self, record: Record, preset: str, seed: int, arm: str) -> bool:
        trial = self._trial(preset, seed, arm)
        return record.has(trial.key, _identity(trial))

    def _folder(self, key: str) -> Path:
        return self.out / "runs" / key

    def _trial(self, preset: str, seed: int, arm: str) -> Trial:
        return self._start(preset, seed) if arm == START else self._tuned(preset, seed, arm)

    def _start(self, preset: str, seed: int) -> Trial:
        """Returns the run that is judged, as `gan train PRESET --seed SEED` trains it."""
        config = PRESETS[preset]
        config = replace(config, data=replace(config.data, dataset=self.dataset), seed=seed)
        if self.start_images is not None:
            config = unwatched(config, dataset=self.dataset, seed=seed, images=self.start_images, eval_every=None)
        return Trial(f"{preset}-{seed}-{START}", preset, config)

    def _tuned(self, preset: str, seed: int, arm: str) -> Trial:
        start = self._folder(f"{preset}-{seed}-{START}")
        config = unwatched(
            PRESETS[preset], dataset=self.dataset, seed=TUNING_SEED + seed, images=self.images, eval_every=self.images
        )
        config = ARMS[arm](replace(config, init_from=str(start)), start, self.share)
        return Trial(f"{preset}-{seed}-{arm}", preset, config)

    def _run(self, trial: Trial, judge: "Judge") -> dict[str, Any]:
        """Trains a run, and measures its generator. Returns the numbers, or why it failed."""
        from gan import load_generator

        try:
            run = train_run(trial.config, self._folder(trial.key), preset=trial.preset)
            generator = load_generator(run.folder)
            found = {"images": run.images, **judge.numbers(generator)}
            forget_state(run)
            return {**found, "probe_error_rate": self._probe_error_rate(generator, judge)}
        except TrainingError as error:
            return {"failed": str(error)}
        finally:
            forget()

    def _probe_error_rate(self, generator: "keras.Model", judge: "Judge") -> float:
        """Returns the error rate of the fresh samples as the probe reads them, which judged other samples."""
        from gan import generate
        from gan.evaluation.evaluation import EVALUATION_SEED

        samples = generate(generator, self.num, seed=EVALUATION_SEED, labels=judge.labels, batch_size=250)
        return float(np.mean(_wrong(self.probe, samples, judge.labels)))

    def _judge(self, start: Path, run_seed: int) -> dict[str, Any]:
        """Lets the probe judge samples of a run, and writes the JSON lines of the arms beside its generator."""
        from gan import generate, load_generator
        from gan.deployment.feedback.pictures import AuditPlan

        generator = models.find_generator(start)
        seed = JUDGED_SEED + run_seed
        plan = AuditPlan(seed, models.describe(generator).num_classes or 0)
        labels = np.array([plan.picture(place).label for place in range(self.judgements)])
        samples = generate(load_generator(generator), self.judgements, seed=seed, labels=labels, batch_size=250)
        called_wrong = np.flatnonzero(_wrong(self.probe, samples, labels))
        any_of_them = np.random.default_rng(seed).choice(self.judgements, len(called_wrong), replace=False)
        for arm, indices in (("feedback", called_wrong), ("control", np.sort(any_of_them))):
            write_lines(start / f"{arm}.jsonl", generator.sha256, seed, indices, labels)
        counts = np.bincount(labels[called_wrong], minlength=plan.num_classes)
        return {"called_wrong": len(called_wrong), "called_wrong_by_class": counts.tolist()}

    def table(self, content: Mapping[str, Any]) -> Table:
        settings, rows = content["settings"], []
        for preset in dict.fromkeys(run["preset"] for run in content["runs"].values()):
            runs = {arm: _of(content, preset, arm) for arm in (START, *ARMS)}
            for arm, by_seed in runs.items():
                rows.append(
                    [
                        preset,
                        arm,
                        f"{len(by_seed)}",
                        format_spread((run["error_rate"] for run in by_seed.values()), ".2f", scale=100),
                        "; ".join(_wilson(run["error_rate"], settings["num"]) for run in by_seed.values()),
                        *("-" if arm in (START, other) else gain(runs[other], by_seed) for other in COMPARED),
                        format_spread((run["probe_error_rate"] for run in by_seed.values()), ".2f", scale=100),
                        *(
                            format_spread((run[name] for run in by_seed.values()), form)
                            for name, form in MEASURES.items()
                        ),
                    ]
                )
        called = [run["called_wrong"] for run in content["runs"].values() if "called_wrong" in run]
        return Table(
            f"Fine-tuning for {settings['images']:,} images on samples that were called wrong, measured with "
            f"{settings['num']:,} fresh samples: median (minimum to maximum) of n seeds.",
            [
                "preset",
                "arm",
                "n",
                "errors (%)",
                "Wilson 95 % of each seed",
                *(f"gain over {other} (points)" for other in COMPARED),
                "errors by the probe (%)",
                "Frechet distance",
                "recall",
                "coverage",
            ],
            rows,
            [
                f"Start: the run whose samples were judged: {settings['judgements']:,} of each, of which "
                f"{min(called, default=0)} to {max(called, default=0)} were called wrong. Feedback: they are fakes "
                f"with {100 * settings['share']:g} % of D's loss. Control: as many samples, drawn without regard to "
                "the judgements. Mismatched: the share is for more reals with a mismatched label. None: neither. Gain: "
                "errors of the other arm minus those of this one, paired by seed: mean ± standard deviation over "
                "seeds, with the 95 % interval of Student's t.",
                *(f"Failed: {key}: {run['failed']}" for key, run in content["runs"].items() if "failed" in run),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        return bars(
            {
                f"errors (%), {preset}": {
                    arm: [100 * run["error_rate"] for run in _of(content, preset, arm).values()]
                    for arm in (START, *ARMS)
                }
                for preset in dict.fromkeys(run["preset"] for run in content["runs"].values())
            },
            title="Fine-tuning on samples that were called wrong",
        )


def write_lines(path: Path, sha256: str, seed: int, indices: np.ndarray, labels: np.ndarray) -> None:
    """Writes samples as JSON lines for `gan train --feedback`. labels: [N], classes of all samples of the seed."""
    lines = [
        json.dumps({"generator_sha256": sha256, "seed": seed, "index": int(index), "label": int(labels[index])})
        for index in indices
    ]
    files.write(path, lambda beside: beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8"))


def _wrong(classifier: str, samples: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Returns which samples a classifier does not read as asked, bool [N]. It sees pixels of 8 bits, as people do."""
    from gan.data import images
    from gan.evaluation.classifier.extractor import Extractor, as_input, load_classifier
    from gan.evaluation.metrics import wrong_outcomes

    extractor = Extractor(load_classifier(classifier)[0])
    return np.asarray(wrong_outcomes(extractor.arrays(as_input(images.to_uint8(samples)))["logits"], labels))


def _identity(trial: Trial) -> dict[str, Any]:
    """Returns what identifies a run, without the paths of what it starts from, which depend on --out."""
    return {**identity(trial.config), "init_from": None, "feedback": None}


def _of(content: Mapping[str, Any], preset: str, arm: str) -> dict[int, dict[str, Any]]:
    """Returns the runs of an arm that did not fail, by seed."""
    runs = [run for run in content["runs"].values() if (run["preset"], run["arm"]) == (preset, arm)]
    return {run["seed"]: run for run in sorted(runs, key=lambda run: int(run["seed"])) if "failed" not in run}


def _wilson(rate: float, num: int) -> str:
    low, high = ErrorRate(round(rate * num), num).interval
    return f"{100 * low:.2f} to {100 * high:.2f}"


def gain(other: Mapping[int, Mapping[str, Any]], arm: Mapping[int, Mapping[str, Any]]) -> str:
    """Formats the errors of another arm minus those of an arm, paired by seed, in points."""
    pairs = [(other[seed]["error_rate"], run["error_rate"]) for seed, run in arm.items() if seed in other]
    return format_paired([100 * (before - after) for before, after in pairs])


def format_paired(differences: Sequence[float]) -> str:
    """Formats the mean of differences, their standard deviation, and the 95 % interval of the mean."""
    if len(differences) < 2:
        return f"{differences[0]:+.2f}" if differences else "-"
    mean, spread = statistics.mean(differences), statistics.stdev(differences)
    half = T_QUANTILE[len(differences)] * spread / math.sqrt(len(differences))
    return f"{mean:+.2f} ± {spread:.2f} ({mean - half:+.2f} to {mean + half:+.2f})"
