"""What commands print on stdout."""

import json
import math
from collections.abc import Mapping
from typing import Any

SIGNALLED = 128
"""Exit status of what a signal ended, less the number of the signal: 130 for Ctrl-C, 143 for SIGTERM."""


def print_result(result: Mapping[str, Any], *, as_json: bool) -> None:
    """A mapping as one JSON object, or as aligned lines for people."""
    if as_json:
        print(json.dumps(_finite(result), allow_nan=False))
        return
    width = max(map(len, result))
    for name, value in result.items():
        print(f"{name:<{width}}  {_readable(value)}")


def _finite(value: Any) -> Any:
    """The same with null for NaN and infinity, which JSON does not know."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _readable(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_readable(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_readable(part) for part in value) or "none"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
