"""Sampling from a generator: latents from a seed, batches, interpolation, and the files that store samples.

Each name imports its dependencies on first use. `labels` and `writers` do not need TensorFlow.
"""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.models.random import training_latents
    from gan.sampling.generators import compiled
    from gan.sampling.interpolation import interpolate, spherical
    from gan.sampling.labels import labels_for
    from gan.sampling.samples import (
        acceptance_draws,
        batch_for,
        generate,
        latents,
        projection_latents,
        stream,
        truncate,
    )

_HOMES = {
    "acceptance_draws": "gan.sampling.samples",
    "batch_for": "gan.sampling.samples",
    "compiled": "gan.sampling.generators",
    "generate": "gan.sampling.samples",
    "interpolate": "gan.sampling.interpolation",
    "labels_for": "gan.sampling.labels",
    "latents": "gan.sampling.samples",
    "projection_latents": "gan.sampling.samples",
    "spherical": "gan.sampling.interpolation",
    "stream": "gan.sampling.samples",
    "training_latents": "gan.models.random",
    "truncate": "gan.sampling.samples",
}
__all__ = [
    "acceptance_draws",
    "batch_for",
    "compiled",
    "generate",
    "interpolate",
    "labels_for",
    "latents",
    "projection_latents",
    "spherical",
    "stream",
    "training_latents",
    "truncate",
]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
