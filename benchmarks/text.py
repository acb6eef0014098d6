"""python -m benchmarks text: names that a text GAN and a language model generate, beside real names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.benchmark import Benchmark, BenchmarkInterruptedError, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.errors import InputError, as_json, check, check_positive, check_whole
from gan.text.data.names import LANGUAGES, load_names
from gan.text.generation.judges import FEWEST, class_places
from gan.text.generation.language_config import LanguageModelConfig
from gan.text.generation.text_gan_config import NO_RECOGNIZER, TextGanConfig
from gan.text.runs.text_run import RECORD, Kind, TextRecord, find_network, find_run, load_record
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure
    from gan.text.generation.quality import TextQuality, TextReference

SAMPLE_SEED = 1
"""Seed of the texts that are measured: that of the report of a text GAN."""
SHOWN = 4
"""Texts of each language that are recorded."""
RUN_FIELDS = {"num", "tolerance", "probe", "judge", "intervals"}
"""Options of a training that do not change the network."""


@dataclass(frozen=True)
class Text(Benchmark):
    """Compare a text GAN with a language model: error rate, coverage, novelty and Frechet distance.

    Both are trained on the same names, with their default options and several seeds, in --runs. A finished run there is
    used as it is, and an interrupted one is resumed. The temperature of the language model is its dial: a lower one
    makes fewer errors and covers less. The numbers of real names stand beside them.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the trainings."""
    temperatures: tuple[float, ...] = (0.3, 0.5, 0.7, 0.85, 1.0, 1.2)
    """Temperatures of the language model."""
    languages: tuple[str, ...] = LANGUAGES
    """Languages of the names."""
    gan_steps: int = TextGanConfig.steps
    """Generator updates of a text GAN."""
    model_epochs: int = LanguageModelConfig.epochs
    """Most passes of a language model over the names."""
    judge: str = "names-recognizer"
    """Recognizer that judges: run folder, or pretrained name."""
    num: int = 5_000
    """Generated names of each model and temperature."""
    runs: Path = Path("runs/text")
    """Folder of the trained models."""
    out: Path = Path("benchmarks/results/text")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "text"

    def check(self) -> None:
        check(0 < len(set(self.seeds)) == len(self.seeds), "seeds", "at least one, each once", list(self.seeds))
        known = list(self.temperatures)
        check(0 < len(set(known)) == len(known), "temperatures", "at least one, each once", known)
        for temperature in known:
            check_positive("temperatures", temperature)
        check_whole("num", self.num, FEWEST)
        folder, record = find_run(self.judge, "recognizer")
        find_network(folder, record)
        class_places(load_names(self.languages).class_names, record.corpus.class_names)
        for kind, config in self._trainings():
            self._finished(kind, config)

    def settings(self) -> Mapping[str, Any]:
        _, record = find_run(self.judge, "recognizer")
        return {
            "judge": self.judge,
            "judge_sha256": record.sha256,
            "languages": self.languages,
            "temperatures": self.temperatures,
            "num": self.num,
        }

    def measure(self, record: Record, log: Log) -> None:
        runtime.start()
        from gan.text.data.corpora import load_corpus
        from gan.text.generation.quality import TextReference
        from gan.text.recognition.recognizer import load_recognizer

        reference = None
        for kind, config in self._trainings():
            key = f"{kind}-{config.seed}"
            folder = self._train(kind, config, log)
            recorded = {"sha256": load_record(folder).sha256, "options": _of_network(vars(config))}
            if record.has(key, recorded):
                continue
            if reference is None:
                reference = TextReference(
                    load_corpus("names", self.languages), load_recognizer(self.judge), num=self.num
                )
            log(f"{key}: {self.num:,} names of each setting are measured")
            record.add(key, recorded, self._measure(folder, reference))

    def table(self, content: Mapping[str, Any]) -> Table:
        rows, runs = [], list(content["runs"].values())
        first = next(iter(runs[0]["settings"].values()))
        for name in dict.fromkeys(name for run in runs for name in run["settings"]):
            found = [run["settings"][name] for run in runs if name in run["settings"]]
            rows.append([name, *_cells(found)])
        real = [
            "real names",
            f"{100 * first['real_error_rate']:.1f}",
            f"{first['real_coverage']:.3f}",
            "100",
            "100",
            f"{first['frechet_floor']:.3f}",
            "",
        ]
        settings = content["settings"]
        lines = []
        for run in (run for key, run in content["runs"].items() if key.endswith("-0")):
            for name, found in run["settings"].items():
                if "temperature" not in name or name.endswith(" 0.7"):
                    lines += [f"{name}, {language}: {', '.join(texts)}" for language, texts in found["texts"].items()]
        return Table(
            f"Generated names in {len(settings['languages'])} languages, {settings['num']:,} of each model, judged by "
            f"{settings['judge']}. Median and range of the seeds.",
            ["names", "error rate %", "coverage", "new %", "different %", "Frechet", "worst language"],
            [real, *rows],
            [
                "Error rate: share of names that the judge does not find in the requested language. Coverage: share of "
                f"{first['compared']:,} test names with a generated one nearer than their 5th neighbor, by the judge's "
                "features. New: not in the training names. Different: among as many generated names. Real names: "
                "test names (error rate), validation names (coverage, Frechet distance): held out from all trainings.",
                "",
                *(f"    {line}" for line in lines),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import Route, plane

        routes: dict[str, list[Route]] = {"language model": [], "text GAN": [], "real names": []}
        for key, run in content["runs"].items():
            found = run["settings"]
            points = [(100 * one["error_rate"], one["coverage"]) for one in found.values()]
            if key.startswith("gan"):
                routes["text GAN"].append(Route(points))
            else:
                is_first = not routes["language model"]
                names = [name.rpartition(" ")[2] for name in found] if is_first else []
                routes["language model"].append(Route(points, names))
            real = next(iter(found.values()))
            routes["real names"] = [Route([(100 * real["real_error_rate"], real["real_coverage"])])]
        return plane(
            {kind: drawn for kind, drawn in routes.items() if drawn},
            x="error rate %",
            y="coverage",
            title="Generated names; the numbers are temperatures",
        )

    def _trainings(self) -> Iterator[tuple[Kind, TextGanConfig | LanguageModelConfig]]:
        for seed in self.seeds:
            yield "model", LanguageModelConfig(languages=self.languages, epochs=self.model_epochs, seed=seed)
        for seed in self.seeds:
            yield (
                "gan",
                TextGanConfig(
                    languages=self.languages, steps=self.gan_steps, seed=seed, probe=NO_RECOGNIZER, judge=NO_RECOGNIZER
                ),
            )

    def _finished(self, kind: Kind, config: TextGanConfig | LanguageModelConfig) -> TextRecord | None:
        """Returns the record of a run in `runs`, finished or not. None: there is none.

        Raises `InputError` if it has other options.
        """
        folder = self.runs / f"{kind}-{config.seed}"
        if not (folder / RECORD).is_file():
            return None
        _, record = find_run(folder, kind)
        found = _of_network(record.config)  # as they are recorded: a run without an option of today is another one
        if found != _of_network(as_json(config)):
            raise InputError("A run of other options", expected="another --runs", received=f"{folder}: {found}")
        return record

    def _train(self, kind: Kind, config: TextGanConfig | LanguageModelConfig, log: Log) -> Path:
        """Returns the folder of a finished run, which is trained or resumed if necessary."""
        folder = self.runs / f"{kind}-{config.seed}"
        record = self._finished(kind, config)
        if record is not None and record.result is not None and not record.result.interrupted:
            return folder
        log(f"{folder}: training")
        signal = _train_gan(config, folder) if isinstance(config, TextGanConfig) else _train_model(config, folder, log)
        if signal:
            raise BenchmarkInterruptedError(signal)
        return folder

    def _measure(self, folder: Path, reference: "TextReference") -> dict[str, Any]:
        from gan.text.generation.saved import load_text_generator

        generator: Any = load_text_generator(folder)
        labels = reference.choose_labels(SAMPLE_SEED)
        settings: dict[str, Any] = {}
        for name, options in self._dials(load_record(folder).kind).items():
            texts = generator.generate(self.num, seed=SAMPLE_SEED, labels=labels.tolist(), **options)
            found = reference.measure(texts, labels)
            settings[name] = {**_numbers(found), "texts": _shown(texts, labels.tolist(), generator.class_names)}
        return {"settings": settings}

    def _dials(self, kind: Kind) -> dict[str, dict[str, float]]:
        """Returns {name of a setting: options of `generate`}."""
        if kind == "gan":
            return {"text GAN": {}}
        return {f"language model, temperature {value:g}": {"temperature": value} for value in self.temperatures}


def _train_gan(config: TextGanConfig, folder: Path) -> int | None:
    """Trains a text GAN, or resumes its training. Returns the number of the signal that interrupted it, or None."""
    from gan.text.generation.text_gan_training import resume_text_gan, train_text_gan

    is_new = not (folder / RECORD).is_file()
    return (train_text_gan(config, output=folder) if is_new else resume_text_gan(folder)).signal


def _train_model(config: LanguageModelConfig, folder: Path, log: Log) -> int | None:
    """Trains a language model, or resumes its training. Returns the number of the signal, or None."""
    from gan.text.generation.language_training import resume_language_model, train_language_model

    is_new = not (folder / RECORD).is_file()
    done = train_language_model(config, output=folder, log=log) if is_new else resume_language_model(folder, log=log)
    return done.signal


def _of_network(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that change the network."""
    return {name: value for name, value in options.items() if name not in RUN_FIELDS}


def _numbers(found: "TextQuality") -> dict[str, Any]:
    rate, (lower, upper) = found.rate, found.rate.interval
    return {"error_rate": rate.value, "error_rate_lower": lower, "error_rate_upper": upper, **found.numbers()}


def _shown(texts: Sequence[str], labels: Sequence[int], class_names: Sequence[str]) -> dict[str, list[str]]:
    """Returns the first texts of each category."""
    return {
        name: [text for text, label in zip(texts, labels) if label == number][:SHOWN]
        for number, name in enumerate(class_names)
    }


def _cells(found: Sequence[Mapping[str, Any]]) -> list[str]:
    worst = [one["worst_class"] for one in found]
    return [
        format_spread((one["error_rate"] for one in found), ".1f", scale=100),
        format_spread((one["coverage"] for one in found), ".3f"),
        format_spread((one["novelty"] for one in found), ".1f", scale=100),
        format_spread((one["distinct"] for one in found), ".1f", scale=100),
        format_spread((one["frechet_distance"] for one in found), ".3f"),
        ", ".join(f"{one['category']} {100 * one['wrong'] / one['n']:.0f}" for one in worst),
    ]
