"""Deployment: verified exports of generators, what each format and weight width costs, and what people judge."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.deployment.artifacts import measure_artifacts
    from gan.deployment.export import export_generator
    from gan.deployment.feedback.store import FeedbackStore
    from gan.deployment.feedback.summary import summarize
    from gan.deployment.table import load_table
    from gan.deployment.web import export_web

_HOMES = {
    "FeedbackStore": "gan.deployment.feedback.store",
    "export_generator": "gan.deployment.export",
    "export_web": "gan.deployment.web",
    "load_table": "gan.deployment.table",
    "measure_artifacts": "gan.deployment.artifacts",
    "summarize": "gan.deployment.feedback.summary",
}
__all__ = ["FeedbackStore", "export_generator", "export_web", "load_table", "measure_artifacts", "summarize"]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
