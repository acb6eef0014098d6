"""Perturbation curves: the error rate of a model against the severity of a fault."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from gan.errors import InputError, check_not_negative, check_seed, check_share
from gan.evaluation.robustness.batches import has_float_inputs, has_text_inputs
from gan.evaluation.robustness.faults import FAULTS, INPUT_FAULTS, SHARES, check_fault
from gan.evaluation.robustness.measures import error_rate, forward, samples_error_rate
from gan.evaluation.robustness.perturbed import Perturbable
from gan.tolerance import ErrorRate

WEIGHT_FAULTS = tuple(FAULTS)
UNPERTURBED = "none"
"""Name of the fault of the first point of a curve."""

SEVERITIES: dict[str, tuple[float, ...]] = {
    **{name: fault.severities for name, fault in FAULTS.items()},
    **INPUT_FAULTS,
}
"""Those of a curve where none are given."""


@dataclass(frozen=True)
class Point:
    """A point of a curve: the error rate with `fault` at `severity`.

    The interval of `rate` speaks of other examples, not of other draws of the noise: for these, take other seeds.
    """

    fault: str
    severity: float
    rate: ErrorRate


def perturbation_curve(
    model: keras.Model,
    measure: Callable[..., ErrorRate],
    *,
    faults: Sequence[str] = WEIGHT_FAULTS,
    severities: Mapping[str, Sequence[float]] | None = None,
    seed: int = 0,
) -> list[Point]:
    """The error rate of a model without a fault (the first point), then with each fault at each severity, in order.

    >>> perturbation_curve(model, partial(error_rate, data=(x, y)), faults=["int8", "input_noise"])

    Args:
        model: any built Keras model that Keras can save. It is never touched: faults are put into one copy.
        measure: `measure(model) -> ErrorRate`. What it computes must not depend on anything but the model.
        faults: of the weights (`FAULTS`), or of the inputs (`INPUT_FAULTS`); for the latter the measure must have an
            option of that name, as `error_rate` has `input_noise`, and is called with the severity.
        severities: of each fault; those missing here have the ones of `SEVERITIES`.
        seed: of the noise of weights. Noise of inputs belongs to the measure.

    Raises `InputError` for an unknown fault, a severity that it does not have, a measure without the option asked for,
    or a model that cannot be copied; all before the first measurement.
    """
    planned = _plan(measure, faults, severities or {}, seed)
    copied = Perturbable(model)
    points = [Point(UNPERTURBED, 0.0, measure(copied.model))]
    for fault, severity in planned:
        if fault in INPUT_FAULTS:
            rate = measure(copied.clean(), **{fault: severity})
        else:
            rate = measure(copied.apply(fault, severity=severity, seed=seed))
        points.append(Point(fault, severity, rate))
    return points


def classifier_curve(
    classifier: keras.Model,
    data: object,
    *,
    faults: Sequence[str] | None = None,
    severities: Mapping[str, Sequence[float]] | None = None,
    from_logits: bool | None = None,
    seed: int = 0,
    batch_size: int = 250,
) -> list[Point]:
    """`perturbation_curve` of `error_rate`: see both.

    faults: None means those of the weights, `input_noise` where an input is floating-point, and `typos` where one is
    text.
    """
    measure = partial(error_rate, data=data, from_logits=from_logits, seed=seed, batch_size=batch_size)
    if faults is None:
        of_inputs = {"input_noise": has_float_inputs(data), "typos": has_text_inputs(data)}
        faults = (*WEIGHT_FAULTS, *(fault for fault, possible in of_inputs.items() if possible))
    return perturbation_curve(classifier, measure, faults=faults, severities=severities, seed=seed)


def generator_curve(
    generator: keras.Model,
    classifier: keras.Model,
    num: int = 1_000,
    *,
    faults: Sequence[str] = (*WEIGHT_FAULTS, "latent_noise"),
    severities: Mapping[str, Sequence[float]] | None = None,
    labels: int | Sequence[int] | np.ndarray | None = None,
    seed: int = 0,
    batch_size: int = 250,
) -> list[Point]:
    """`perturbation_curve` of `generator_error_rate`: see both. The classifier has no fault."""
    classify = forward(classifier)  # once: it is the same at every point
    measure = partial(samples_error_rate, classify=classify, num=num, labels=labels, seed=seed, batch_size=batch_size)
    return perturbation_curve(generator, measure, faults=faults, severities=severities, seed=seed)


def _plan(
    measure: Callable[..., ErrorRate], faults: Sequence[str], severities: Mapping[str, Sequence[float]], seed: int
) -> list[tuple[str, float]]:
    """(fault, severity) of the points after the first, all of which can be measured."""
    check_seed(seed)
    for fault in (*faults, *severities):
        if fault not in SEVERITIES:
            raise InputError("Unknown fault", expected=f"some of {sorted(SEVERITIES)}", received=repr(fault))
    if idle := set(severities) - set(faults):
        raise InputError("Severities of faults not asked for", expected=f"{list(faults)}", received=f"{sorted(idle)}")
    planned = [(fault, float(severity)) for fault in faults for severity in severities.get(fault, SEVERITIES[fault])]
    for fault, severity in planned:
        if fault in FAULTS:
            check_fault(fault, severity, seed)
            continue
        (check_share if fault in SHARES else check_not_negative)("severity", severity)
        if fault not in inspect.signature(measure).parameters:
            raise InputError(
                "The measure knows no such fault of the inputs", expected=f"an option `{fault}`", received=f"{measure}"
            )
    return planned
