"""How good a generator is: the numbers, the page that shows them, and reports side by side."""

from gan.evaluation.page import page, write_report
from gan.evaluation.report import EVALUATION_SEED, Evaluation, evaluate, evaluate_pictures

__all__ = ["EVALUATION_SEED", "Evaluation", "evaluate", "evaluate_pictures", "page", "write_report"]
