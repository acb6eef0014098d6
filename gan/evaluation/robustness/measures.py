"""Error rates of classifiers and generators: the measures of perturbation curves."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from gan import sampling
from gan.errors import InputError, check_not_negative, check_seed, check_share, check_whole
from gan.evaluation.metrics import wrong_outcomes
from gan.evaluation.robustness.batches import InputNoise, Inputs, batches
from gan.evaluation.robustness.typos import Typos
from gan.sampling.generators import GeneratorLike, as_engine
from gan.sampling.labels import Labels, labels_for
from gan.tolerance import ErrorRate
from gan.utils.arguments import checked
from gan.utils.types import Tensor


@checked
def error_rate(
    classifier: keras.Model,
    data: object,
    *,
    from_logits: bool | None = None,
    input_noise: float = 0.0,
    typos: float = 0.0,
    seed: int = 0,
    batch_size: int = 250,
) -> ErrorRate:
    """Measures the error rate of a classifier: 1/N sum 1[prediction != label], over all examples.

    Args:
        classifier: any Keras model with one output. [B, classes], logits or probabilities: the largest is the
            prediction. [B, 1]: the prediction is 1 for a logit > 0 or a probability > .5, otherwise 0. NaN is wrong.
        data: (x, y) of arrays, x one array or a tuple, list or dict of them, y whole numbers [N] or [N, 1]; or a
            finite tf.data.Dataset of such batches.
        from_logits: whether an output [B, 1] is a logit. Required for such an output, otherwise ignored.
        input_noise: adds input_noise * std * N(0, 1) to the floating-point inputs, where std is the standard deviation
            of the data per channel (the last axis). See `InputNoise`.
        typos: share of mistyped characters in the text inputs. See `Typos`.
        seed: seed of the noise and the typos.
        batch_size: number of examples computed together, for arrays. A tf.data.Dataset keeps its own batches.

    Raises `InputError` for data or outputs of another form, empty data, labels outside the classes, noise without a
    floating-point input, or typos without a text input.
    """
    check_not_negative("input_noise", input_noise)
    check_share("typos", typos)
    check_seed(seed)
    faults: list[Callable[[Inputs], Inputs]] = []
    if input_noise:
        faults.append(InputNoise(data, input_noise, seed=seed, batch_size=batch_size))
    if typos:
        faults.append(Typos(data, typos, seed=seed, batch_size=batch_size))
    predict = forward(classifier)
    outcomes = []
    for x, labels in batches(data, batch_size):
        for fault in faults:
            x = fault(x)
        scores = _scores(predict(x), from_logits)
        classes = scores.shape[1]
        if len(scores) != len(labels) or labels.min() < 0 or labels.max() >= classes:
            raise InputError(
                "Labels do not match the classifier",
                expected=f"{len(scores)} labels from 0 to {classes - 1}",
                received=f"{len(labels)} from {labels.min()} to {labels.max()}",
            )
        outcomes.append(np.asarray(wrong_outcomes(scores, labels)))
    return ErrorRate.of(np.concatenate(outcomes))


@checked
def generator_error_rate(
    generator: GeneratorLike,
    classifier: keras.Model,
    num: int = 1_000,
    *,
    seed: int = 0,
    labels: Labels = None,
    latent_noise: float = 0.0,
    batch_size: int = 250,
) -> ErrorRate:
    """Measures how often a classifier does not recognize samples 0, ..., num - 1 of a seed.

    A sample of a conditional generator is wrong if its top class is not the requested class. A sample of an
    unconditional generator is wrong if its top probability is below `gan.metrics.SURE`. NaN is wrong.

    Args:
        generator: from `build_generator` or `load_generator`, a GAN, or what `load_generator` loads.
        classifier: images -> logits [B, classes], with the classes of the generator, for example `load_classifier`.
        num: number of samples, >= 1.
        seed: seed of the samples and of the noise.
        labels: see `generate`. None: index modulo classes, so all classes are about equally frequent.
        latent_noise: adds latent_noise * N(0, 1) to the latents, see `generate`.
        batch_size: number of samples computed together.

    Raises `InputError` for numbers out of range, or a classifier with other classes.
    """
    return samples_error_rate(
        as_engine(generator),
        forward(classifier),
        num,
        seed=seed,
        labels=labels,
        latent_noise=latent_noise,
        batch_size=batch_size,
    )


def samples_error_rate(
    generator: GeneratorLike,
    classify: Callable[[Inputs], np.ndarray],
    num: int,
    *,
    seed: int,
    labels: Labels,
    batch_size: int,
    latent_noise: float = 0.0,
) -> ErrorRate:
    """Computes `generator_error_rate` with a compiled classifier: `classify` is `forward(classifier)`."""
    check_whole("num", num, 1)
    check_whole("batch_size", batch_size, 1)
    engine = as_engine(generator)
    classes = engine.num_classes
    requested = labels_for(np.arange(num), classes, labels)
    samples = sampling.generate(engine, num, seed=seed, labels=labels, latent_noise=latent_noise, batch_size=batch_size)
    logits = np.concatenate([classify(samples[i : i + batch_size]) for i in range(0, num, batch_size)])
    if logits.ndim != 2 or logits.shape[1] < 2 or classes not in (0, logits.shape[1]):
        raise InputError(
            "Classifier and generator do not match",
            expected=f"logits [B, {classes or 'classes'}]",
            received=f"an output [B, {', '.join(map(str, logits.shape[1:]))}]",
        )
    return ErrorRate.of(np.asarray(wrong_outcomes(logits, requested)))


def forward(model: keras.Model) -> Callable[[Inputs], np.ndarray]:
    """Returns a function inputs -> output array, for a model with one output.

    It runs in a graph, unless the model was compiled to run eagerly. It does not use `predict`, which compiles with XLA
    and makes convolutions on a CPU many times slower.
    """
    call = tf.function(lambda x: model(x, training=False), reduce_retracing=True)
    compute = (lambda x: model(x, training=False)) if model.run_eagerly else call

    def run(x: Inputs) -> np.ndarray:
        inputs = keras.tree.map_structure(_as_tensor, x)
        try:
            outputs = compute(inputs)
        except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
            shapes = [list(leaf.shape) for leaf in keras.tree.flatten(inputs)]
            expected = str([list(tensor.shape) for tensor in getattr(model, "inputs", None) or []])
            raise InputError(
                f"{model.name} does not take these inputs", expected=f"inputs of shape {expected}", received=f"{shapes}"
            ) from error
        if keras.tree.is_nested(outputs):
            raise InputError("The model has several outputs", expected="one", received=type(outputs).__name__)
        return np.asarray(keras.ops.cast(outputs, "float32"))

    return run


def _as_tensor(leaf: Tensor) -> Tensor:
    return tf.convert_to_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf


def _scores(outputs: np.ndarray, from_logits: bool | None) -> np.ndarray:
    """Returns scores [B, classes], whose largest is the prediction, from outputs [B, classes] or [B, 1]."""
    if outputs.ndim != 2:
        raise InputError(
            "The model is not a classifier", expected="an output [B, classes]", received=f"shape {list(outputs.shape)}"
        )
    if outputs.shape[1] > 1:
        return outputs
    if from_logits is None:
        raise InputError("A single output needs `from_logits`", expected="from_logits=True or False", received="None")
    return np.concatenate([np.full_like(outputs, 0.0 if from_logits else 0.5), outputs], axis=1)
