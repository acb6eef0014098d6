"""The value of a variable that is one number."""

from typing import Any

import numpy as np


def scalar(variable: Any) -> np.ndarray:
    """The value of such a variable, for `int` and `float`, which refuse one that each replica has a copy of."""
    return np.asarray(variable)
