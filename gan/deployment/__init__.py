"""Deployment: verified exports of generators, and a table of what each format and weight width costs."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.deployment.artifacts import measure_artifacts
    from gan.deployment.export import export_generator
    from gan.deployment.table import load_table
    from gan.deployment.web import export_web

_HOMES = {
    "export_generator": "gan.deployment.export",
    "export_web": "gan.deployment.web",
    "load_table": "gan.deployment.table",
    "measure_artifacts": "gan.deployment.artifacts",
}
__all__ = ["export_generator", "export_web", "load_table", "measure_artifacts"]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
