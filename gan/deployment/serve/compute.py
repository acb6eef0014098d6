"""From a request to its samples: the model, the queue, and the errors of both."""

import asyncio

import numpy as np
from fastapi import HTTPException, Request

from gan.deployment.serve.answers import CLIENT_LEFT
from gan.deployment.serve.batching import QueueClosedError, QueueFullError
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.models import Models, ServedModel
from gan.deployment.serve.request import Asked
from gan.deployment.serve.version import ModelStoppedError, Version
from gan.errors import did_you_mean
from gan.saving.engines.engine import Engine

RETRY_SECONDS = 1
"""Value of `Retry-After` when the queue is full."""


def find_model(models: Models, name: str | None) -> ServedModel:
    """Returns a model by its name; None: the first. Raises 404 with TensorFlow Serving's message."""
    model = models.get(name)
    if model is None:
        hint = did_you_mean(name or "", models.names)
        raise HTTPException(404, f"Servable not found for request: Latest({(name or '')[:200]}){hint}")
    return model


def no_version(model: ServedModel, number: int | None) -> HTTPException:
    """Returns the error for a version that is not loaded."""
    return HTTPException(404, f"Servable not found for request: Specific({model.name}, {number})")


def loaded(model: ServedModel, number: int | None) -> tuple[int, Engine]:
    """Returns a loaded version, by its number and engine; None: the served one. Raises 404 for any other."""
    version = model.served if number is None else model.version(number)
    if version is None or version.engine is None:
        raise no_version(model, number)
    return version.number, version.engine


async def compute(
    request: Request, model: ServedModel, number: int | None, asked: Asked, limits: Limits
) -> tuple[Version, np.ndarray]:
    """Computes the samples of a request in the threads of its version.

    Args:
        request: a request whose body was read. Its samples are given up if its client disconnects.
        model: the model.
        number: number of a version; None: the served one.
        asked: what to compute.
        limits: bounds the time.

    Returns the version, and float32 [N, H, W, C], finite. Raises `InputError` for what the version cannot draw, and for
    samples that are not finite. Raises 404 for a version that is not loaded, 429 for a full queue, and 499 for a client
    that disconnected. Raises 503 when the server ends and for a version that was stopped, and 504 after the time limit.
    """
    try:
        version, done = model.submit(number, asked)
    except LookupError:
        raise no_version(model, number) from None
    except QueueFullError:
        message = "Too many samples are waiting. Expected: the same request later. Received: a full queue."
        raise HTTPException(429, message, {"Retry-After": str(RETRY_SECONDS)}) from None
    except ModelStoppedError as stopped:
        expected = "a new version" + (", or a rollback (gan serve --rollback)" if model.has_previous else "")
        raise HTTPException(503, f"The model is stopped. Expected: {expected}. Received: {stopped}.") from None
    except QueueClosedError:
        raise HTTPException(503, "The server ends. Expected: requests to another one. Received: a request.") from None
    samples, left = asyncio.wrap_future(done), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((samples, left), timeout=limits.work_seconds, return_when=asyncio.FIRST_COMPLETED)
        if samples.done():
            images = samples.result()
            model.observe(version, asked, images)
            return version, images
    finally:
        samples.cancel()
        left.cancel()
    if left.done():
        raise HTTPException(CLIENT_LEFT, "The client disconnected.")
    message = f"The samples were not ready. Expected: within {limits.work_seconds:g} seconds. Received: no samples."
    raise HTTPException(504, message)


async def _disconnected(request: Request) -> None:
    """Returns when the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
