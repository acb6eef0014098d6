"""How good a generator is: the numbers, the page that shows them, and reports side by side."""

from gan.evaluation.page import page, write_report
from gan.evaluation.report import EVALUATION_SEED, Evaluation, evaluate, evaluate_pictures
from gan.plot_style import STYLE
from gan.quality import quality, quality_metric
from gan.reports import load_report, rows

__all__ = [
    "EVALUATION_SEED",
    "STYLE",
    "Evaluation",
    "evaluate",
    "evaluate_pictures",
    "load_report",
    "page",
    "quality",
    "quality_metric",
    "rows",
    "write_report",
]
