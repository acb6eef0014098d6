"""The sentences of a report say what its numbers say."""

import pytest
from helpers.reports import made_up

from gan.evaluation import plots
from gan.evaluation.report import PerturbationPoint
from gan.evaluation.report_text import MEANING, percent, summary

VALUES = {
    "error_rate": (0.0094, 0.0048),
    "error_rate_lower": (0.0077, 0.0036),
    "error_rate_upper": (0.0115, 0.0064),
    "frechet_distance": (2.2, 0.8),
    "precision": (0.945, 0.950),
    "recall": (0.909, 0.956),
    "coverage": (0.91, 0.95),
    "pairwise_ssim": (0.219, 0.202),
    "reconstruction_mse": (0.007, 0.105),
}


def point(fault, severity, error_rate, *, n=1_000, lower=0.0, upper=1.0):
    return PerturbationPoint(fault, severity, n, error_rate, lower, upper)


def report(**changes):
    """A report in which everything is as it should be, but for the metrics and other fields in `changes`."""
    good = {
        "num": 10_000,
        "verdict": "within",
        "samples_at_hand": 10_000,
        "copied_share_lower": -0.05,
        "copied_share_upper": 0.25,
        "perturbation": (point("none", 0.0, 0.009), point("float16", 1.0, 0.011), point("int8", 1.0, 0.31)),
    }
    values = {name: (changes.pop(name, value), real) for name, (value, real) in VALUES.items()}
    return made_up(values, **(good | changes))


def test_a_good_report_in_words():
    assert summary(report()) == {
        "tolerance": "Within the tolerance of 2.00 %. 0.94 % of 10,000 samples are not read as asked; the true rate "
        "lies between 0.77 % and 1.15 % (95 % confidence).",
        "fidelity": "The Frechet distance is 2.2, 2.8 times what as many real images have (0.8 ± 0.15). 94.5 % of the "
        "samples lie among real images (real: 95.0 %).",
        "variety": "90.9 % of the real images lie among the samples (real: 95.6 %). Samples of one class are more "
        "alike than real ones (SSIM 0.219, real 0.202).",
        "copies": "Copying cannot be told from none: a share of 0.10, between -0.05 and 0.25 (95 % confidence).",
        "reach": "The generator comes to unseen images closer than the nearest training image does (mean squared "
        "difference 0.007 against 0.105).",
        "robustness": "An error rate of 0.90 % (of 1,000 samples) becomes 1.10 % with weights in half precision and "
        "31.00 % with weights in 8 bits.",
    }


@pytest.mark.parametrize(
    ("changes", "subject", "words"),
    [
        ({"verdict": "exceeded"}, "tolerance", "Beyond the tolerance"),
        ({"conditional": False}, "tolerance", "not surely read as any class"),
        (
            {"verdict": "undecided", "undecided_because_of": ("error_rate",), "samples_needed": 700},
            "tolerance",
            "700 fresh samples with the same share of errors would decide (--num 700 --seed ANOTHER).",
        ),
        (
            {"verdict": "undecided", "undecided_because_of": ("error_rate",), "samples_needed": 105_641},
            "tolerance",
            "there are only 10,000 real images to set beside them",
        ),
        ({"verdict": "undecided", "undecided_because_of": ("error_rate",)}, "tolerance", "too near to the tolerance"),
        (
            {"verdict": "undecided", "undecided_because_of": ("error_rate", "coverage"), "coverage": 0.3},
            "tolerance",
            "they cover 0.30 of the test images where real ones cover 0.95: coverage is too low",
        ),
        (
            {"not_known": {"pairwise_ssim": "too small"}},
            "variety",
            "How alike samples of one class are is not known: too small.",
        ),
        ({"pairwise_ssim": 0.12}, "variety", "less alike than real ones"),
        ({"pairwise_ssim": 0.204}, "variety", "about as unlike each other as real ones"),
        ({"copied_share_lower": 0.02}, "copies", "Samples copy training images"),
        ({"copied_share": None}, "copies", "cannot be told"),
        ({"reconstruction_mse": 0.2}, "reach", "not as close as the nearest training image"),
    ],
)
def test_other_reports_in_words(changes, subject, words):
    assert words in summary(report(**changes))[subject]


def test_shares_and_meanings():
    assert (percent(0.0094), percent(1.0, 0)) == ("0.94 %", "100 %")
    assert all(sentence.endswith(".") for sentence in MEANING.values())


def test_bars_stand_for_what_the_legend_says(monkeypatch):
    drawn = {}
    monkeypatch.setattr(plots, "_svg", lambda figure: drawn.update(axes=figure.axes[0]) or "")
    plots.class_histogram(report())
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in drawn["axes"].containers}
    assert heights == {"samples": [60.0, 40.0], "test images": [50.0, 50.0]}


def test_curves_hold_the_points_and_their_intervals(monkeypatch):
    drawn = {}
    monkeypatch.setattr(plots, "_svg", lambda figure: drawn.update(axes=figure.axes) or "")
    ends = {"n": 100, "lower": 0.01, "upper": 0.04}
    points = [point("none", 0.0, 0.02, **ends), point("int8", 1.0, 0.02, **ends)]
    points += [point("latent_noise", severity, 0.1 * severity, **ends) for severity in (1.0, 2.0)]
    plots.perturbation_curves(0.02, points)
    (axes,) = drawn["axes"]
    (line,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert line.get_xydata().tolist() == [[0.0, 2.0], [1.0, 10.0], [2.0, 20.0]]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 4.0)
