"""The ASGI application of `gan serve`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


def create_app(models: Models, *, metrics: Metrics, limits: Limits, token: str | None = None) -> FastAPI:
    """Returns the application that serves models.

    Args:
        models: the models. The application starts and closes them.
        metrics: what `/metrics` shows.
        limits: bounds of requests.
        token: token that requests must send; None: they need none, and must name this machine as their host.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models.start()
        yield
        await run_in_threadpool(models.close)

    routers = [
        serving_router(models, limits, has_token=token is not None),
        sample_router(models, limits),
        page_router(models),
    ]
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
