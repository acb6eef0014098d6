"""Perturbation curves: the error rate of a model against the severity of a fault."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import keras

from gan.errors import InputError, check_not_negative, check_seed, check_share
from gan.evaluation.robustness.batches import has_float_inputs, has_text_inputs
from gan.evaluation.robustness.faults import FAULTS, INPUT_FAULTS, SHARES, check_fault
from gan.evaluation.robustness.measures import error_rate, forward, samples_error_rate
from gan.evaluation.robustness.perturbed import Perturbable
from gan.sampling.generators import GeneratorLike, KerasEngine, as_engine, as_generator
from gan.sampling.labels import Labels
from gan.tolerance import ErrorRate
from gan.utils.arguments import checked

WEIGHT_FAULTS = tuple(FAULTS)
UNPERTURBED = "none"
"""Name of the fault of the first point of a curve."""

SEVERITIES: dict[str, tuple[float, ...]] = {
    **{name: fault.severities for name, fault in FAULTS.items()},
    **INPUT_FAULTS,
}
"""Default severities of each fault."""


@dataclass(frozen=True)
class Point:
    """A point of a curve: the error rate with `fault` at `severity`.

    The interval of `rate` covers the choice of examples, not the draws of the noise. Use other seeds to assess those.
    """

    fault: str
    severity: float
    rate: ErrorRate


@checked
def perturbation_curve(
    model: keras.Model,
    measure: Callable[..., ErrorRate],
    *,
    faults: Sequence[str] = WEIGHT_FAULTS,
    severities: Mapping[str, Sequence[float]] | None = None,
    seed: int = 0,
) -> list[Point]:
    """Measures the error rate of a model without faults (the first point), then with each fault at each severity.

    >>> perturbation_curve(model, partial(error_rate, data=(x, y)), faults=["int8", "input_noise"])

    Args:
        model: any built Keras model that Keras can save. It does not change: faults are applied to a copy.
        measure: `measure(model) -> ErrorRate`. Its result must depend on the model alone.
        faults: names of weight faults (`FAULTS`) or input faults (`INPUT_FAULTS`). For an input fault, the measure
            must have an option of the same name, such as `input_noise` of `error_rate`. It receives the severity.
        severities: {fault: severities}. Missing faults use `SEVERITIES`.
        seed: seed of the weight noise. The measure seeds input noise.

    Raises `InputError` before the first measurement: for an unknown fault or severity, a measure without the option of
    an input fault, or a model that cannot be copied.
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


@checked
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
    """Measures the `perturbation_curve` of a classifier with `error_rate`. See these functions for the arguments.

    `faults` None: all weight faults, `input_noise` if an input is floating-point, and `typos` if an input is text.
    """
    measure = partial(error_rate, data=data, from_logits=from_logits, seed=seed, batch_size=batch_size)
    if faults is None:
        of_inputs = {"input_noise": has_float_inputs(data), "typos": has_text_inputs(data)}
        faults = (*WEIGHT_FAULTS, *(fault for fault, possible in of_inputs.items() if possible))
    return perturbation_curve(classifier, measure, faults=faults, severities=severities, seed=seed)


@checked
def generator_curve(
    generator: GeneratorLike,
    classifier: keras.Model,
    num: int = 1_000,
    *,
    faults: Sequence[str] | None = None,
    severities: Mapping[str, Sequence[float]] | None = None,
    labels: Labels = None,
    seed: int = 0,
    batch_size: int = 250,
) -> list[Point]:
    """Measures the `perturbation_curve` of a generator with `generator_error_rate`. The classifier has no faults.

    See these functions for the arguments. `faults` None: all weight faults and `latent_noise`; for an exported
    generator, whose weights cannot change, `latent_noise` alone.
    """
    classify = forward(classifier)  # compiled once for all points
    measure: Callable[..., ErrorRate] = partial(
        samples_error_rate, classify=classify, num=num, labels=labels, seed=seed, batch_size=batch_size
    )
    engine = as_engine(generator)
    if isinstance(engine, KerasEngine) or any(fault in FAULTS for fault in faults or ()):
        faults = (*WEIGHT_FAULTS, "latent_noise") if faults is None else faults
        return perturbation_curve(as_generator(engine), measure, faults=faults, severities=severities, seed=seed)
    planned = _plan(measure, ("latent_noise",) if faults is None else faults, severities or {}, seed)
    unperturbed = [Point(UNPERTURBED, 0.0, measure(engine))]
    return unperturbed + [Point(fault, severity, measure(engine, **{fault: severity})) for fault, severity in planned]


def _plan(
    measure: Callable[..., ErrorRate], faults: Sequence[str], severities: Mapping[str, Sequence[float]], seed: int
) -> list[tuple[str, float]]:
    """Checks the arguments, and returns (fault, severity) of all points after the first."""
    check_seed(seed)
    for fault in (*faults, *severities):
        if fault not in SEVERITIES:
            raise InputError("Unknown fault", expected=f"names from {sorted(SEVERITIES)}", received=repr(fault))
    if idle := set(severities) - set(faults):
        raise InputError("Severities without their fault", expected=f"{list(faults)}", received=f"{sorted(idle)}")
    planned = [(fault, float(severity)) for fault in faults for severity in severities.get(fault, SEVERITIES[fault])]
    for fault, severity in planned:
        if fault in FAULTS:
            check_fault(fault, severity, seed)
            continue
        (check_share if fault in SHARES else check_not_negative)("severity", severity)
        if fault not in inspect.signature(measure).parameters:
            raise InputError(
                "The measure does not support this input fault", expected=f"an option `{fault}`", received=f"{measure}"
            )
    return planned
