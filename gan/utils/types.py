"""Type aliases for signatures. Does not import TensorFlow."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # a TensorFlow, Keras or NumPy array; no common type exists, and the first two have no stubs
"""An array of numbers, strings or booleans. The docstring of the function that takes it gives shape, type and range."""
