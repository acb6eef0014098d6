"""The ASGI application of `gan feedback`."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from gan.deployment.feedback.routes import judge_router, page_router, report_router
from gan.deployment.feedback.session import FeedbackSession
from gan.deployment.feedback.store import JudgedAlreadyError, NotShownError
from gan.deployment.serve.base_app import bad_input, base_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics
from gan.errors import InputError

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
    app.add_exception_handler(InputError, _store_or_input)
    return app


def _is_private(scope: Scope) -> bool:
    """Returns whether a request is none for a page of another site: all but the page, to which it may link."""
    return scope["path"] != "/"


async def _store_or_input(request: Request, error: Exception) -> Response:
    """Answers 503 if the file of judgements cannot be used now, and 400 to other bad input.

    The message of the first has a path, which only the log gets. What was sent is not recorded; the page sends it again.
    """
    if not isinstance(error.__cause__, sqlite3.Error):
        return await bad_input(request, error)
    write_log("failure", level="error", path=request.url.path, reason=str(error))
    message = "Not recorded: the file of judgements is locked or cannot be used. Expected: the same request later."
    return JSONResponse({"error": message}, 503, {"Retry-After": str(RETRY_SECONDS)})
