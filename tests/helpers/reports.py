"""Evaluation reports with given numbers."""

from dataclasses import replace

from gan.evaluation.report import ClassCounts, EvaluationReport, FrechetFloor, MetricRow

VALUES = {
    "error_rate": (0.02, 0.01),
    "error_rate_lower": (0.013, 0.006),
    "error_rate_upper": (0.031, 0.018),
    "recall": (0.9, 0.95),
}


def made_up(values=VALUES, **changes):
    """Returns a report with metrics {name: (value, value of real images)}; `changes` replaces other fields."""
    report = EvaluationReport(
        dataset="mnist",
        reference="1000 test images",
        classifier_sha256="ab",
        num=1_000,
        seed=0,
        conditional=True,
        labels="of random training images",
        meaning={"error_rate": "share", "recall": "share", "copied_share": "share"},
        metrics={name: MetricRow(*row) for name, row in values.items()},
        frechet_floor=FrechetFloor(0.8, 0.15, 10),
        frechet_in_floors=2.75,
        copied_share=0.1,
        copied_share_lower=-0.1,
        copied_share_upper=0.3,
        nearest_num=1_000,
        class_histogram=ClassCounts((60, 40), (50, 50)),
        error_rate_by_class=(),
        tolerance=0.02,
        verdict="undecided",
        undecided_because_of=(),
        samples_needed=None,
        seconds={},
    )
    return replace(report, **{"compared": 0, **changes})
