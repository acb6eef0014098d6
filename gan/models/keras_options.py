"""What becomes of each option of Keras: the one table of decisions, behind the checks and `docs/keras-options.md`.

The options themselves are read from Keras' signatures. An option without a decision, and a decision without an option,
fail `tests/models/test_keras_options.py`. Does not import TensorFlow.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Decision(NamedTuple):
    """What becomes of an option."""

    honored: bool
    """Whether the option acts as in Keras. False: it raises `InputError` before the first step."""
    note: str
    """How it acts, or what is expected instead."""


def honored(note: str) -> Decision:
    """Returns the decision that an option acts."""
    return Decision(True, note)


def refused(expected: str) -> Decision:
    """Returns the decision that an option raises `InputError`. `expected` becomes part of its message."""
    return Decision(False, expected)


WEIGHTS = (
    "images without weights: choose or repeat images instead, for example with Split.take or "
    "tf.data.Dataset.sample_from_datasets"
)
METRICS = "keras.metrics.Metric objects with update_state(real, fake, labels), such as those of gan.metrics"

COMPILE: Mapping[str, Decision] = {
    "optimizer": refused("g_optimizer=... and d_optimizer=..., one optimizer for each network"),
    "loss": honored("a name in `gan.losses.LOSSES` or an `AdversarialLoss`; losses of Keras are refused"),
    "loss_weights": refused("one adversarial loss; penalties have weights of their own, such as R1(gamma=...)"),
    "metrics": honored(METRICS + "; metrics of Keras get (real, fake); names and functions are refused"),
    "weighted_metrics": refused("metrics=[...]; images have no weights"),
    "run_eagerly": honored("the same results as in a graph, slower"),
    "steps_per_execution": honored("the same results for any number; several replicas always use 1"),
    "jit_compile": honored('in the train step only; "auto" follows a self-test on this GPU'),
    "auto_scale_loss": honored(
        "wraps an optimizer in `LossScaleOptimizer` if its gradients pass through layers that compute in float16"
    ),
}
"""Arguments of `keras.Model.compile`."""

FIT: Mapping[str, Decision] = {
    "x": honored("images [B, H, W, C] in [-1, 1]: an array, a tensor, a `tf.data.Dataset`, a `PyDataset`, a generator"),
    "y": honored("labels int32 [B], for arrays and tensors; other data yield (images, labels)"),
    "batch_size": honored("for arrays and tensors; refused for data that come in batches"),
    "epochs": honored("as in Keras"),
    "verbose": honored("as in Keras"),
    "callbacks": honored("see the table of callbacks"),
    "validation_split": honored("for arrays and tensors, with compile(metrics=[...])"),
    "validation_data": honored("with compile(metrics=[...]): images, or (images, labels), as x"),
    "shuffle": honored("for arrays and tensors; other data have an order of their own, as in Keras"),
    "class_weight": refused(WEIGHTS),
    "sample_weight": refused(WEIGHTS + "; batches (images, labels, weights) are refused as well"),
    "initial_epoch": honored("as in Keras"),
    "steps_per_epoch": honored("as in Keras"),
    "validation_steps": honored("as in Keras; needs validation_data"),
    "validation_batch_size": honored("as in Keras; needs validation_data or validation_split, as arrays"),
    "validation_freq": honored("as in Keras"),
}
"""Arguments of `keras.Model.fit`."""

EVALUATE: Mapping[str, Decision] = {
    "x": honored("as in `fit`; several replicas need a `tf.data.Dataset`"),
    "y": honored("as in `fit`"),
    "batch_size": honored("as in `fit`"),
    "verbose": honored("as in Keras; several replicas print nothing"),
    "sample_weight": refused(WEIGHTS),
    "steps": honored("as in Keras"),
    "callbacks": honored("as in Keras; several replicas do not call them"),
    "return_dict": honored("as in Keras"),
}
"""Arguments of `keras.Model.evaluate`."""

METHODS: Mapping[str, Decision] = {
    "train_on_batch": honored("one train step; weights are refused as in `fit`"),
    "test_on_batch": honored("`evaluate` on one batch"),
    "predict": honored("D(G(z)) for latents z, or for [latents, labels]; for samples use `gan.generate`"),
    "predict_on_batch": honored("as `predict`"),
}
"""Other methods of `keras.Model` that take data."""

OPTIMIZER: Mapping[str, Decision] = {
    "learning_rate": honored("a number, a schedule of the optimizer's own updates, or a function"),
    "weight_decay": honored("as in Keras, also with `exclude_from_weight_decay`"),
    "clipnorm": honored("as in Keras; refused on several replicas"),
    "clipvalue": honored("as in Keras; refused on several replicas"),
    "global_clipnorm": honored("as in Keras; refused on several replicas"),
    "use_ema": honored(
        "as in Keras: weights become their averages at the end of `fit`; `generator_ema` is another average, of each "
        "step's weights"
    ),
    "ema_momentum": honored("as in Keras"),
    "ema_overwrite_frequency": honored("as in Keras; refused on several replicas"),
    "loss_scale_factor": honored("as in Keras"),
    "gradient_accumulation_steps": honored(
        "as in Keras; latents and all other random numbers differ in each step; refused on several replicas"
    ),
    "name": honored("as in Keras"),
}
"""Arguments of `keras.optimizers.Optimizer`. They act for the optimizers of Keras and for `gan.optimizers.Adam`."""

CALLBACKS: Mapping[str, Decision] = {
    "BackupAndRestore": honored("a resumed training equals one without interruption"),
    "CSVLogger": honored("as in Keras"),
    "Callback": honored(
        "own callbacks use `model.g_optimizer` and `model.d_optimizer`; the error of `model.optimizer.learning_rate` "
        "says so"
    ),
    "CallbackList": honored("as in Keras"),
    "EarlyStopping": honored("with mode='min' or mode='max'; see also `gan.callbacks.ToleranceEarlyStopping`"),
    "History": honored("as in Keras"),
    "LambdaCallback": honored("as in Keras"),
    "LearningRateScheduler": honored("sets both learning rates, each from its own value; they must be constant"),
    "ModelCheckpoint": honored("saves both networks, both optimizers and the average; save_best_only needs a mode"),
    "OrbaxCheckpoint": refused("keras.callbacks.ModelCheckpoint or BackupAndRestore"),
    "ProgbarLogger": honored("as in Keras"),
    "ReduceLROnPlateau": honored(
        "reduces both learning rates, which must be constant; see also `gan.callbacks.ReduceLROnTolerance`"
    ),
    "RemoteMonitor": honored("as in Keras; needs the package requests"),
    "SwapEMAWeights": honored("for each optimizer with use_ema=True, of which there must be one"),
    "TensorBoard": honored(
        "with both learning rates; needs the package tensorboard, unlike `gan.callbacks.TensorBoard`"
    ),
    "TerminateOnNaN": honored("a loss that is not finite raises an error before any weight changes, also without it"),
}
"""Classes of `keras.callbacks`."""
