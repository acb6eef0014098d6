"""The ASGI application of `gan feedback`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from gan.deployment.feedback.database import StoreError
from gan.deployment.feedback.routes import judge_router, page_router, report_router
from gan.deployment.feedback.session import FeedbackSession
from gan.deployment.feedback.showing import JudgedAlreadyError, NotShownError
from gan.deployment.serve.base_app import bad_input, base_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics

LIMITS = Limits(body_bytes=2**12)
"""Bounds of requests: a judgement has some 100 bytes."""

POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
"""Content security policy: the page has its scripts, styles and pictures from this server, and none of its own."""

RETRY_SECONDS = 1
"""Value of `Retry-After` when the file of judgements is locked."""


def create_app(
    session: FeedbackSession, *, metrics: Metrics, limits: Limits = LIMITS, token: str | None = None
) -> FastAPI:
    """Returns the application that shows judges pictures.

    Args:
        session: what the judges are shown. The application starts and closes it, but not its store.
        metrics: what `/metrics` shows.
        limits: bounds of requests.
        token: token that requests must send; None: they need none, and must name this machine as their host.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(session.start)
        yield
        await run_in_threadpool(session.close)

    mode_router = report_router if session.mode == "report" else judge_router
    app = base_app(
        "gan feedback",
        "Pictures of a generator, and what people say about them.",
        [page_router(session), mode_router(session)],
        lifespan=lifespan,
        metrics=metrics,
        limits=limits,
        token=token,
        is_private=_is_private,
        policy=POLICY,
        has_schema=False,
    )
    app.add_exception_handler(NotShownError, partial(bad_input, status=404))
    app.add_exception_handler(JudgedAlreadyError, partial(bad_input, status=409))
    app.add_exception_handler(StoreError, _no_store)
    return app


def _is_private(scope: Scope) -> bool:
    """Returns whether a request is none for a page of another site: all but the page, to which it may link."""
    return scope["path"] != "/"


async def _no_store(request: Request, error: Exception) -> Response:
    """Answers a request for which the file of judgements cannot be used now; the page sends it again.

    The message of the error has a path, which only the log gets.
    """
    write_log("failure", level="error", path=request.url.path, reason=str(error))
    message = "Not recorded. Expected: the same request later. Received: a request while the file cannot be used."
    return JSONResponse({"error": message}, 503, {"Retry-After": str(RETRY_SECONDS)})
