"""Deployment: verified exports of generators, what each file costs, and the tier that a tolerance allows."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.deployment.artifacts import measure_artifacts
    from gan.deployment.export import export_generator
    from gan.deployment.table import load_table
    from gan.deployment.tiers.choose import choose_tier
    from gan.deployment.tiers.table import load_tiers
    from gan.deployment.web import export_web

_HOMES = {
    "choose_tier": "gan.deployment.tiers.choose",
    "export_generator": "gan.deployment.export",
    "export_web": "gan.deployment.web",
    "load_table": "gan.deployment.table",
    "load_tiers": "gan.deployment.tiers.table",
    "measure_artifacts": "gan.deployment.artifacts",
}
__all__ = ["choose_tier", "export_generator", "export_web", "load_table", "load_tiers", "measure_artifacts"]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
