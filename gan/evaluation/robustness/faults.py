"""Faults of weights: what noise, half precision and eight bits do to a kernel. Arithmetic only, on arrays."""

from abc import ABC, abstractmethod

import numpy as np

from gan.errors import InputError, check, check_not_negative, check_seed

LEVELS = 127
"""Steps of int8 on each side of zero; -128 is not used, so that a weight and its negative round alike."""


class Fault(ABC):
    """`fault(kernel, severity=..., channels=..., seed=..., index=...)`: the kernel with the fault, of the same shape.

    A function of its arguments, which it leaves as they are. `graded` says that any severity >= 0 has a meaning;
    otherwise the fault is there (1) or not (0). `severities` are those of a curve.
    """

    graded: bool
    severities: tuple[float, ...]

    @abstractmethod
    def __call__(
        self, kernel: np.ndarray, *, severity: float, channels: tuple[int, ...], seed: int, index: int
    ) -> np.ndarray:
        """Applies the fault, for a severity > 0.

        Args:
            kernel: float32, of two or more dimensions.
            severity: in the fault's own unit.
            channels: the axes of the output channels.
            seed: seed of the noise.
            index: which weight of its model this is.
        """


class WeightNoise(Fault):
    """w + severity * std(w) * N(0, 1), with std over all numbers of the kernel.

    The noise depends on (seed, index) only: a greater severity is more of the same noise.
    """

    graded = True
    severities = (0.25, 0.5, 1.0)

    def __call__(
        self, kernel: np.ndarray, *, severity: float, channels: tuple[int, ...], seed: int, index: int
    ) -> np.ndarray:
        noise = np.random.default_rng([seed, index]).standard_normal(kernel.shape, dtype=np.float32)
        return kernel + np.float32(severity) * kernel.std() * noise


class Float16(Fault):
    """Rounded to float16 and back: 11 significant bits. Beyond 65,504 it is infinite, as it would be in float16."""

    graded = False
    severities = (1.0,)

    def __call__(
        self, kernel: np.ndarray, *, severity: float, channels: tuple[int, ...], seed: int, index: int
    ) -> np.ndarray:
        with np.errstate(over="ignore"):  # said above
            return kernel.astype(np.float16).astype(np.float32)


class Int8(Fault):
    """Symmetric int8 per output channel: round(w / scale) clipped to [-127, 127], times scale = max|w| / 127.

    So at most 255 values a channel, none further than scale / 2 from what it was. A channel of zeros stays. It is the
    rounding of weights alone (arXiv:1806.08342, section 2.2 and 3.1.1): activations stay float32.
    """

    graded = False
    severities = (1.0,)

    def __call__(
        self, kernel: np.ndarray, *, severity: float, channels: tuple[int, ...], seed: int, index: int
    ) -> np.ndarray:
        wide = kernel.astype(np.float64)  # in float32 the scale of a channel of tiny weights would be zero
        others = tuple(axis for axis in range(kernel.ndim) if axis not in channels)
        scale = np.abs(wide).max(axis=others, keepdims=True, initial=0.0) / LEVELS
        steps = np.clip(np.rint(wide / np.where(scale == 0, 1.0, scale)), -LEVELS, LEVELS)
        return (steps * scale).astype(np.float32)


FAULTS: dict[str, Fault] = {"weight_noise": WeightNoise(), "float16": Float16(), "int8": Int8()}

INPUT_FAULTS: dict[str, tuple[float, ...]] = {
    "input_noise": (0.25, 0.5, 1.0),
    "typos": (0.05, 0.1, 0.2),
    "latent_noise": (0.5, 1.0, 2.0),
}
"""Faults of what a model is given, and their severities on a curve: the measure applies them, by its option of that
name (`error_rate`, `generator_error_rate`), since they leave the model as it is."""

SHARES = frozenset({"typos"})
"""Those of them whose severity is a share, from 0 to 1."""


def check_fault(fault: str, severity: float, seed: int) -> None:
    """Raises `InputError` unless `fault` is one of `FAULTS` and has this severity, and `seed` can own noise."""
    if fault in INPUT_FAULTS:
        raise InputError(
            f"{fault} is a fault of the inputs and leaves the model as it is",
            expected=f"one of {sorted(FAULTS)}, or the option `{fault}` of a measure",
            received=f"fault={fault!r}",
        )
    if fault not in FAULTS:
        raise InputError("Unknown `fault`", expected=f"one of {sorted(FAULTS)}", received=f"fault={fault!r}")
    check_not_negative("severity", severity)
    if not FAULTS[fault].graded:
        check(severity in (0, 1), "severity", f"0 or 1: {fault} is there or not", severity)
    check_seed(seed)
