"""Deployment: exports of generators, judgements of people, the audit of what is served, and the tier of a tolerance."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.deployment.artifacts import measure_artifacts
    from gan.deployment.export import export_generator
    from gan.deployment.feedback.pictures import AuditPlan, GoldPlan
    from gan.deployment.feedback.store import FeedbackStore
    from gan.deployment.feedback.summary import summarize
    from gan.deployment.hub_repository import push_generator, write_repository
    from gan.deployment.monitor.choice import AuditChoice
    from gan.deployment.monitor.detectors import RateDetector
    from gan.deployment.monitor.rate import AuditedRate
    from gan.deployment.table import load_table
    from gan.deployment.tiers.choose import choose_tier
    from gan.deployment.tiers.table import load_tiers
    from gan.deployment.web import export_web

_HOMES = {
    "AuditChoice": "gan.deployment.monitor.choice",
    "AuditPlan": "gan.deployment.feedback.pictures",
    "AuditedRate": "gan.deployment.monitor.rate",
    "FeedbackStore": "gan.deployment.feedback.store",
    "GoldPlan": "gan.deployment.feedback.pictures",
    "RateDetector": "gan.deployment.monitor.detectors",
    "choose_tier": "gan.deployment.tiers.choose",
    "export_generator": "gan.deployment.export",
    "export_web": "gan.deployment.web",
    "load_table": "gan.deployment.table",
    "load_tiers": "gan.deployment.tiers.table",
    "measure_artifacts": "gan.deployment.artifacts",
    "push_generator": "gan.deployment.hub_repository",
    "summarize": "gan.deployment.feedback.summary",
    "write_repository": "gan.deployment.hub_repository",
}
__all__ = [
    "AuditChoice",
    "AuditPlan",
    "AuditedRate",
    "FeedbackStore",
    "GoldPlan",
    "RateDetector",
    "choose_tier",
    "export_generator",
    "export_web",
    "load_table",
    "load_tiers",
    "measure_artifacts",
    "push_generator",
    "summarize",
    "write_repository",
]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
