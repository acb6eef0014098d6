"""The ASGI application of `gan serve`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from gan.deployment.serve.base_app import base_app
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.middleware import asks_samples
from gan.deployment.serve.models import Models
from gan.deployment.serve.page import page_router
from gan.deployment.serve.sample_routes import OPTIONS, sample_router
from gan.deployment.serve.serving_routes import serving_router

if TYPE_CHECKING:
    from gan.deployment.monitor.auditor import Auditor


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

    routers = [
        serving_router(models, limits, has_token=token is not None),
        sample_router(models, limits),
        page_router(models),
    ]
    if auditor is not None:
        from gan.deployment.monitor.status import status_router  # with the classifiers, which few servers need

        routers.append(status_router(auditor))
    return base_app(
        "gan serve",
        "Samples of generators, and TensorFlow Serving's REST routes.",
        routers,
        lifespan=lifespan,
        metrics=metrics,
        limits=limits,
        token=token,
        is_private=asks_samples,
        options=OPTIONS,
    )
