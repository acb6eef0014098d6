"""What the numbers of a report mean, in plain sentences."""

from typing import Any

MEANING = {
    "error_rate": "Share of pictures that the classifier does not read as asked; without classes, of those it is not "
    "sure of. Lower is better.",
    "frechet_distance": "Distance between the features of the pictures and of the test images, by mean and "
    "covariance; fewer pictures make it larger. Lower is better.",
    "kernel_distance": "Another such distance, without a bias by the number of pictures: of real images 0 on the mean.",
    "precision": "Share of pictures that lie among real images. Lower than real: some look like none.",
    "recall": "Share of real images that lie among the pictures. Lower than real: some kinds are never made.",
    "density": "How thickly real images lie around the pictures. Above real: only the most typical kinds are made.",
    "coverage": "Share of real images that have a picture near them. Lower than real: parts of the data are missing.",
    "class_kl": "How far the shares of the classes seen are from those of the test images, in nats. 0 is the same.",
    "classes_seen": "Classes that the classifier sees at all.",
    "pairwise_ssim": "Likeness of two pictures of one class. Above real: less variety than the data.",
    "nearest_mse": "Mean squared difference to the nearest training image. Far below real: perhaps copies.",
    "nearest_ssim": "Likeness to that training image. Far above real: perhaps copies.",
    "copied_share": "Share of pictures that copy a training image. Blur does not deceive it.",
    "reconstruction_mse": "Mean squared difference between unseen images and the nearest pictures that the generator "
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


def summary(report: dict[str, Any]) -> dict[str, str]:
    """A report in a few sentences, by subject: verdict, fidelity, variety, copies, and more where it was measured."""
    value = {name: row["value"] for name, row in report["metrics"].items()}
    real = {name: row["real"] for name, row in report["metrics"].items()}
    floor = report["frechet_floor"]
    said = {
        "tolerance": _verdict(report, value, real),
        "fidelity": f"The Frechet distance is {value['frechet_distance']:.3g}, {report['frechet_in_floors']:.2g} "
        f"times what as many real images have ({floor['mean']:.3g} +- {floor['spread']:.2g}). "
        f"{value['precision']:.1%} of the pictures lie among real images (real: {real['precision']:.1%}).",
        "variety": f"{value['recall']:.1%} of the real images lie among the pictures (real: {real['recall']:.1%}). "
        f"Pictures of one class are {_compared(value['pairwise_ssim'], real['pairwise_ssim'])} (SSIM "
        f"{value['pairwise_ssim']:.3f}, real {real['pairwise_ssim']:.3f}).",
        "copies": _copies(report),
    }
    if "reconstruction_mse" in value:
        closer = "closer than" if value["reconstruction_mse"] < real["reconstruction_mse"] else "not as close as"
        said["reach"] = (
            f"The generator comes to unseen images {closer} the nearest training image does (mean squared difference "
            f"{value['reconstruction_mse']:.3g} against {real['reconstruction_mse']:.3g})."
        )
    if report.get("perturbation"):
        said["robustness"] = _robustness(report["perturbation"])
    return said


def _verdict(report: dict[str, Any], value: dict[str, float], real: dict[str, float]) -> str:
    wrong = "not read as asked" if report["conditional"] else "not surely read as any class"
    facts = (
        f"{value['error_rate']:.2%} of {report['num']:,} pictures are {wrong}; the true rate lies between "
        f"{value['error_rate_lower']:.2%} and {value['error_rate_upper']:.2%} (95 % confidence)."
    )
    words = {
        "within": f"Within the tolerance of {report['tolerance']:.2%}. {facts}",
        "exceeded": f"Beyond the tolerance of {report['tolerance']:.2%}. {facts}",
        "undecided": f"Undecided against the tolerance of {report['tolerance']:.2%}. {facts}",
    }[report["verdict"]]
    if report["undecided_because_of"] == "coverage":
        return (
            f"{words} But they cover {value['coverage']:.2f} of the test images where real ones cover "
            f"{real['coverage']:.2f}: errors are few because little is tried, and no larger sample will change that."
        )
    if report["samples_needed"]:
        return f"{words} A fresh sample of {report['samples_needed']:,} pictures would decide."
    return words


def _compared(value: float, real: float) -> str:
    if abs(value - real) < 0.01:
        return "about as unlike each other as real ones"
    return "more alike than real ones" if value > real else "less alike than real ones"


def _copies(report: dict[str, Any]) -> str:
    lower, upper = report["copied_share_lower"], report["copied_share_upper"]
    found = "No sign of copies of training images" if lower <= 0 else "Pictures copy training images"
    return f"{found}: a share of {report['copied_share']:.2f}, between {lower:.2f} and {upper:.2f} (95 % confidence)."


def _robustness(points: list[dict[str, Any]]) -> str:
    clean = points[0]
    rounded = {p["fault"]: f"{p['error_rate']:.2%}" for p in points if p["fault"] in ("float16", "int8")}
    said = " and ".join(f"{rate} with {PERTURBATIONS[fault]}" for fault, rate in rounded.items())
    return f"An error rate of {clean['error_rate']:.2%} (of {clean['n']:,} pictures) becomes {said}."
