"""What the numbers of a report mean, in plain sentences."""

from collections.abc import Sequence

from gan.evaluation.report import EvaluationReport, PerturbationPoint

MEANING = {
    "error_rate": "Share of samples that the classifier does not read as asked; without classes, of those it is not "
    "sure of. Lower is better.",
    "frechet_distance": "Distance between the features of the samples and of the test images, by mean and "
    "covariance; fewer samples make it larger. Lower is better.",
    "kernel_distance": "Another such distance, without a bias by the number of samples: of real images 0 on the mean.",
    "precision": "Share of samples that lie among real images. Lower than real: some look like none.",
    "recall": "Share of real images that lie among the samples. Lower than real: some kinds are never made.",
    "density": "How thickly real images lie around the samples. Above real: mostly typical kinds are made.",
    "coverage": "Share of real images that have a sample near them. Lower than real: parts of the data are missing.",
    "class_kl": "How far the shares of the classes seen are from those of the test images, in nats. 0 is the same.",
    "classes_seen": "Classes that the classifier sees at all.",
    "pairwise_ssim": "Likeness of two samples of one class. Above real: less variety than the data.",
    "nearest_mse": "Mean squared difference to the nearest training image. Far below real: perhaps copies.",
    "nearest_ssim": "Likeness to that training image. Far above real: perhaps copies.",
    "copied_share": "Share of samples that copy a training image. Blur does not deceive it.",
    "reconstruction_mse": "Mean squared difference between unseen images and the nearest samples that the generator "
    "can make of them; real: the nearest training images. Lower is better.",
    "reconstruction_ssim": "Likeness of the same pairs. Higher is better.",
}
"""A sentence for every number of a report."""

PERTURBATIONS = {
    "none": "no fault",
    "latent_noise": "noise on the latents",
    "weight_noise": "noise on the weights",
    "float16": "weights in half precision",
    "int8": "weights in 8 bits",
}


def percent(share: float, digits: int = 2) -> str:
    """A share as text: 0.0094 -> 0.94 %."""
    return f"{100 * share:.{digits}f} %"


def summary(report: EvaluationReport) -> dict[str, str]:
    """A report in a few sentences, by subject: verdict, fidelity, variety, copies, and more where it was measured."""
    value = {name: row.value for name, row in report.metrics.items() if row.value is not None}
    real = {name: row.real for name, row in report.metrics.items() if row.real is not None}
    floor, unlike = report.frechet_floor, report.not_known.get("pairwise_ssim")
    said = {
        "tolerance": _verdict(report, value, real),
        "fidelity": f"The Frechet distance is {value['frechet_distance']:.3g}, {report.frechet_in_floors:.2g} "
        f"times what as many real images have ({floor.mean:.3g} ± {floor.spread:.2g}). "
        f"{percent(value['precision'], 1)} of the samples lie among real images (real: "
        f"{percent(real['precision'], 1)}).",
        "variety": f"{percent(value['recall'], 1)} of the real images lie among the samples (real: "
        f"{percent(real['recall'], 1)}). "
        + (_likeness(value["pairwise_ssim"], real["pairwise_ssim"]) if unlike is None else _unknown(unlike)),
        "copies": _copies(report),
    }
    if "reconstruction_mse" in value:
        closer = "closer than" if value["reconstruction_mse"] < real["reconstruction_mse"] else "not as close as"
        said["reach"] = (
            f"The generator comes to unseen images {closer} the nearest training image does (mean squared difference "
            f"{value['reconstruction_mse']:.3g} against {real['reconstruction_mse']:.3g})."
        )
    if report.perturbation:
        said["robustness"] = _robustness(report.perturbation)
    return said


def _verdict(report: EvaluationReport, value: dict[str, float], real: dict[str, float]) -> str:
    wrong = "not read as asked" if report.conditional else "not surely read as any class"
    facts = (
        f"{percent(value['error_rate'])} of {report.num:,} samples are {wrong}; the true rate lies between "
        f"{percent(value['error_rate_lower'])} and {percent(value['error_rate_upper'])} (95 % confidence)."
    )
    words = {
        "within": f"Within the tolerance of {percent(report.tolerance)}. {facts}",
        "exceeded": f"Beyond the tolerance of {percent(report.tolerance)}. {facts}",
        "undecided": f"Undecided against the tolerance of {percent(report.tolerance)}. {facts}",
    }[report.verdict]
    if "coverage" in report.undecided_because_of:
        return (
            f"{words} And they cover {value['coverage']:.2f} of the test images where real ones cover "
            f"{real['coverage']:.2f}: coverage is too low to accept the generator, however few errors it makes; more "
            "samples will not help."
        )
    if "error_rate" in report.undecided_because_of:
        return f"{words} {_to_decide(report.samples_needed, report.samples_at_hand)}"
    return words


def _to_decide(needed: int | None, at_hand: int) -> str:
    if needed is None:
        return "The rate is too near to the tolerance for any sample to decide."
    more = f"{needed:,} fresh samples with the same share of errors would decide"
    if needed > at_hand:
        return f"{more}, but there are only {at_hand:,} real images to set beside them: ask for another tolerance."
    return f"{more} (--num {needed} --seed ANOTHER)."


def _likeness(value: float, real: float) -> str:
    if abs(value - real) < 0.01:
        compared = "about as unlike each other as real ones"
    else:
        compared = "more alike than real ones" if value > real else "less alike than real ones"
    return f"Samples of one class are {compared} (SSIM {value:.3f}, real {real:.3f})."


def _unknown(why: str) -> str:
    return f"How alike samples of one class are is not known: {why}."


def _copies(report: EvaluationReport) -> str:
    share, lower, upper = report.copied_share, report.copied_share_lower, report.copied_share_upper
    if share is None or lower is None or upper is None:
        return "What is copied cannot be told: the samples are too alike, or were learned from other images than these."
    found = "Samples copy training images" if lower > 0 else "Copying cannot be told from none"
    return f"{found}: a share of {share:.2f}, between {lower:.2f} and {upper:.2f} (95 % confidence)."


def _robustness(points: Sequence[PerturbationPoint]) -> str:
    clean = points[0]
    rounded = {point.fault: percent(point.error_rate) for point in points if point.fault in ("float16", "int8")}
    said = " and ".join(f"{rate} with {PERTURBATIONS[fault]}" for fault, rate in rounded.items())
    return f"An error rate of {percent(clean.error_rate)} (of {clean.n:,} samples) becomes {said}."
