"""Which weights of a model are worth keeping."""

from typing import Any


def averaged(model: Any) -> Any:
    """The averaged generator of a GAN (`generator_ema`), or the model itself where it has none."""
    return getattr(model, "generator_ema", model)
