"""The parts that every server has: errors as one line of JSON, `/healthz`, `/metrics`, and what requests pass."""

from collections.abc import Callable, Collection, Sequence

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Lifespan, Scope

from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.middleware import NO_FRAMES, BodyLimits, HeadRequests, LocalPages, Observed, Token
from gan.errors import InputError
from gan.utils.tensorflow import installed_version

MOST_RECEIVED = 200
"""Most characters of a request that a message repeats."""


def base_app(
    title: str,
    description: str,
    routers: Sequence[APIRouter],
    *,
    lifespan: Lifespan[FastAPI],
    metrics: Metrics,
    limits: Limits,
    token: str | None,
    is_private: Callable[[Scope], bool],
    policy: str = NO_FRAMES,
    options: Collection[str] = (),
    has_schema: bool = True,
) -> FastAPI:
    """Returns an application with the routes of routers, and what all servers have.

    Args:
        title: name of the program, which a browser shows when it asks for the token.
        description: what the schema says of it.
        routers: routes.
        lifespan: runs while the server runs.
        metrics: what `/metrics` shows.
        limits: bounds of requests.
        token: token that requests must send; None: they need none, and must name this machine as their host.
        is_private: returns whether a request is none for a page of another site.
        policy: content security policy of all answers.
        options: names of options in queries, which the log may hold.
        has_schema: whether `/openapi.json` describes the routes.
    """
    app = FastAPI(
        title=title,
        description=description,
        version=installed_version("gan-reference"),
        openapi_url="/openapi.json" if has_schema else None,
        docs_url=None,  # these pages load scripts of another host
        redoc_url=None,
        lifespan=lifespan,
    )
    for router in routers:
        app.include_router(router)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def read_metrics() -> Response:
        text = await run_in_threadpool(metrics.as_text)  # what it reads may be locked
        return Response(text, media_type="text/plain; version=0.0.4")

    app.add_exception_handler(InputError, bad_input)
    app.add_exception_handler(RequestValidationError, _bad_option)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failure)
    routes = [*(route for router in routers for route in router.routes), *app.routes]
    app.add_middleware(BodyLimits, limits=limits)
    app.add_middleware(Token, token=token, realm=title)
    app.add_middleware(LocalPages, any_host=token is not None, is_private=is_private, policy=policy)
    app.add_middleware(HeadRequests)
    app.add_middleware(Observed, metrics=metrics, routes=routes, options=options)
    return app


async def bad_input(request: Request, error: Exception, status: int = 400) -> Response:
    """Answers a request that raised `InputError`, in one line."""
    message = str(error)
    if isinstance(error, InputError):
        problem = error.problem.replace("`--", "`")  # an option of the command line has this name in a request too
        received = error.received if len(error.received) <= MOST_RECEIVED else f"{error.received[:MOST_RECEIVED]}..."
        message = str(InputError(problem, expected=error.expected, received=received))
    return JSONResponse({"error": message}, status)


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
