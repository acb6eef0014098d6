"""python -m benchmarks read-digits: photographed digits and pictures without one, read or refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table
from gan.errors import check_whole
from gan.saving import models
from gan.tolerance import wilson_interval

if TYPE_CHECKING:
    from benchmarks.plot import Figure

TOTALS = {True: "all photographs of digits", False: "all pictures without a digit"}


@dataclass(frozen=True)
class ReadDigits(Benchmark):
    """Measure how many photographed digits are read right, and how many pictures without a digit are refused.

    Digits are test images of MNIST on synthetic paper. Fonts and photographs were used neither for training nor for the
    choice of the bound. Needs the packages of the extra `photographs`. Finished kinds are saved in --out.
    """

    classifier: str = "mnist-reader"
    """A classifier with a bound: its folder or pretrained name."""
    dataset: str = "mnist"
    """Dataset whose test digits are photographed: mnist, or mnist5k."""
    digits: int = 60
    """Photographs of digits of each kind."""
    others: int = 150
    """Pictures without a digit of each kind."""
    out: Path = Path("benchmarks/results/read-digits")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "read-digits"

    def check(self) -> None:
        check_whole("digits", self.digits, 1)
        check_whole("others", self.others, 1)
        models.find_classifier(self.classifier)

    def settings(self) -> Mapping[str, Any]:
        card = models.find_classifier(self.classifier).card
        return {
            "dataset": self.dataset,
            "digits": self.digits,
            "others": self.others,
            "classifier_sha256": card.sha256,
            "bound": None if card.calibration is None else card.calibration.bound,
        }

    def measure(self, record: Record, log: Log) -> None:
        import numpy as np

        from benchmarks import marks, photographs
        from benchmarks.mnist_reader import NO_DIGIT, picture
        from gan import load_classifier, load_dataset

        for kind in ("fonts", "photographs"):
            marks.find_files("test", marks.FONTS if kind == "fonts" else marks.PHOTOGRAPHS)
        test = load_dataset(self.dataset, fallback="none").test
        labels = np.asarray(test.labels)
        materials = marks.Materials("test", test.images[..., 0])
        classifier, card = load_classifier(self.classifier)
        counts = {
            **dict.fromkeys((*photographs.KINDS, "drawn"), self.digits),
            **dict.fromkeys(marks.NON_DIGITS, self.others),
        }
        for kind, count in counts.items():
            if record.has(kind, {}):
                continue
            drawn = [picture(kind, index, materials, labels) for index in range(count)]
            outcomes = _outcomes([pixels for pixels, _ in drawn], classifier, card)
            truth = [label if label != NO_DIGIT else None for _, label in drawn]
            record.add(kind, {}, {"is_digit": kind not in marks.NON_DIGITS, "labels": truth, **outcomes})
            log(f"{kind}: {_row(kind, record.content['runs'][kind])[1:]}")

    def table(self, content: Mapping[str, Any]) -> Table:
        rows = []
        for is_digit, title in TOTALS.items():
            runs = {kind: run for kind, run in content["runs"].items() if run["is_digit"] == is_digit}
            rows += [_row(kind, run) for kind, run in runs.items()]
            photographed = [run for kind, run in runs.items() if kind != "drawn"]
            rows.append(_row(title, _joined(photographed)))
        return Table(
            "Pictures that are answered, and answers that are right, with Wilson intervals (95 %).",
            ["pictures", "n", "answered", "right, of those answered"],
            rows,
            [
                "Drawn digits are printed or drawn, not from MNIST; the total of photographs leaves them out.",
                f"Bound: {content['settings']['bound']}.",
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import Panel, panels

        curves = error_coverage(content)
        return panels(
            [
                Panel("digits answered (%)", "answers that are wrong (%)", {"photographs of digits": curves["wrong"]}),
                Panel("digits answered (%)", "others answered (%)", {"pictures without a digit": curves["others"]}),
            ],
            title="Error and coverage at every bound",
        )


def _outcomes(drawn: "list[Any]", classifier: Any, card: Any) -> dict[str, Any]:
    """Returns {"answers": labels or null, "best": best digits, "probabilities", "problems"} of pictures."""
    from PIL import Image

    from gan.data.handwriting import FoundDigit, find_digit
    from gan.errors import InputError
    from gan.evaluation.classifier.answers import answer_found

    def find(pixels: Any) -> FoundDigit | InputError:
        try:
            return find_digit(Image.fromarray(pixels))
        except InputError as error:
            return error

    found = [find(pixels) for pixels in drawn]
    names = ["picture"] * len(found)
    readings = answer_found(names, found, classifier, card)
    return {
        "answers": [reading.answer.label for reading in readings],
        "best": [reading.answer.best for reading in readings],
        "probabilities": [None if (p := reading.answer.probability) is None else round(p, 5) for reading in readings],
        "problems": [digit.problem if isinstance(digit, FoundDigit) else "blank" for digit in found],
    }


def _joined(runs: list[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("labels", "answers", "best", "probabilities", "problems")
    return {name: [value for run in runs for value in run[name]] for name in names}


def _row(name: str, run: Mapping[str, Any]) -> list[str]:
    pairs = list(zip(run["labels"], run["answers"]))
    answered = [(label, given) for label, given in pairs if given is not None]
    right = sum(label == given for label, given in answered)
    is_digit = any(label is not None for label in run["labels"])
    return [
        name,
        f"{len(pairs)}",
        _share(len(answered), len(pairs)),
        _share(right, len(answered)) if is_digit and answered else "-",
    ]


def _share(part: int, n: int) -> str:
    low, high = wilson_interval(part, n)
    return f"{100 * part / n:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def error_coverage(content: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Computes, for every bound, points (share of digits answered, share of wrong answers or of others answered), in %.

    Pictures in which nothing is found, or a problem is seen, are never answered. Drawn digits are left out.
    """
    digits = _joined([run for kind, run in content["runs"].items() if run["is_digit"] and kind != "drawn"])
    others = _joined([run for run in content["runs"].values() if not run["is_digit"]])
    answerable = sorted(
        ((p, best == label) for p, best, label, problem in _rows(digits) if problem is None and p is not None),
        reverse=True,
    )
    above = sorted((p for p, _, _, problem in _rows(others) if problem is None and p is not None), reverse=True)
    wrong, answered_others, errors, passed = [], [], 0, 0
    for count, (probability, is_right) in enumerate(answerable, start=1):
        errors += not is_right
        while passed < len(above) and above[passed] >= probability:
            passed += 1
        covered = 100 * count / len(digits["labels"])
        if covered >= 50:
            wrong.append((covered, 100 * errors / count))
            answered_others.append((covered, 100 * passed / len(others["labels"])))
    return {"wrong": wrong, "others": answered_others}


def _rows(run: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    return zip(run["probabilities"], run["best"], run["labels"], run["problems"])
