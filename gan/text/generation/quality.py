"""Quality of generated texts with requested categories, beside the same numbers of real texts that were held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from gan.errors import InputError, Json, as_json, check, check_whole
from gan.evaluation import metrics
from gan.text.data.alphabet import REPLACEMENT
from gan.text.data.corpus import Corpus
from gan.text.data.normalization import NORMALIZE
from gan.text.generation.generators import TextGenerator
from gan.text.generation.judges import FEWEST, TextJudge, class_places
from gan.text.runs.report import TextReport
from gan.text.runs.text_run import Kind
from gan.tolerance import ErrorRate, WorstClass, covers, worst_class

DIMENSIONS = 64
"""Most principal components of the features for the Frechet distance. More than texts would make it meaningless."""


@dataclass(frozen=True)
class TextQuality:
    """Numbers of generated texts, and of as many real ones."""

    rate: ErrorRate
    """Share of the texts that the judge does not find in the requested category. A text that is empty in the form of
    the corpus is an error, and so is one with an unknown character."""
    real_rate: ErrorRate
    """The same of the test texts and their own categories: errors of the judge."""
    coverage: float
    """Share of the test texts whose ball, up to their 5th neighbor, has a generated text in it. arXiv:2002.09797."""
    real_coverage: float
    """The same of validation texts instead of generated ones."""
    novelty: float
    """Share of the texts that are not in the training split. It is 1 for validation texts of `load_corpus`."""
    distinct: float
    """Number of different texts, as a share of the `compared` ones. It is 1 for real texts of `load_corpus`."""
    frechet_distance: float
    """Frechet distance to the test texts, on the principal components of the judge's features."""
    frechet_floor: float
    """The same of validation texts instead of generated ones: real texts that were held out from the training."""
    compared: int
    """Texts that are compared with as many real ones: the first ones. `rate` and `novelty` are those of all texts."""
    by_class: dict[str, ErrorRate]
    """Error rate of each requested category."""
    worst: WorstClass
    """The category with the highest error rate: its `label` is its place in `by_class`."""

    @property
    def covers(self) -> bool:
        """Whether the texts cover at least 0.8 of what real texts cover. A verdict `within` needs it."""
        return covers(self.coverage, self.real_coverage)

    def report(
        self, kind: Kind, *, judge: str, sha256: str | None = None, tolerance: float | None = None
    ) -> TextReport:
        """Returns the report of a generator of texts. judge: name of the recognizer that judged."""
        return TextReport.of(
            kind,
            self.rate,
            sha256=sha256,
            tolerance=tolerance,
            covers=self.covers,
            metrics={"judge": judge, **self.numbers()},
        )

    def numbers(self) -> dict[str, Json]:
        """Returns all numbers except the error rate itself, in JSON types, by name."""
        names = (
            *("coverage", "real_coverage", "novelty", "distinct", "compared"),
            *("frechet_distance", "frechet_floor"),
        )
        lower, upper = self.real_rate.interval
        return {
            "real_error_rate": self.real_rate.value,
            "real_error_rate_lower": lower,
            "real_error_rate_upper": upper,
            **{name: getattr(self, name) for name in names},
            "covers": self.covers,
            "error_rate_by_class": {name: rate.value for name, rate in self.by_class.items()},
            "worst_class": {"category": list(self.by_class)[self.worst.label], **as_json(self.worst)},
        }


class TextReference:
    """Real texts and their numbers, computed once for several sets of generated texts.

    All texts are brought into the form of the corpus, and cut to its places, before anything is measured.

    Args:
        corpus: texts with categories. The generated ones are compared with the test texts.
        judge: recognizer that knows these categories, and possibly others. It must not have helped to train or to
            choose the generator.
        num: number of generated texts of each set. The compared ones are at most as many as the smallest split has.

    Raises `InputError` for texts without categories, a judge of others, and too few texts.
    """

    def __init__(self, corpus: Corpus, judge: TextJudge, *, num: int) -> None:
        check_whole("num", num, FEWEST)
        self.num = num
        self.compared = min(num, len(corpus.train), len(corpus.validation), len(corpus.test))
        if self.compared < FEWEST:
            expected, received = f"{FEWEST} or more in each split", f"{self.compared} in the smallest"
            raise InputError("Too few real texts to compare with", expected=expected, received=received)
        self.corpus, self.judge = corpus, judge
        self._places = class_places(corpus.class_names, judge.class_names)
        read = {name: self._read(getattr(corpus, name).texts) for name in ("train", "validation", "test")}
        self._known = set(read["train"])
        outputs = {name: judge.outputs(texts) for name, texts in read.items()}
        assert corpus.test.labels is not None
        self.real_rate = ErrorRate.of(self._wrong(read["test"], outputs["test"]["logits"], corpus.test.labels))
        rng = np.random.default_rng(0)
        test, validation = (
            part["features"][rng.permutation(len(part["features"]))[: self.compared]]
            for part in (outputs["test"], outputs["validation"])
        )
        self._features, self._radii = test, metrics.squared_radii(test)
        self.real_coverage = self._coverage(validation)
        train = outputs["train"]["features"].astype(np.float64)
        self._mean, self._components = principal_components(train)
        self._moments = self._moments_of(test)
        self.frechet_floor = self._frechet(validation)

    def choose_labels(self, seed: int) -> np.ndarray:
        """Returns categories to request, int32 [num]: those of training texts in random order, again and again."""
        assert self.corpus.train.labels is not None
        rng, size = np.random.default_rng([seed, 1]), len(self.corpus.train)
        rounds = [rng.permutation(size) for _ in range(-(-self.num // size))]
        return self.corpus.train.labels[np.concatenate(rounds)[: self.num]]

    def measure_generator(self, generator: TextGenerator, *, seed: int) -> TextQuality:
        """Measures texts 0, ..., num - 1 of a seed."""
        labels = self.choose_labels(seed)
        return self.measure(generator.generate(self.num, seed=seed, labels=labels.tolist()), labels)

    def measure(self, texts: Sequence[str], labels: np.ndarray) -> TextQuality:
        """Measures texts with the categories that were requested, int [num], see `choose_labels`.

        Raises `InputError` for another number of texts or labels.
        """
        check(len(texts) == len(labels) == self.num, "texts", f"{self.num} texts and labels", len(texts))
        texts = self._read(texts)
        outputs = self.judge.outputs(texts)
        wrong = self._wrong(texts, outputs["logits"], labels)
        names = self.corpus.class_names
        total, errors = (np.bincount(part, minlength=len(names)).tolist() for part in (labels, labels[wrong]))
        by_class = {name: ErrorRate(errors[i], total[i]) for i, name in enumerate(names) if total[i]}
        worst = worst_class([rate.wrong for rate in by_class.values()], [rate.n for rate in by_class.values()])
        assert worst is not None
        features = outputs["features"][: self.compared]
        return TextQuality(
            rate=ErrorRate.of(wrong),
            real_rate=self.real_rate,
            coverage=self._coverage(features),
            real_coverage=self.real_coverage,
            novelty=float(np.mean([text not in self._known for text in texts])),
            distinct=len(set(texts[: self.compared])) / self.compared,
            frechet_distance=self._frechet(features),
            frechet_floor=self.frechet_floor,
            compared=self.compared,
            by_class=by_class,
            worst=worst,
        )

    def _read(self, texts: Sequence[str]) -> list[str]:
        """Returns texts in the form of the corpus, cut to its places. One with an unknown character stays as it is."""
        normalize, length = NORMALIZE[self.corpus.form], self.corpus.length
        return [text if REPLACEMENT in text else normalize(text)[:length] for text in texts]

    def _wrong(self, texts: Sequence[str], logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Returns which texts are errors: bool [N]."""
        broken = np.array([not text or REPLACEMENT in text for text in texts])
        return broken | (logits.argmax(axis=1) != self._places[labels])

    def _coverage(self, features: np.ndarray) -> float:
        return metrics.precision_recall(self._features, features, real_radii=self._radii)["coverage"]

    def _frechet(self, features: np.ndarray) -> float:
        return float(metrics.frechet_distance(*self._moments_of(features), *self._moments))

    def _moments_of(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        components = (features.astype(np.float64) - self._mean) @ self._components
        return components.mean(axis=0), np.atleast_2d(np.cov(components, rowvar=False))


def principal_components(features: np.ndarray, most: int = DIMENSIONS) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean [F] and the first principal components [F, at most `most`] of features [N, F], in float64.

    The components are the directions of the largest variance, orthonormal columns, the largest last.
    """
    features = features.astype(np.float64)
    size = features.shape[1]
    _, vectors = scipy.linalg.eigh(np.cov(features, rowvar=False), subset_by_index=[max(0, size - most), size - 1])
    return features.mean(axis=0), vectors
