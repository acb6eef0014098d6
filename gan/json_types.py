"""JSON: null for what is no number."""

import math
from collections.abc import Mapping
from typing import Any


def null_for_nan(value: Any) -> Any:
    """The same JSON value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {name: null_for_nan(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [null_for_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
