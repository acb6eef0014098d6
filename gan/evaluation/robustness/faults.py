"""Weight faults: noise, half precision and 8-bit rounding of kernels, as functions of arrays."""

from abc import ABC, abstractmethod

import numpy as np

from gan.errors import InputError, check, check_not_negative, check_seed

LEVELS = 127
"""Positive (and negative) steps of int8. -128 is not used, so rounding is symmetric."""


class Fault(ABC):
    """A weight fault: `fault(kernel, severity=..., channels=..., seed=..., index=...)` -> kernel of the same shape.

    The result depends on the arguments alone, which do not change. `graded` True: any severity >= 0 is valid. False:
    the severity is 1 (on) or 0 (off). `severities`: default severities of a curve.
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
            severity: severity, in the unit of the fault.
            channels: axes of the output channels.
            seed: seed of the noise.
            index: index of the weight in its model.
        """


class WeightNoise(Fault):
    """Computes w + severity * std(w) * N(0, 1), with std over all numbers of the kernel.

    The noise depends on (seed, index) only. A larger severity scales the same noise.
    """

    graded = True
    severities = (0.25, 0.5, 1.0)

    def __call__(
        self, kernel: np.ndarray, *, severity: float, channels: tuple[int, ...], seed: int, index: int
    ) -> np.ndarray:
        noise = np.random.default_rng([seed, index]).standard_normal(kernel.shape, dtype=np.float32)
        return kernel + np.float32(severity) * kernel.std() * noise


class Float16(Fault):
    """Rounds to float16 and back: 11 significant bits. Values beyond 65,504 become infinite, as in float16."""

    graded = False
    severities = (1.0,)

    def __call__(
        self, kernel: np.ndarray, *, severity: float, channels: tuple[int, ...], seed: int, index: int
    ) -> np.ndarray:
        with np.errstate(over="ignore"):  # infinity is the documented result
            return kernel.astype(np.float16).astype(np.float32)


def int8_steps(kernel: np.ndarray, channels: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rounds to symmetric int8 per output channel: round(w / scale) clipped to [-127, 127], with scale = max|w| / 127.

    Args:
        kernel: float32.
        channels: axes of the output channels, >= 0.

    Returns (steps, scale), float64: whole numbers of the shape of the kernel, and scales that broadcast to it. The
    rounded kernel is steps * scale. The scale of a channel of zeros is 0.
    """
    wide = kernel.astype(np.float64)  # in float32, the scale of a channel of tiny weights can underflow to zero
    others = tuple(axis for axis in range(kernel.ndim) if axis not in channels)
    scale = np.abs(wide).max(axis=others, keepdims=True, initial=0.0) / LEVELS
    return np.clip(np.rint(wide / np.where(scale == 0, 1.0, scale)), -LEVELS, LEVELS), scale


class Int8(Fault):
    """Rounds to symmetric int8 per output channel, see `int8_steps`.

    A channel has at most 255 different values, and each value changes by at most scale / 2. A channel of zeros does not
    change. Only weights are rounded (arXiv:1806.08342, sections 2.2 and 3.1.1); activations stay float32.
    """

    graded = False
    severities = (1.0,)

    def __call__(
        self, kernel: np.ndarray, *, severity: float, channels: tuple[int, ...], seed: int, index: int
    ) -> np.ndarray:
        steps, scale = int8_steps(kernel, channels)
        return (steps * scale).astype(np.float32)


FAULTS: dict[str, Fault] = {"weight_noise": WeightNoise(), "float16": Float16(), "int8": Int8()}

INPUT_FAULTS: dict[str, tuple[float, ...]] = {
    "input_noise": (0.25, 0.5, 1.0),
    "typos": (0.05, 0.1, 0.2),
    "latent_noise": (0.5, 1.0, 2.0),
}
"""{input fault: default severities}. They do not change the model: a measure applies them with its option of the same
name (`error_rate`, `generator_error_rate`)."""

SHARES = frozenset({"typos"})
"""Input faults whose severity is a share, from 0 to 1."""


def check_fault(fault: str, severity: float, seed: int) -> None:
    """Raises `InputError` for a name that is not in `FAULTS`, a wrong severity, or a wrong seed."""
    if fault in INPUT_FAULTS:
        raise InputError(
            f"{fault} is an input fault and does not change the model",
            expected=f"one of {sorted(FAULTS)}, or the option `{fault}` of a measure",
            received=f"fault={fault!r}",
        )
    if fault not in FAULTS:
        raise InputError("Unknown `fault`", expected=f"one of {sorted(FAULTS)}", received=f"fault={fault!r}")
    check_not_negative("severity", severity)
    if not FAULTS[fault].graded:
        check(severity in (0, 1), "severity", f"0 (off) or 1 (on) for {fault}", severity)
    check_seed(seed)
