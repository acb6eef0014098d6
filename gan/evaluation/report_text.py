"""Sentences of a report: the headline, the summary, and how to read each number."""

from collections.abc import Collection, Sequence

from gan.evaluation.report import MOST_NUM, EvaluationReport, FeatureSource, PerturbationPoint
from gan.evaluation.stopping import StoppingHistory
from gan.tolerance import Confirmation, Verdict, WorstClass

NAMES = {
    "error_rate": "Error rate",
    "worst_class": "Worst class",
    "frechet_distance": "Frechet distance",
    "kernel_distance": "Kernel distance",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "class_kl": "Class balance",
    "classes_seen": "Classes found",
    "pairwise_ssim": "Similarity within a class",
    "sliced_wasserstein": "Patch distance",
    "nearest_mse": "Difference from the nearest training image",
    "nearest_ssim": "Similarity to the nearest training image",
    "copied_share": "Share of copies",
    "reconstruction_mse": "Reconstruction error",
    "reconstruction_ssim": "Reconstruction similarity",
}
"""The name of each measure for people, by its key in report.json."""

MEANING = {
    "error_rate": "Share of samples that the classifier does not recognize as the requested class. Without requested "
    "classes: share of samples that it does not clearly recognize as any class. Lower is better.",
    "worst_class": "Highest error rate of a requested class. The interval is that of the highest rate of all classes, "
    "not of this class alone. Lower is better.",
    "frechet_distance": "Distance between the features of samples and test images, from their means and covariances. "
    "Fewer samples increase it. Lower is better.",
    "kernel_distance": "Squared maximum mean discrepancy of the same features. The number of samples does not bias "
    "it: its expected value for real images is 0. Lower is better.",
    "precision": "Share of samples that lie among the real images. Below real images: some samples look unrealistic.",
    "recall": "Share of real images that lie among the samples. Below real images: some kinds are never generated.",
    "density": "How densely real images surround the samples. Above real images: samples are mostly typical images.",
    "coverage": "Share of real images that have a sample nearby. Below real images: parts of the data are missing.",
    "class_kl": "Divergence between the class shares of samples and test images, in nats. 0 means equal shares.",
    "classes_seen": "Number of classes that the classifier finds among the samples.",
    "pairwise_ssim": "Similarity (SSIM) of two samples of the same class. Above real images: less variety.",
    "sliced_wasserstein": "Distance between 7 x 7 patches of samples and test images, mean over several resolutions "
    "(sliced Wasserstein distance). Sees local structure, not whole images. Lower is better.",
    "nearest_mse": "Mean squared difference from the nearest training image. Far below real images: possible copies.",
    "nearest_ssim": "SSIM to the nearest training image. Far above real images: possible copies.",
    "copied_share": "Estimated share of samples that copy a training image. Blur does not hide copies.",
    "reconstruction_mse": "Mean squared difference between test images and their reconstructions by the generator. "
    "For real images: the nearest training images. Lower is better.",
    "reconstruction_ssim": "SSIM between the same pairs. Higher is better.",
}
"""How to read each number of a report."""

OF_CLASSES = ("error_rate", "worst_class", "class_kl", "classes_seen")
"""Measures that need a classifier."""

RANDOM_NETWORK = (
    "The features are those of a fixed random network, which sees texture and color more than meaning: compare the "
    "numbers only within the same data."
)
"""What a reader must know of features that nothing was trained for."""


def explain(numbers: Collection[str], source: FeatureSource, *, of_class: bool) -> dict[str, str]:
    """Returns how to read each of the numbers: {name: sentences}, and of those that are added to them later.

    source: where the features are from. of_class: whether pairs of samples are of one class.
    """
    meaning = dict(MEANING)
    if "error_rate" not in numbers:
        meaning = {name: text for name, text in MEANING.items() if name not in OF_CLASSES}
    if source.name == "random":
        meaning["frechet_distance"] += f" {RANDOM_NETWORK}"
    if not of_class:
        meaning["pairwise_ssim"] = meaning["pairwise_ssim"].replace(" of the same class", "")
    found = {}
    for name, text in meaning.items():
        found[name] = text
        if name == "sliced_wasserstein":
            levels = [number for number in numbers if number.startswith(f"{name}_")]
            found |= {level: f"The same at {level.rpartition('_')[2]} pixels." for level in levels}
    return found


def by_class(report: EvaluationReport) -> bool:
    """Returns whether pairs of samples are of one class: a requested one, or one that a classifier finds."""
    return report.conditional or report.class_histogram is not None


def name_of(report: EvaluationReport, number: str) -> str:
    """Returns the name of a measure for people."""
    if number == "pairwise_ssim" and not by_class(report):
        return "Similarity of samples"
    base, _, size = number.rpartition("_")
    return f"{NAMES[base]}, {size}" if number not in NAMES and base in NAMES else NAMES.get(number, number)


PERTURBATIONS = {
    "none": "no fault",
    "latent_noise": "noise on the latents",
    "weight_noise": "noise on the weights",
    "float16": "half-precision weights",
    "int8": "8-bit weights",
}
"""The name of each fault for people."""


UNREADABLE = (
    "The classifier errs on real images more often than the tolerance allows, so it cannot tell: choose a higher "
    "tolerance, or train a better classifier."
)
"""What follows from a classifier that errs too often on real images."""


def percent(share: float, digits: int = 2) -> str:
    """Formats a share: 0.0094 -> 0.94 %."""
    return f"{100 * share:.{digits}f} %"


def headline(report: EvaluationReport) -> str:
    """Answers whether the generator may be shipped, in one line."""
    if report.verdict is None:
        missing = "tolerance" if "error_rate" in report.metrics else "classifier"
        return f"No verdict: there was no {missing}"
    if report.verdict == "exceeded":
        return "Exceeds the tolerance: do not ship it"
    if report.verdict == "within":
        if report.contradicts:
            return "Within tolerance, but other samples contradict it"
        copies = report.copied_share_lower is not None and report.copied_share_lower > 0
        return "Within tolerance, but check for copies" if copies else "Within tolerance: you may ship it"
    if "classifier" in report.undecided_because_of:
        return "Undecided: the classifier errs too often on real images"
    if report.confirmed is not None:
        if "conditions" in report.undecided_because_of:
            return "Undecided: a further condition is not met"
        return f"Undecided: {'too close to the tolerance' if report.samples_needed is None else 'more samples needed'}"
    if "coverage" in report.not_known:
        return "Undecided: too few images to measure variety"
    if "coverage" in report.undecided_because_of:
        return "Undecided: not enough variety to ship it"
    if report.samples_needed is None or report.samples_needed > MOST_NUM:
        return "Undecided: too close to the tolerance"
    return "Undecided: more samples needed"


def summary(report: EvaluationReport) -> dict[str, str]:
    """Summarizes a report by subject.

    `tolerance`, `fidelity`, `variety`, `similarity` and `copies` are always present; `reach` and `robustness` if
    reconstructions and faults were measured; `stopping` if the run had a tolerance. The first three explain the
    headline.
    """
    value = {name: row.value for name, row in report.metrics.items() if row.value is not None}
    real = {name: row.real for name, row in report.metrics.items() if row.real is not None}
    random = f" {RANDOM_NETWORK}" if report.features is not None and report.features.name == "random" else ""

    def shares(name: str) -> str:
        if name in report.not_known:
            return f"not known ({report.not_known[name]})"
        return f"{percent(value[name], 1)} (real images: {percent(real[name], 1)})"

    floor, unknown = report.frechet_floor, report.not_known.get("pairwise_ssim")
    sentences = {
        "tolerance": " ".join(filter(None, (_tolerance(report, value), _worst_class(report.worst_class)))),
        "fidelity": f"The Frechet distance{_of_first(report)} is {value['frechet_distance']:.3g}, "
        f"{_times(report.frechet_in_floors)} the distance of real images ({floor.mean:.3g} ± {floor.spread:.2g}); "
        f"precision is {shares('precision')}.{random}",
        "variety": f"Coverage is {shares('coverage')}, recall is {shares('recall')}, {_copies_in_short(report)}.",
        "similarity": _similarity(value["pairwise_ssim"], real["pairwise_ssim"], by_class(report))
        if unknown is None
        else f"Similarity{' within a class' if by_class(report) else ''} is not known: {unknown}.",
        "copies": _copies(report),
    }
    if "reconstruction_mse" in value:
        closer = value["reconstruction_mse"] < real["reconstruction_mse"]
        sentences["reach"] = (
            f"Reconstructions of test images are {'closer to them than' if closer else 'not as close to them as'} the "
            f"nearest training images (mean squared difference {value['reconstruction_mse']:.3g}, training images: "
            f"{real['reconstruction_mse']:.3g})."
        )
    if report.perturbation:
        sentences["robustness"] = _robustness(report.perturbation)
    elif "perturbation" in report.not_known:
        sentences["robustness"] = f"Faults were not tried: {report.not_known['perturbation']}."
    if report.stopping is not None:
        sentences["stopping"] = _stopping(report, report.stopping)
    return sentences


def _of_first(report: EvaluationReport) -> str:
    return f" of the first {report.compared:,} samples" if report.compared < report.num else ""


def _times(ratio: float | None) -> str:
    if ratio is None:
        return "compared with"
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.2g} times"


def _tolerance(report: EvaluationReport, value: dict[str, float]) -> str:
    tolerance = report.tolerance
    if tolerance is None:
        return _without_tolerance(report, value)
    if report.confirmed is not None:
        return f"{_confirmation(report, report.confirmed, tolerance)} {_comparison(report, value, tolerance)}"
    lower, upper = value["error_rate_lower"], value["error_rate_upper"]
    sentence = (
        f"The error rate {_decision(report, upper, tolerance)} the tolerance of {percent(tolerance)}: "
        f"{percent(value['error_rate'])} of {report.num:,} samples are {_wrong(report)} (95 % confidence interval: "
        f"{percent(lower)} to {percent(upper)}){_beside_real(report)}."
    )
    if "classifier" in report.undecided_because_of:
        return f"{sentence} {UNREADABLE}"
    if "coverage" in report.not_known:
        return f"{sentence} Coverage is not known: {report.not_known['coverage']}."
    if "coverage" in report.undecided_because_of:
        return f"{sentence} Coverage is too low to accept the generator; more samples will not help."
    if "error_rate" in report.undecided_because_of:
        return f"{sentence} {_to_decide(report.samples_needed)}"
    return sentence


def _without_tolerance(report: EvaluationReport, value: dict[str, float]) -> str:
    if "error_rate" not in value:
        return (
            "No classifier measured the samples, so their error rate is not known and there is no verdict. Compare "
            "each number with that of real images."
        )
    lower, upper = value["error_rate_lower"], value["error_rate_upper"]
    return (
        f"The error rate is {percent(value['error_rate'])}: that share of {report.num:,} samples are {_wrong(report)} "
        f"(95 % confidence interval: {percent(lower)} to {percent(upper)}){_beside_real(report)}. No tolerance was "
        "given, so there is no verdict (--tolerance SHARE)."
    )


def _decision(report: EvaluationReport, upper: float, tolerance: float) -> str:
    if report.verdict == "exceeded":
        return "exceeds"
    if "classifier" in report.undecided_because_of:
        return "cannot be compared with"
    return "is within" if upper <= tolerance else "may be within or above"


def _wrong(report: EvaluationReport) -> str:
    return "not recognized as the requested class" if report.conditional else "not clearly recognized as any class"


def _beside_real(report: EvaluationReport) -> str:
    """Returns the same error rate of real test images."""
    if report.real_rate is None:
        return ""
    lower, upper = map(percent, report.real_rate.interval)
    return f", and {percent(report.real_rate.value)} of {report.real_rate.n:,} real test images ({lower} to {upper})"


def _worst_class(worst: WorstClass | None) -> str:
    if worst is None:
        return ""
    classes = f"{worst.classes:,} classes" + (" with samples" if worst.empty else "")
    found = "No class has a wrong sample"
    if worst.wrong:
        found = f"The worst class is {worst.label}, with {worst.wrong:,} of {worst.n:,} samples wrong"
    return (
        f"{found}. With {100 * worst.confidence:.4g} % confidence, the highest error rate of all {classes} is "
        f"{percent(worst.lower)} to {percent(worst.upper)}."
    )


def _confirmation(report: EvaluationReport, done: Confirmation, tolerance: float) -> str:
    """Describes the confirmation that decides the verdict."""
    lower, upper = done.bounds
    sentence = (
        f"In the last confirmation of the run, the error rate {_decision(report, upper, tolerance)} the tolerance "
        f"of {percent(tolerance)}: {percent(done.rate.value)} of {done.num:,} fresh samples are {_wrong(report)} "
        f"({100 * done.confidence:.4g} % confidence interval: {percent(lower)} to {percent(upper)})"
        f"{_beside_real(report)}."
    )
    if "classifier" in report.undecided_because_of:
        return f"{sentence} {UNREADABLE}"
    if "conditions" in report.undecided_because_of:
        return f"{sentence} Further conditions are not met: {'; '.join(done.unmet)}."
    if "error_rate" in report.undecided_because_of and report.samples_needed is not None:
        return f"{sentence} At this error rate, {report.samples_needed:,} fresh samples would decide."
    if "error_rate" in report.undecided_because_of:
        return f"{sentence} {_to_decide(None)}"
    return sentence


def _comparison(report: EvaluationReport, value: dict[str, float], tolerance: float) -> str:
    """Compares the samples of the report with the confirmation that decides the verdict."""
    lower, upper = value["error_rate_lower"], value["error_rate_upper"]
    numbers = (
        f"Of the {report.num:,} other samples of this report, {percent(value['error_rate'])} are wrong "
        f"(95 % confidence interval: {percent(lower)} to {percent(upper)})"
    )
    if report.contradicts:
        side = "within" if report.verdict == "exceeded" else "above"
        return (
            f"{numbers}. They contradict the confirmation, because their whole interval is {side} the tolerance: one "
            "of the two is off by chance. Evaluate again with another seed."
        )
    if report.samples_verdict == report.verdict:
        return f"{numbers}, which agrees."
    alone: dict[Verdict | None, str] = {
        "within": "be within the tolerance",
        "exceeded": "exceed the tolerance",
        "undecided": "leave the verdict undecided",
    }
    reason = " because of their coverage" if report.samples_verdict == "undecided" and upper <= tolerance else ""
    return f"{numbers}. Alone, they would {alone[report.samples_verdict]}{reason}."


def _stopping(report: EvaluationReport, history: StoppingHistory) -> str:
    sentences = [f"The run was to stop as soon as its error rate is at most {percent(history.tolerance)}."]
    nominated = sum(point.is_nominated for point in history.curve)
    if history.confirmations:
        last = history.confirmations[-1]
        images = history.images_at(last.interval)
        after = "" if images is None else f" ({images:,} images)"
        sentences += [
            f"Nominated intervals: {nominated}. Confirmations: {len(history.confirmations)}; the last one, of interval "
            f"{last.interval}{after}, is {last.verdict}."
        ]
    else:
        sentences += [f"Nominated intervals: {nominated}. No confirmation is recorded."]
    if report.verdict is None:
        sentences += ["This report has no verdict."]
    elif report.confirmed is None:
        sentences += ["The verdict of this report uses its own samples alone."]
    else:
        sentences += ["The last confirmation decides the verdict of this report."]
    return " ".join(sentences)


def _to_decide(needed: int | None) -> str:
    if needed is None:
        return "The error rate is too close to the tolerance: no number of samples would decide."
    if needed > MOST_NUM:
        return (
            f"At this error rate, a decision needs {needed:,} new samples, more than the {MOST_NUM:,} that --num "
            "accepts: choose another tolerance."
        )
    return f"At this error rate, {needed:,} new samples would decide (--num {needed} --seed ANOTHER)."


def _similarity(value: float, real: float, of_class: bool) -> str:
    if abs(value - real) < 0.01:
        compared = "about as similar to each other as"
    else:
        compared = "more similar to each other than" if value > real else "less similar to each other than"
    which = "Samples of the same class" if of_class else "Samples"
    return f"{which} are {compared} real images (SSIM {value:.3f}, real images: {real:.3f})."


def _copies_in_short(report: EvaluationReport) -> str:
    share, lower, upper = report.copied_share, report.copied_share_lower, report.copied_share_upper
    if share is None or lower is None or upper is None:
        return "and the share of copies is not known"
    if lower > 0:
        return f"and about {percent(share, 0)} of the samples copy training images"
    return f"and at most {percent(min(1.0, max(0.0, upper)), 0)} of the samples copy training images (95 % confidence)"


def _copies(report: EvaluationReport) -> str:
    share, lower, upper = report.copied_share, report.copied_share_lower, report.copied_share_upper
    if share is None or lower is None or upper is None:
        return (
            "Copies cannot be assessed: the samples are too few or too similar to each other, or the generator was "
            "trained on another dataset."
        )
    finding = "Samples copy training images" if lower > 0 else "No copies were detected"
    rounded, low, high = (f"{round(number, 2) + 0.0:.2f}" for number in (share, lower, upper))  # + 0.0: never "-0.00"
    return f"{finding}: the share of copies is {rounded} (95 % confidence interval: {low} to {high})."


def _robustness(points: Sequence[PerturbationPoint]) -> str:
    clean = points[0]
    rates = {point.fault: percent(point.error_rate) for point in points if point.fault in ("float16", "int8")}
    faults = " and ".join(f"{rate} with {PERTURBATIONS[fault]}" for fault, rate in rates.items())
    more = f", {faults}" if faults else ""
    return f"The error rate of {clean.n:,} samples is {percent(clean.error_rate)} without faults{more}."
