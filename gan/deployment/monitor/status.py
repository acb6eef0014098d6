"""The status page: what the audit has found, as HTML and JSON."""

import math
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from gan.deployment.monitor.auditor import Auditor
from gan.deployment.monitor.snapshot import AuditSnapshot
from gan.deployment.monitor.version_audit import CHANGE_SAMPLES, DRIFT_SAMPLES
from gan.errors import as_json
from gan.utils.templates import load_templates

STYLE = "status.css"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "Refresh": "30",
}
"""The page loads its style sheet alone, runs no script, and is loaded again every 30 seconds."""

SOURCES = {"seeds": "Seeds", "truncated": "Truncated", "latents": "Given latents"}
DETECTORS = {
    "changed": "Error rate above the tolerance",
    "other_pictures": "Pictures that became others",
    "label_drift": "Classes that are asked",
    "latent_drift": "Latents of clients",
}
KINDS = {
    "exceeded": "Tolerance exceeded",
    "changed": "Error rate has risen",
    "other_pictures": "Other pictures",
    "label_drift": "Drift of classes",
    "latent_drift": "Drift of latents",
}
OUTCOMES = {"confirmed": "Confirmed", "not_confirmed": "Not confirmed", "abandoned": "Given up"}
MOST_BARS = 40
"""Classes of which the page shows the counts."""

TEMPLATES = load_templates("gan.deployment.monitor")


def _percent(share: float) -> str:
    """Returns a share in percent with three digits, such as 0.123 %."""
    return f"{100 * share:.3g}\u00a0%"


def _power(number: float) -> str:
    """Returns the power of ten of a number, such as 9."""
    return f"{math.log10(number):.3g}"


TEMPLATES.filters["percent"] = _percent
TEMPLATES.filters["count"] = lambda number: f"{number:,.0f}"


def status_page(state: AuditSnapshot) -> str:
    """Returns the status page as HTML."""
    return TEMPLATES.get_template("status.html.jinja").render(
        state=state,
        sources=SOURCES,
        detectors=DETECTORS,
        kinds=KINDS,
        outcomes=OUTCOMES,
        most_bars=MOST_BARS,
        change_power=_power(CHANGE_SAMPLES),
        drift_power=_power(DRIFT_SAMPLES),
    )


def status_router(auditor: Auditor) -> APIRouter:
    """Returns the routes: `/status`, its style sheet, and `/status.json`."""
    router = APIRouter()
    style = files("gan.deployment.monitor").joinpath(STYLE).read_bytes()

    @router.get("/status", include_in_schema=False)
    async def page() -> Response:
        state = await run_in_threadpool(auditor.snapshot)
        return HTMLResponse(await run_in_threadpool(status_page, state), headers=HEADERS)

    @router.get("/status.json")
    async def numbers() -> Response:
        state = await run_in_threadpool(auditor.snapshot)
        return JSONResponse(as_json(state), headers={"Cache-Control": "no-store"})

    @router.get(f"/{STYLE}", include_in_schema=False)
    async def sheet() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "no-cache"})

    return router
