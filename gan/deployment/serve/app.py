"""The ASGI application: all routes, and errors as TensorFlow Serving writes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.middleware import BodyLimits, HeadRequests, LocalPages, Observed, Token
from gan.deployment.serve.models import Models
from gan.deployment.serve.page import page_router
from gan.deployment.serve.sample_routes import OPTIONS, sample_router
from gan.deployment.serve.serving_routes import serving_router
from gan.errors import InputError
from gan.utils.tensorflow import installed_version

if TYPE_CHECKING:
    from gan.deployment.monitor.auditor import Auditor

MOST_RECEIVED = 200
"""Most characters of a request that a message repeats."""


def create_app(
    models: Models, *, metrics: Metrics, limits: Limits, token: str | None = None, auditor: "Auditor | None" = None
) -> FastAPI:
    """Returns the application that serves models.

    Args:
        models: the models. The application starts and closes them.
        metrics: what `/metrics` shows.
        limits: bounds of requests.
        token: token that requests must send; None: they need none, and must name this machine as their host.
        auditor: reads a share of what is served; None: nothing is read. The application starts and closes it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models.start()
        if auditor is not None:
            auditor.start()
        yield
        await run_in_threadpool(models.close)
        if auditor is not None:
            await run_in_threadpool(auditor.close)

    app = FastAPI(
        title="gan serve",
        description="Samples of generators, and TensorFlow Serving's REST routes.",
        version=installed_version("gan-reference"),
        docs_url=None,  # these pages load scripts of another host
        redoc_url=None,
        lifespan=lifespan,
    )
    routers = [
        serving_router(models, limits, has_token=token is not None),
        sample_router(models, limits),
        page_router(models),
    ]
    if auditor is not None:
        from gan.deployment.monitor.status import status_router  # with the classifiers, which few servers need

        routers.append(status_router(auditor))
    for router in routers:
        app.include_router(router)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def read_metrics() -> Response:
        return Response(metrics.as_text(), media_type="text/plain; version=0.0.4")

    app.add_exception_handler(InputError, _bad_input)
    app.add_exception_handler(RequestValidationError, _bad_option)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failure)
    routes = [*(route for router in routers for route in router.routes), *app.routes]
    app.add_middleware(BodyLimits, limits=limits)
    app.add_middleware(Token, token=token)
    app.add_middleware(LocalPages, any_host=token is not None)
    app.add_middleware(HeadRequests)
    app.add_middleware(Observed, metrics=metrics, routes=routes, options=OPTIONS)
    return app


async def _bad_input(request: Request, error: Exception) -> Response:
    message = str(error)
    if isinstance(error, InputError):
        problem = error.problem.replace("`--", "`")  # an option of the command line has this name in a request too
        received = error.received if len(error.received) <= MOST_RECEIVED else f"{error.received[:MOST_RECEIVED]}..."
        message = str(InputError(problem, expected=error.expected, received=received))
    return JSONResponse({"error": message}, 400)


async def _bad_option(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    received = str(first.get("input"))[:80]
    message = f"Bad `{first['loc'][-1]}`. Expected: {first['msg'].removeprefix('Input ')}. Received: {received!r}."
    return JSONResponse({"error": message}, 400)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail
    if (error.status_code, message) in ((404, "Not Found"), (405, "Method Not Allowed")):
        message = f"Malformed request: {request.method} {request.url.path[:MOST_RECEIVED]}"
    return JSONResponse({"error": message}, error.status_code, headers=dict(error.headers or {}))


async def _failure(request: Request, error: Exception) -> Response:
    """Answers a request that failed because of an error of this program. The log has the error, the answer has not."""
    write_log("failure", level="error", path=request.url.path[:MOST_RECEIVED], reason=repr(error))
    return JSONResponse({"error": "The request failed; the log of the server has the reason."}, 500)
