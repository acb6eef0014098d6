"""The sentences and plots of a report agree with its numbers."""

import pytest
from helpers.reports import made_up

from gan.evaluation import plots
from gan.evaluation.report import MOST_NUM, PerturbationPoint
from gan.evaluation.report_text import MEANING, NAMES, headline, percent, summary
from gan.tolerance import worst_class

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
UNDECIDED = {"verdict": "undecided", "undecided_because_of": ("error_rate",), "error_rate_upper": 0.03}
LOW_COVERAGE = {"verdict": "undecided", "undecided_because_of": ("coverage",), "coverage": 0.3}


def point(fault, severity, error_rate, *, n=1_000, lower=0.0, upper=1.0):
    return PerturbationPoint(fault, severity, n, error_rate, lower, upper)


def report(**changes):
    """Returns a report of a good generator, with the metrics and other fields in `changes`."""
    good = {
        "num": 10_000,
        "verdict": "within",
        "copied_share_lower": -0.05,
        "copied_share_upper": 0.25,
        "perturbation": (point("none", 0.0, 0.009), point("float16", 1.0, 0.011), point("int8", 1.0, 0.31)),
    }
    values = {name: (changes.pop(name, value), real) for name, (value, real) in VALUES.items()}
    return made_up(values, **(good | changes))


def test_summary_of_a_good_report():
    assert summary(report()) == {
        "tolerance": "The error rate is within the tolerance of 2.00 %: 0.94 % of 10,000 samples are not recognized as "
        "the requested class (95 % confidence interval: 0.77 % to 1.15 %).",
        "fidelity": "The Frechet distance is 2.2, 2.8 times the distance of real images (0.8 ± 0.15); precision is "
        "94.5 % (real images: 95.0 %).",
        "variety": "Coverage is 91.0 % (real images: 95.0 %), recall is 90.9 % (real images: 95.6 %), and at most 25 % "
        "of the samples copy training images (95 % confidence).",
        "similarity": "Samples of the same class are more similar to each other than real images (SSIM 0.219, real "
        "images: 0.202).",
        "copies": "No copies were detected: the share of copies is 0.10 (95 % confidence interval: -0.05 to 0.25).",
        "reach": "Reconstructions of test images are closer to them than the nearest training images (mean squared "
        "difference 0.007, training images: 0.105).",
        "robustness": "The error rate of 1,000 samples is 0.90 % without faults, 1.10 % with half-precision weights "
        "and 31.00 % with 8-bit weights.",
    }


@pytest.mark.parametrize(
    ("changes", "subject", "words"),
    [
        ({"verdict": "exceeded"}, "tolerance", "exceeds the tolerance"),
        ({"conditional": False}, "tolerance", "not clearly recognized as any class"),
        (UNDECIDED, "tolerance", "may be within or above the tolerance"),
        (
            UNDECIDED | {"samples_needed": 700},
            "tolerance",
            "At this error rate, 700 new samples would decide (--num 700 --seed ANOTHER).",
        ),
        (
            UNDECIDED | {"samples_needed": 105_641},
            "tolerance",
            "105,641 new samples would decide (--num 105641 --seed ANOTHER).",
        ),
        (
            UNDECIDED | {"samples_needed": MOST_NUM + 1},
            "tolerance",
            "a decision needs 10,000,001 new samples, more than the 10,000,000 that --num accepts",
        ),
        ({"num": 50_000}, "tolerance", "of 50,000 samples are not recognized"),
        ({"num": 50_000, "compared": 10_000}, "fidelity", "The Frechet distance of the first 10,000 samples is 2.2"),
        (UNDECIDED, "tolerance", "no number of samples would decide"),
        (LOW_COVERAGE, "tolerance", "is within the tolerance"),
        (LOW_COVERAGE, "tolerance", "Coverage is too low to accept the generator"),
        (LOW_COVERAGE, "variety", "Coverage is 30.0 % (real images: 95.0 %)"),
        (
            UNDECIDED | {"undecided_because_of": ("error_rate", "coverage"), "samples_needed": 700},
            "tolerance",
            "more samples will not help",
        ),
        (
            {"worst_class": worst_class([2, 0, 12], [1_000] * 3)},
            "tolerance",
            "to 1.15 %). The worst class is 2, with 12 of 1,000 samples wrong. With 95 % confidence, the highest error "
            "rate of all 3 classes is 0.53 % to 2.09 %.",
        ),
        (
            {"worst_class": worst_class([0] * 999 + [0], [100] * 999 + [0])},
            "tolerance",
            "No class has a wrong sample. With 95 % confidence, the highest error rate of all 999 classes with samples "
            "is 0.00 % to 3.62 %.",
        ),
        ({"frechet_in_floors": 117.6}, "fidelity", "118 times"),
        (
            {"not_known": {"pairwise_ssim": "too small"}},
            "similarity",
            "Similarity within a class is not known: too small.",
        ),
        ({"pairwise_ssim": 0.12}, "similarity", "less similar to each other than"),
        ({"pairwise_ssim": 0.204}, "similarity", "about as similar to each other as"),
        ({"copied_share_lower": 0.02}, "copies", "Samples copy training images"),
        ({"copied_share": -0.001}, "copies", "the share of copies is 0.00 ("),
        ({"copied_share_lower": 0.02}, "variety", "about 10 % of the samples copy"),
        ({"copied_share_upper": 1.3}, "variety", "at most 100 %"),
        ({"copied_share": -0.2, "copied_share_upper": -0.1}, "variety", "at most 0 %"),
        ({"copied_share": None}, "copies", "cannot be assessed"),
        ({"copied_share": None}, "variety", "the share of copies is not known"),
        ({"reconstruction_mse": 0.2}, "reach", "not as close to them as the nearest training images"),
    ],
)
def test_summary_of_other_reports(changes, subject, words):
    assert words in summary(report(**changes))[subject]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Within tolerance: you may ship it"),
        ({"copied_share": None, "copied_share_lower": None}, "Within tolerance: you may ship it"),
        ({"copied_share_lower": 0.02}, "Within tolerance, but check for copies"),
        ({"verdict": "exceeded", "copied_share_lower": 0.02}, "Exceeds the tolerance: do not ship it"),
        (UNDECIDED | {"samples_needed": 700}, "Undecided: more samples needed"),
        (UNDECIDED | {"samples_needed": MOST_NUM}, "Undecided: more samples needed"),
        (UNDECIDED | {"samples_needed": MOST_NUM + 1}, "Undecided: too close to the tolerance"),
        (UNDECIDED, "Undecided: too close to the tolerance"),
        (LOW_COVERAGE, "Undecided: not enough variety to ship it"),
    ],
)
def test_headline_answers_whether_to_ship(changes, words):
    assert headline(report(**changes)) == words


def test_every_measure_has_a_name_and_a_meaning():
    assert NAMES.keys() == MEANING.keys()
    assert all(sentence.endswith(".") for sentence in MEANING.values())


def test_percent_rounds_shares():
    assert (percent(0.0094), percent(1.0, 0)) == ("0.94 %", "100 %")


def test_histogram_bars_match_their_legend(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_svg", lambda figure: figures.append(figure) or "")
    plots.class_histogram(report())
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in figures[0].axes[0].containers}
    assert heights == {"samples": [60.0, 40.0], "test images": [50.0, 50.0]}


def test_curves_contain_the_points_and_their_intervals(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_svg", lambda figure: figures.append(figure) or "")
    ends = {"n": 100, "lower": 0.01, "upper": 0.04}
    points = [point("none", 0.0, 0.02, **ends), point("int8", 1.0, 0.02, **ends)]
    points += [point("latent_noise", severity, 0.1 * severity, **ends) for severity in (1.0, 2.0)]
    assert plots.perturbation_curves(0.02, points) == [""]
    (axes,) = figures[0].axes
    (line,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert line.get_xydata().tolist() == [[0.0, 2.0], [1.0, 10.0], [2.0, 20.0]]
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (1.0, 4.0)


def test_curves_of_all_faults_share_one_scale(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_svg", lambda figure: figures.append(figure) or "")
    points = [point("none", 0.0, 0.02, upper=0.03)]
    points += [
        point(fault, severity, 0.1, upper=0.4) for fault in ("latent_noise", "weight_noise") for severity in (1, 2)
    ]
    plots.perturbation_curves(0.02, points)
    assert [figure.axes[0].get_ylim() for figure in figures] == [(0.0, pytest.approx(42.0))] * 2


def test_plots_take_their_colors_from_the_page():
    svg = plots.class_histogram(report())
    assert "currentColor" in svg
    assert "var(--samples, " in svg
    assert "var(--real, " in svg
    for color in ("#000000", "#ffffff", plots.INK):
        assert color not in svg
