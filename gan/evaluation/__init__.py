"""Evaluation of generators and classifiers: metrics, reports, reconstructions. Names are imported on first use."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.evaluation.evaluation import EVALUATION_SEED, Evaluation, evaluate, evaluate_samples
    from gan.evaluation.html import page, write_report
    from gan.evaluation.metrics.quality import quality, quality_metric
    from gan.evaluation.projection import comparison, project
    from gan.evaluation.report import EvaluationReport, check_comparable, load_report, rows
    from gan.utils.display import STYLE

_HOMES = {
    "EVALUATION_SEED": "gan.evaluation.evaluation",
    "Evaluation": "gan.evaluation.evaluation",
    "EvaluationReport": "gan.evaluation.report",
    "STYLE": "gan.utils.display",
    "check_comparable": "gan.evaluation.report",
    "comparison": "gan.evaluation.projection",
    "evaluate": "gan.evaluation.evaluation",
    "evaluate_samples": "gan.evaluation.evaluation",
    "load_report": "gan.evaluation.report",
    "page": "gan.evaluation.html",
    "project": "gan.evaluation.projection",
    "quality": "gan.evaluation.metrics.quality",
    "quality_metric": "gan.evaluation.metrics.quality",
    "rows": "gan.evaluation.report",
    "write_report": "gan.evaluation.html",
}
__all__ = [
    "EVALUATION_SEED",
    "STYLE",
    "Evaluation",
    "EvaluationReport",
    "check_comparable",
    "comparison",
    "evaluate",
    "evaluate_samples",
    "load_report",
    "page",
    "project",
    "quality",
    "quality_metric",
    "rows",
    "write_report",
]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
