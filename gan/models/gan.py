"""GAN: generator, discriminator and the average of the generator as one Keras model with an adversarial train step."""

from collections.abc import Iterable, Mapping

import keras
import tensorflow as tf
from keras import ops

import gan.models.optimizers  # noqa: F401 - registers what a saved GAN may name
from gan.distributed import evaluation, replicas
from gan.errors import InputError, check, check_different, check_positive, check_seed, check_whole
from gan.models import ema, losses, networks, random
from gan.models.augment import Augmentation
from gan.models.critic import Critic, Logs
from gan.models.means import WeightedMeans
from gan.models.networks.inputs import NetworkInputs
from gan.models.penalties import Penalty
from gan.models.penalties import get as get_penalty
from gan.saving.metadata import with_new_names
from gan.utils.types import Tensor

STEP_LOGS = ("g_loss", "d_loss", "real_score", "fake_score", "real_accuracy", "fake_accuracy")
"""What every train step reports; scores are mean logits, accuracies the share of logits on the right side of the
loss's boundary or, where it has none, of the middle between both scores."""


@keras.saving.register_keras_serializable(package="gan")
class GAN(keras.Model):
    """A generative adversarial network that trains with `compile` and `fit`. Defaults are those of the preset `mnist`.

    Each step updates D, then G through the updated D; each gradient names the variables it is for, so neither update
    touches the other net. `generator_ema`, the exponential moving average of G with its batch statistics, is what one
    samples from and saves.

    `step` counts the train steps and `images_seen` the real images that D saw in them, both int64 variables. All random
    numbers of a step are functions of (`seed`, `step`), whatever the optimizers count.

    >>> gan = GAN(build_generator((28, 28, 1), 32, 10), build_discriminator((28, 28, 1), 10))
    >>> gan.compile(keras.optimizers.Adam(3e-3, 0.0, 0.99), keras.optimizers.Adam(1.5e-3, 0.0, 0.99))
    >>> gan.fit(load_dataset("mnist").train.batches(64, steps=2_031), shuffle=False)

    Args:
        generator: latents [B, L](, labels int32 [B]) -> images [B, H, W, C] in [-1, 1]. (Without augmentation any
            other shape trains as well, such as points [B, 2].)
        discriminator: images(, labels) -> logits [B, 1].
        augment: from `gan.augment`: `augment(images, key)`, which D sees real and fake images through; None: none.
        ema_half_life: images after which a weight's share in the average has halved; > 0. In images, so that it
            survives a change of batch size.
        seed: seed of the training latents, which are a function of (seed, step), however many devices share them.

    Raises `InputError` when the two nets do not fit each other.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        augment: Augmentation | None = None,
        ema_half_life: float = 5_000.0,
        seed: int = 0,
        name: str = "gan",
    ) -> None:
        super().__init__(name=name)
        networks.check_pair(generator, discriminator)
        check(augment is None or isinstance(augment, Augmentation), "augment", "a gan.augment.Augmentation", augment)
        check_positive("ema_half_life", ema_half_life)
        check_seed(seed)
        self.generator = generator
        self.discriminator = discriminator
        self.generator_ema = ema.averaged_copy(generator)
        self.augment = augment
        self.ema_half_life = ema_half_life
        self.seed = seed
        self._step = self._add_counter("step")
        self.images_seen = self._add_counter("images_seen")
        self._step_of_optimizer = False
        self._generator_inputs = NetworkInputs.of(generator)
        self._conditional = self._generator_inputs.num_classes > 0
        self._latent_dim = self._generator_inputs.latent_dim
        self._critic = Critic(discriminator, augment, seed)
        self._reports_evaluation = False
        self.built = True

    def _add_counter(self, name: str) -> keras.Variable:
        return self.add_weight(
            name=name, dtype="int64", initializer="zeros", trainable=False, aggregation="only_first_replica"
        )

    @property
    def step(self) -> keras.Variable:
        """Number of train steps so far: int64 [].

        A file of an earlier revision has no counters: then this is what G's optimizer counts, and `images_seen` begins
        at 0.
        """
        if self._step_of_optimizer and self.compiled:
            with tf.init_scope():
                self._step.assign(self.g_optimizer.iterations)
            self._step_of_optimizer = False
        return self._step

    def load_own_variables(self, store: Mapping[str, Tensor]) -> None:
        """Loads the counters, see `step` for a file without them: the optimizer that counts is loaded later."""
        self._step_of_optimizer = not store.keys()
        if not self._step_of_optimizer:
            super().load_own_variables(store)

    def compile(
        self,
        g_optimizer: keras.optimizers.Optimizer | str,
        d_optimizer: keras.optimizers.Optimizer | str,
        loss: str | losses.AdversarialLoss = "non_saturating",
        penalties: Iterable[str | Penalty] = ("r1",),
        critic_steps: int = 1,
        simultaneous: bool = False,
        metrics: Iterable[keras.metrics.Metric] = (),
        *,
        mismatched_labels: float | None = None,
        jit_compile: bool | str = "auto",
        **keras_options: object,
    ) -> None:
        """Configures training.

        Args:
            g_optimizer, d_optimizer: Keras optimizers (two objects) or their names.
            loss: a name in `losses.LOSSES`, or an `AdversarialLoss`.
            penalties: names in `penalties.PENALTIES`, or `Penalty` objects, for D; (): none.
            critic_steps: D updates for each G update; a batch of `fit` then holds that many times the reals of one.
            simultaneous: G's update looks at D as it was before the step's last D update: one pass of D less.
            metrics: Keras metrics with `update_state(real, fake, labels)`, for `evaluate` and validation data.
            mismatched_labels: share of D's loss in which reals with a mismatched label are the fakes; from 0 to below
                1. None: `critic.MISMATCHED_LABELS` with two classes or more, otherwise 0. D then looks at labels, and G
                keeps away from what could be another class: fewer errors, less variety. After arXiv:1605.05396, section
                4.2, where it is one half. One of `critic.MISMATCHED_EVERY` reals is shown again (all, if D has batch
                statistics); `d_loss` holds them, scores, accuracies and penalties do not.
            jit_compile: whether XLA compiles the train step. "auto" is off everywhere: on an H100 no first step came
                within 170 s with XLA, and without it the same run trains at 113 steps/s. On a CPU, XLA makes
                convolutions many times slower.
            keras_options: `run_eagerly`, `steps_per_execution`, ... of `keras.Model.compile`. Several replicas take one
                step an execution.

        Raises `InputError` for an unknown loss or penalty, one penalty or optimizer given twice, a bad `critic_steps`,
        and for `mismatched_labels` out of range or without two classes.
        """
        g_optimizer, d_optimizer = keras.optimizers.get(g_optimizer), keras.optimizers.get(d_optimizer)
        adversarial_loss = losses.get(loss)
        parts = [get_penalty(penalty) for penalty in penalties]
        step_means = WeightedMeans((*STEP_LOGS, *(penalty.name for penalty in parts)))
        if g_optimizer is d_optimizer:
            raise InputError("One optimizer for both nets", expected="two optimizers", received="the same object twice")
        check_whole("critic_steps", critic_steps, 1)
        check_different("penalties", [penalty.name for penalty in parts])
        replicas_in_sync = self.distribute_strategy.num_replicas_in_sync
        self._critic.compile(adversarial_loss, parts, mismatched_labels, replicas_in_sync)

        self._keras_options = {"jit_compile": jit_compile, **keras_options}
        several = {"steps_per_execution": 1} if replicas_in_sync > 1 else {}
        xla = False if jit_compile == "auto" else jit_compile
        super().compile(optimizer=None, jit_compile=xla, **{**keras_options, **several})
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.g_optimizer.build(self.generator.trainable_variables)
        self.d_optimizer.build(self.discriminator.trainable_variables)
        self.adversarial_loss, self.penalties, self.step_means = adversarial_loss, parts, step_means
        self.critic_steps, self.simultaneous = critic_steps, simultaneous
        self.mismatched_labels = self._critic.mismatched_labels
        self.evaluation_metrics = list(metrics)
        self._evaluated_batches = keras.metrics.Sum(name="evaluated_batches", dtype="int64")
        self._local_measure = tf.function(self.measure, reduce_retracing=True)

    def call(self, latents: Tensor, labels: Tensor = None, training: bool | None = None) -> Tensor:
        """The combined model D(G(z)): latents [B, L](, labels int32 [B]) -> logits [B, 1]."""
        images = self._apply(self.generator, latents, labels, training=training)
        return self.discriminator(self._critic.network_inputs.arrange(images=images, labels=labels), training=training)

    def train_step(self, data: Tensor) -> dict[str, Tensor]:
        """One step on (real [critic_steps * B, H, W, C](, labels)): `critic_steps` D updates, then G, then the average.

        G runs once a critic step; the fakes of the last one, detached for D, serve G's update too.
        """
        real, labels = self._unpack(data)
        context = tf.distribute.get_replica_context()
        if self.critic_steps > 1 and context.num_replicas_in_sync == 1:  # `fit` has checked what several replicas share
            replicas.check_shares(1, real.shape[0], self.critic_steps)
        place = {"replica": context.replica_id_in_sync_group, "replicas": context.num_replicas_in_sync}
        reals = tf.split(real, self.critic_steps)
        labels_of = [None] * self.critic_steps if labels is None else tf.split(labels, self.critic_steps)
        for critic_step, (real, labels) in enumerate(zip(reals, labels_of)):
            shape = (tf.shape(real)[0], self._latent_dim)
            latents = random.training_latents(self.seed, self.step, critic_step, shape, **place)
            with tf.GradientTape() as g_tape:
                fake = self._apply(self.generator, latents, labels, training=True)
            if not self.simultaneous or critic_step < self.critic_steps - 1:
                d_logs, real_logits = self.update_discriminator(real, tf.stop_gradient(fake), labels, critic_step)
        if self.simultaneous:
            d_logs, g_loss = self.update_both(g_tape, real, fake, labels)
        else:
            g_loss = self.update_generator(g_tape, real, fake, labels, real_logits)
        images = tf.shape(real)[0] * self.critic_steps * context.num_replicas_in_sync
        ema.update(self.generator_ema, self.generator, images, self.ema_half_life)
        with tf.control_dependencies([tf.identity(self.g_optimizer.iterations)]):  # a step that fails is not counted
            self.images_seen.assign_add(tf.cast(images, tf.int64))
            self.step.assign_add(1)
        logs, names = {"g_loss": (g_loss, 1.0), **d_logs}, self.step_means.names
        self.step_means.update_state(*(tf.stack(part) for part in zip(*(logs[name] for name in names))))
        # Keras takes the mean of logs over replicas, and over the first axis where these are in several processes
        rank = [1] if replicas.has_several_workers(self.distribute_strategy) else []
        return {name: tf.reshape(logs[name][0], rank) for name in names}

    def update_discriminator(
        self, real: Tensor, fake: Tensor, labels: Tensor = None, critic_step: int = 0
    ) -> tuple[Logs, Tensor]:
        """Updates D once on images [B, H, W, C] in [-1, 1]; touches D and its optimizer only.

        critic_step: which of the step's `critic_steps` D updates this is, from 0. Random numbers depend on it and on
        `step`, which only `train_step` moves.

        Returns {log name: (value, weight in the mean)} and the logits of the reals before the update.
        """
        step = self._d_step(critic_step)
        with tf.GradientTape() as tape:
            logits = self._critic.logits(real, fake, labels, step)
            total, logs = self._critic.loss(logits, real, fake, labels, step)
        replicas.apply_gradients(self.d_optimizer, tape, total, self.discriminator, "d_loss")
        return logs, logits.real

    def update_generator(
        self, tape: tf.GradientTape, real: Tensor, fake: Tensor, labels: Tensor, real_logits: Tensor
    ) -> Tensor:
        """One G update, for `fake` that `tape` saw G make; returns the loss.

        Touches G and its optimizer only; batch statistics and spectral norms of D move in its forward pass.
        """
        with tape:  # goes on recording where G's forward pass ended
            fake_logits = self._critic.of_fake(fake, labels, self.step)
            if self.adversarial_loss.relativistic:
                real_logits = self._critic.of_real(real, labels, self.step)
            loss = ops.mean(self.adversarial_loss.generator(real_logits, fake_logits))
        replicas.apply_gradients(self.g_optimizer, tape, loss, self.generator, "g_loss")
        return loss

    def update_both(self, tape: tf.GradientTape, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Logs, Tensor]:
        """One update of D and one of G, both through D as it is; returns the logs of D's, and G's loss."""
        step = self._d_step(self.critic_steps - 1)
        with tf.GradientTape() as d_tape, tape:
            logits = self._critic.logits(real, fake, labels, step, together=False)
            g_loss = ops.mean(self.adversarial_loss.generator(logits.real, logits.fake))
            total, logs = self._critic.loss(logits, real, tf.stop_gradient(fake), labels, step)
        replicas.apply_gradients(self.d_optimizer, d_tape, total, self.discriminator, "d_loss")
        replicas.apply_gradients(self.g_optimizer, tape, g_loss, self.generator, "g_loss")
        return logs, g_loss

    def _d_step(self, critic_step: int) -> Tensor:
        """The number of a D update, counted over all train steps."""
        return self.step * self.critic_steps + critic_step

    def _apply(self, generator: keras.Model, latents: Tensor, labels: Tensor, *, training: bool | None) -> Tensor:
        return generator(self._generator_inputs.arrange(latents=latents, labels=labels), training=training)

    def _unpack(self, data: Tensor) -> tuple[Tensor, Tensor]:
        real, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self._conditional and labels is None:
            raise InputError("No labels", expected="(images, labels): this GAN is conditional", received="images only")
        return real, labels if self._conditional else None

    def fit(self, x: Tensor = None, *args: object, **options: object) -> Tensor:
        """As `keras.Model.fit`. The replicas of a `tf.distribute` strategy share each batch of a `tf.data.Dataset`.

        Raises `InputError` when these cannot share a batch evenly.
        """
        if isinstance(x, tf.data.Dataset) and self.distribute_strategy.num_replicas_in_sync > 1:
            x, steps = replicas.distributed(self.distribute_strategy, x, self.critic_steps)
            options = {"steps_per_epoch": steps, **options}
        return super().fit(x, *args, **options)

    # Private in Keras, which has no public way to say that a model is built already: under a `tf.distribute` strategy,
    # `fit` and `evaluate` first take the mean of a batch over the workers, and fail where it has labels.
    def _maybe_symbolic_build(self, iterator: Tensor = None, data_batch: Tensor = None) -> None:
        """Does nothing: all is built."""

    def measure(self, data: Tensor, number: Tensor) -> None:
        """Feeds the metrics of `compile` with (real, samples of the average, labels) of the `number`-th batch."""
        real, labels = self._unpack(data)
        shape = (tf.shape(real)[0], self._latent_dim)
        latents = random.evaluation_latents(self.seed, number, shape)
        fake = self._apply(self.generator_ema, latents, labels, training=False)
        for metric in self.evaluation_metrics:
            metric.update_state(real, fake, labels)

    def test_step(self, data: Tensor) -> dict[str, Tensor]:
        """`measure` of the next batch."""
        self.measure(data, self._evaluated_batches.result())
        self._evaluated_batches.update_state(1)
        return dict.fromkeys(self.get_metrics_result(), 0.0)  # Keras asks get_metrics_result() once, at the end

    def evaluate(self, *args: object, **options: object) -> Tensor:
        """As `keras.Model.evaluate`, on the metrics of `compile`. Raises `InputError` when there are none."""
        if not getattr(self, "evaluation_metrics", None):
            raise InputError("Nothing to evaluate", expected="compile(metrics=[...])", received="no metrics")
        self._reports_evaluation = True
        try:
            if self.distribute_strategy.num_replicas_in_sync > 1:
                return evaluation.evaluate(self, self._local_measure, *args, **options)  # type: ignore[arg-type]
            return super().evaluate(*args, **options)
        finally:
            self._reports_evaluation = False

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Means of the train steps so far or, inside `evaluate`, the results of the metrics of `compile`."""
        results: dict[str, Tensor] = {}
        for metric in self.evaluation_metrics if self._reports_evaluation else [self.step_means]:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        return results

    def get_config(self) -> dict[str, object]:
        return {
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "augment": keras.saving.serialize_keras_object(self.augment),
            "ema_half_life": self.ema_half_life,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, object], custom_objects: dict[str, Tensor] | None = None) -> "GAN":
        parts = ("generator", "discriminator", "augment")
        nets = {part: keras.saving.deserialize_keras_object(config[part], custom_objects) for part in parts}
        return cls(**{**config, **nets})

    def get_compile_config(self) -> dict[str, Tensor]:
        if not self.compiled:
            return {}
        parts = {
            "g_optimizer": self.g_optimizer,
            "d_optimizer": self.d_optimizer,
            "loss": self.adversarial_loss,
            "penalties": self.penalties,
            "metrics": self.evaluation_metrics,
        }
        return {
            "critic_steps": self.critic_steps,
            "simultaneous": self.simultaneous,
            "mismatched_labels": self.mismatched_labels,
            **self._keras_options,
            **{name: keras.saving.serialize_keras_object(part) for name, part in parts.items()},
        }

    def compile_from_config(self, config: dict[str, Tensor]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(with_new_names(config)))
