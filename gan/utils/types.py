"""Names for types that several rooms use in their signatures. No TensorFlow."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # a TensorFlow, Keras or NumPy array; no common type exists, and the first two have no stubs
"""An array of numbers, text or truth values; the docstring of what takes it tells shape, type and range."""
