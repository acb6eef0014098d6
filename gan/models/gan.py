"""The `GAN` model: generator, discriminator and averaged generator with an adversarial train step."""

from collections.abc import Iterable
from contextlib import nullcontext

import keras
import tensorflow as tf
from keras import ops

import gan.models.optimizers  # noqa: F401 - registers the optimizer class that a saved GAN may name
from gan.distributed import replicas
from gan.errors import check, check_different, check_positive, check_seed, check_whole
from gan.models import ema, extra_fakes, keras_checks, losses, networks, optimizer_pair, random, shared_backward
from gan.models.adaptive import Adaptation
from gan.models.augment import Augmentation
from gan.models.counters import CountedModel
from gan.models.critic import LAYER_LOSSES, Critic, Logs, as_log, last_values
from gan.models.extra_fakes import RejectedSamples
from gan.models.first_batch import BatchCheck
from gan.models.layer_losses import has_layer_losses, layer_loss
from gan.models.means import WeightedMeans
from gan.models.network_copy import averaged_copy
from gan.models.networks.fast_layers import use_fast_layers
from gan.models.networks.inputs import NetworkInputs
from gan.models.optimizer_pair import OptimizerPair
from gan.models.penalties import Penalty
from gan.models.penalties import get as get_penalty
from gan.models.shared_backward import generator_loss, never_flat
from gan.models.watch import DataWatch
from gan.saving.renamed_keys import with_new_names
from gan.utils.types import Tensor

STEP_LOGS = ("g_loss", "d_loss", "real_score", "fake_score", "real_accuracy", "fake_accuracy")
"""Logs of every train step. Scores are mean logits. Accuracies are the share of logits on the correct side of the
loss's `boundary`; a loss without a boundary uses the midpoint of both scores."""


@keras.saving.register_keras_serializable(package="gan")
class GAN(CountedModel):
    """A generative adversarial network that trains with `compile` and `fit`.

    The defaults are those of the preset `mnist`. Each train step updates the discriminator D, then the generator G
    through the updated D. The update of one network never changes trainable weights of the other.

    Attributes:
        generator, discriminator: the two networks.
        generator_ema: the averaged generator, an exponential moving average (EMA) of the weights and batch statistics
            of G. Use it to sample and to save.
        step: number of train steps so far, an int64 variable.
        images_seen: number of real images that D received in these steps, an int64 variable.

    All random numbers of a train step are functions of `seed` and `step`. The counters of the optimizers do not matter.

    >>> gan = GAN(build_generator((28, 28, 1), 32, 10), build_discriminator((28, 28, 1), 10))
    >>> gan.compile(keras.optimizers.Adam(3e-3, 0.0, 0.99), keras.optimizers.Adam(1.5e-3, 0.0, 0.99))
    >>> gan.fit(load_dataset("mnist").train.batches(64, steps=2_031), shuffle=False)

    Args:
        generator: latents [B, L](, labels int32 [B]) -> images [B, H, W, C] in [-1, 1]. Without augmentation, other
            shapes also train, such as points [B, 2].
        discriminator: images(, labels int32 [B]) -> logits [B, 1].
        augment: an augmentation from `gan.augment`, applied to all real and fake images before D; None: no
            augmentation.
        ema_half_life: number of images after which the weight of an old value in the moving average has halved; > 0.
            The unit is images, so a change of the batch size does not change the average.
        seed: seed of all random numbers of training; from 0 to 2^32 - 1. The latents do not depend on the number of
            devices.

    Each network is a functional Keras model, or a sequential one with an input, of any layers and functions. Inputs
    have any names and order. `NetworkInputs` tells them apart. An `Embedding`, `one_hot` or `CategoryEncoding` of the
    labels must tell the number of classes. Weights that a loss does not reach are not trained, with a warning.

    Raises `InputError` if the two networks do not fit each other, naming what is missing.
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
        self.generator_ema = averaged_copy(generator)
        self.augment = augment
        self.ema_half_life = ema_half_life
        self.seed = seed
        self.add_counters()
        self._generator_inputs = NetworkInputs.of(generator)
        self._latent_dim = self._generator_inputs.latent_dim
        self._critic = Critic(discriminator, augment, seed)
        self._batch_check = BatchCheck(generator.output_shape[1:], self._generator_inputs.num_classes)
        self._watch = DataWatch(self._batch_check)
        self.built = True

    def compile(
        self,
        g_optimizer: keras.optimizers.Optimizer | str | None = None,
        d_optimizer: keras.optimizers.Optimizer | str | None = None,
        loss: str | losses.AdversarialLoss = "non_saturating",
        penalties: Iterable[str | Penalty] = ("r1",),
        critic_steps: int = 1,
        simultaneous: bool = False,
        metrics: Iterable[keras.metrics.Metric] = (),
        *,
        mismatched_labels: float | None = None,
        rejected: RejectedSamples | None = None,
        freeze_d: int = 0,
        jit_compile: bool | str = "auto",
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        auto_scale_loss: bool = True,
        data_on_device: bool | str = "auto",
        **other_options: object,
    ) -> None:
        """Configures training.

        Trains the variables that are trainable now. `docs/keras-options.md` lists all options of Keras.

        Args:
            g_optimizer, d_optimizer: two different new Keras optimizers, their names or their configurations.
            loss: a name in `losses.LOSSES`, or an `AdversarialLoss`.
            penalties: names in `penalties.PENALTIES`, or `Penalty` objects, for D. (): no penalties.
            critic_steps: D updates per G update; >= 1. A batch of `fit` must hold `critic_steps` times as many images
                as one D update uses.
            simultaneous: whether G's update uses D as it was before the last D update of the step. The same passes
                through D then serve both updates, a fifth of the arithmetic less (`gan.models.shared_backward`).
            metrics: Keras metrics with `update_state(real, fake, labels)`, for `evaluate` and validation data.
            mismatched_labels: weight, in D's loss, of real images with a wrong label as fakes; in [0, 1). None:
                `extra_fakes.MISMATCHED_LABELS` with two classes or more, otherwise 0. It makes D use the labels, and G
                avoid samples that could be another class: fewer errors, less variety. After arXiv:1605.05396, section
                4.2, which uses one half. Every `extra_fakes.EVERY`-th real is used (all, if D has batch statistics).
                `d_loss` includes this part; scores, accuracies and penalties do not.
            rejected: samples that people called wrong, as fakes with a share of D's loss, beside the same reals. None:
                none.
            freeze_d: number of layers of D, from the images on, that keep their weights, for fine-tuning a trained D on
                few images (FreezeD, arXiv:2002.10964). `networks.list_stages` tells what counts as a layer. D's
                gradient leaves out their variables; batch statistics and spectral norms still follow the images.
            jit_compile: whether XLA compiles the train step. "auto": where `gan doctor --test-jit` has found that it
                works and is faster on this GPU; never on a CPU. True: without a test. If XLA then fails, the plain
                graph trains, with a warning. `docs/gpu.md` says more.
            run_eagerly, steps_per_execution: as for `keras.Model.compile`. Several replicas use 1 step per execution.
            data_on_device: whether `fit` keeps the images of `Split.batches` on the device, and makes all steps of an
                execution in a loop there, with the same results, up to rounding with XLA. "auto": on a CPU or with XLA.
                Other data, and data that do not fit, are streamed. `docs/gpu.md` says more.
            auto_scale_loss: whether optimizers get a dynamic loss scale for layers that compute in float16.

        Raises `InputError` for an unknown or bad option, a penalty or optimizer given twice, an optimizer that was used
        before, a network without trainable variables, adaptive augmentation with a loss without boundary, and more
        frozen layers than D has before its logits.
        """
        keras_checks.refuse_compile_options(other_options, GAN.compile)
        adversarial_loss, evaluation_metrics = losses.get(loss), keras_checks.check_metrics(metrics)
        check(not isinstance(penalties, str | Penalty), "penalties", "a list, such as ['r1']", penalties)
        parts = [get_penalty(penalty) for penalty in penalties or ()]
        check_different("penalties", [penalty.name for penalty in parts])
        check_whole("critic_steps", critic_steps, 1)
        check_whole("freeze_d", freeze_d, 0)
        keras_checks.check_truth("simultaneous", simultaneous)
        options = keras_checks.execution(jit_compile, run_eagerly, steps_per_execution, auto_scale_loss, data_on_device)
        strategy, pair = self.distribute_strategy, (self.generator, self.discriminator)
        replicas_in_sync = strategy.num_replicas_in_sync
        trained = (self.generator.trainable_variables, networks.trained_variables(self.discriminator, freeze_d))
        optimizers = optimizer_pair.resolve((g_optimizer, d_optimizer), pair, trained, auto_scale_loss, strategy)
        classes = self._critic.network_inputs.num_classes
        fakes = extra_fakes.of_mismatched_labels(mismatched_labels, classes)
        mismatched_share = sum((part.share for part in fakes), 0.0)
        if rejected is not None:
            check(isinstance(rejected, RejectedSamples), "rejected", "a gan.extra_fakes.RejectedSamples", rejected)
            rejected.check_fit(self._batch_check.image_shape, classes)
            fakes.append(rejected)
        adaptation = Adaptation(self.augment, adversarial_loss)
        self._critic.compile(adversarial_loss, parts, fakes, replicas_in_sync)

        self._keras_options = options
        super().compile(
            optimizer=None,
            jit_compile=False,
            run_eagerly=run_eagerly,
            steps_per_execution=1 if replicas_in_sync > 1 else steps_per_execution,
        )
        self.g_optimizer, self.d_optimizer = optimizers
        self.optimizer = OptimizerPair(self, *trained)
        inputs = (self._generator_inputs, self._critic.network_inputs)
        layer_logs = [name for name, *network in zip(LAYER_LOSSES, pair, inputs) if has_layer_losses(*network)]
        self._one_pass = shared_backward.is_possible(*pair, optimizers[1], LAYER_LOSSES[1] in layer_logs)
        self._lazy = [penalty.name for penalty in parts if penalty.every > 1]
        names = (*STEP_LOGS, *(one.name for one in parts), *layer_logs, *adaptation.names)
        self.step_means = WeightedMeans(names, kept=self._lazy)
        self.adversarial_loss, self.penalties, self.adaptation = adversarial_loss, parts, adaptation
        self.critic_steps, self.simultaneous = critic_steps, simultaneous
        self.mismatched_labels, self.rejected = mismatched_share, rejected
        self.freeze_d = freeze_d
        self.set_evaluation_metrics(evaluation_metrics)
        self.set_jit_compile(jit_compile)
        self.set_data_on_device(data_on_device)

    def call(self, latents: Tensor, labels: Tensor = None, training: bool | None = None) -> Tensor:
        """Returns D(G(z)): latents [B, L](, labels int32 [B]) -> logits [B, 1]."""
        images = self._apply(self.generator, latents, labels, training=training)
        return self.discriminator(self._critic.network_inputs.arrange(images=images, labels=labels), training=training)

    def train_step(self, data: Tensor) -> dict[str, Tensor]:
        """Runs one train step: `critic_steps` D updates, one G update, one update of the averaged generator.

        G makes new fakes for each D update. The fakes of the last one, detached for D, are also used in G's update.

        Args:
            data: real images [critic_steps * B, H, W, C] in [-1, 1], or (images, labels int32 [critic_steps * B]).

        Returns the logs of the step: `STEP_LOGS`, one entry per penalty (0 in steps without it), and `g_layer_loss` or
        `d_layer_loss` if layers of that network have losses, and `augment_probability` if it is adapted.
        """
        real, labels = self._batch_check.unpack(data)
        context = tf.distribute.get_replica_context()
        if self.critic_steps > 1 and context.num_replicas_in_sync == 1:  # with several replicas, `fit` has checked this
            replicas.check_shares(1, real.shape[0], self.critic_steps)
        place = {"replica": context.replica_id_in_sync_group, "replicas": context.num_replicas_in_sync}
        reals = tf.split(real, self.critic_steps)
        labels_of = [None] * self.critic_steps if labels is None else tf.split(labels, self.critic_steps)
        all_logs: Logs = {}
        for critic_step, (real, labels) in enumerate(zip(reals, labels_of)):
            shape = (tf.shape(real)[0], self._latent_dim)
            latents = random.training_latents(self.seed, self.step, critic_step, shape, **place)
            with tf.GradientTape() as g_tape:
                fake = self._apply(self.generator, latents, labels, training=True)
                added = layer_loss(self.generator)
            if self.simultaneous and critic_step == self.critic_steps - 1:
                d_logs, g_loss = self.update_both(g_tape, real, fake, labels, added)
            else:
                d_logs, real_logits = self.update_discriminator(real, tf.stop_gradient(fake), labels, critic_step)
            all_logs = last_values(all_logs, d_logs, self._lazy) if critic_step else d_logs
        if not self.simultaneous:
            g_loss = self.update_generator(g_tape, real, fake, labels, real_logits, added)
        images = tf.shape(real)[0] * self.critic_steps * context.num_replicas_in_sync
        ema.update(self.generator_ema, self.generator, images, self.ema_half_life)
        with tf.control_dependencies([tf.identity(self.g_optimizer.iterations)]):  # count only a step that succeeded
            self.images_seen.assign_add(tf.cast(images, tf.int64))
            self.step.assign_add(1)
            all_logs |= self.adaptation.update(all_logs, images)
        logs, names = {"g_loss": (g_loss, 1.0), LAYER_LOSSES[0]: as_log(added), **all_logs}, self.step_means.names
        self.step_means.update_state(*(tf.stack(part) for part in zip(*(logs[name] for name in names))))
        # Keras averages logs over replicas. With several processes it averages over the first axis, which must exist.
        rank = [1] if replicas.has_several_workers(self.distribute_strategy) else []
        return {name: tf.reshape(logs[name][0], rank) for name in names}

    def update_discriminator(
        self, real: Tensor, fake: Tensor, labels: Tensor = None, critic_step: int = 0
    ) -> tuple[Logs, Tensor]:
        """Updates D once. Changes only D and its optimizer.

        Args:
            real, fake: images [B, H, W, C] in [-1, 1].
            labels: int32 [B], the labels of both; None: an unconditional GAN.
            critic_step: index of this D update within the train step, from 0. Random numbers depend on it and on
                `step`. Only `train_step` increases `step`.

        Returns {log name: (value, weight of the value in the mean)} and the logits of the reals, [B, 1], before the
        update.
        """
        step, like = self._d_step(critic_step)
        with tf.GradientTape() as tape:
            logits = self._critic.logits(real, fake, labels, step)
            total, logs = self._critic.loss(logits, real, fake, labels, step, like)
        replicas.apply_gradients(self.d_optimizer, tape, total, self.optimizer.d_variables, "d_loss")
        return logs, logits.real

    def update_generator(
        self,
        tape: tf.GradientTape,
        real: Tensor,
        fake: Tensor,
        labels: Tensor,
        real_logits: Tensor,
        layer_loss: Tensor = None,
    ) -> Tensor:
        """Updates G once and returns its adversarial loss, a scalar.

        Trains only G. The forward pass of D still updates the batch statistics and spectral norms of D.

        Args:
            tape: tape that recorded how G made `fake`.
            real, fake: images [B, H, W, C] in [-1, 1].
            labels: int32 [B], or None.
            real_logits: logits of the reals, [B, 1]. A relativistic loss computes them again with the updated D.
            layer_loss: losses that G's layers added when G made `fake`, a scalar that G minimizes as well; None: none.
        """
        with tape:  # resumes recording after G's forward pass
            fake_logits = self._critic.of_fake(fake, labels, self.step)
            if self.adversarial_loss.relativistic:
                real_logits = self._critic.of_real(real, labels, self.step)
            loss = ops.mean(self.adversarial_loss.generator(real_logits, fake_logits))
            total = loss if layer_loss is None else loss + layer_loss
        replicas.apply_gradients(self.g_optimizer, tape, total, self.optimizer.g_variables, "g_loss")
        return loss

    def update_both(
        self, tape: tf.GradientTape, real: Tensor, fake: Tensor, labels: Tensor, layer_loss: Tensor = None
    ) -> tuple[Logs, Tensor]:
        """Updates D and G once, both with the gradients of the current D. Returns the logs of D and the loss of G.

        For the arguments see `update_generator`.
        """
        step, like = self._d_step(self.critic_steps - 1)
        one_pass = self._one_pass
        with tf.GradientTape() as d_tape:
            d_tape.watch(fake)
            with nullcontext() if one_pass else tape:
                logits = self._critic.logits(real, fake, labels, step, together=False)
            bounded = never_flat(logits) if one_pass else logits
            total, logs = self._critic.loss(bounded, real, tf.stop_gradient(fake), labels, step, like)
        also = (fake, logits.fake) if one_pass else ()
        found = replicas.apply_gradients(self.d_optimizer, d_tape, total, self.optimizer.d_variables, "d_loss", also)
        with tape:
            loss = generator_loss(self.adversarial_loss, logits, fake, found)
            total = loss if layer_loss is None else loss + layer_loss
        replicas.apply_gradients(self.g_optimizer, tape, total, self.optimizer.g_variables, "g_loss")
        return logs, loss

    def _d_step(self, critic_step: int) -> tuple[Tensor, int | None]:
        """Returns the number of a D update, counted from 0 over all train steps, and one like it (`Critic.loss`)."""
        like = None if self._like is None else self._like * self.critic_steps + critic_step
        return self.step * self.critic_steps + critic_step, like

    def _apply(self, generator: keras.Model, latents: Tensor, labels: Tensor, *, training: bool | None) -> Tensor:
        with use_fast_layers(generator) if training else nullcontext():
            return generator(self._generator_inputs.arrange(latents=latents, labels=labels), training=training)

    def fit(self, *args: object, **options: object) -> Tensor:
        """Trains the GAN, as `keras.Model.fit` does. `docs/keras-options.md` lists all options.

        With several replicas of a `tf.distribute` strategy, each batch of a `tf.data.Dataset` is split evenly among
        them. Raises `InputError` if that is impossible, and for options that would have no effect.
        """
        keras_checks.check_compiled(self)
        options = keras_checks.bound("GAN.fit", super().fit, *args, **options)
        count = self.distribute_strategy.num_replicas_in_sync
        keras_checks.check_fit(self, options, conditional=self._batch_check.num_classes > 0, replicas=count)
        options["callbacks"] = keras_checks.with_final_values(options.get("callbacks"), self.optimizer)
        with self.resident_fit(options) as given, self._watch(keras.Model.fit, **given) as checked:
            if isinstance(checked["x"], tf.data.Dataset) and count > 1:
                checked["x"], steps = replicas.distributed(self.distribute_strategy, checked["x"], self.critic_steps)
                checked.setdefault("steps_per_epoch", steps)
            return super().fit(**checked)

    def train_on_batch(self, *args: Tensor, **options: Tensor) -> Tensor:
        """Runs one train step, as `keras.Model.train_on_batch` does. The first batch is checked."""
        options = keras_checks.bound("GAN.train_on_batch", super().train_on_batch, *args, **options)
        keras_checks.check_train_on_batch(self, options)
        with self.training_on(None), self._watch(keras.Model.train_on_batch, **options) as checked:
            return super().train_on_batch(**checked)

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
            "rejected": self.rejected,
        }
        return {
            "critic_steps": self.critic_steps,
            "simultaneous": self.simultaneous,
            "mismatched_labels": self.mismatched_labels,
            "freeze_d": self.freeze_d,
            **self._keras_options,
            **{name: keras.saving.serialize_keras_object(part) for name, part in parts.items()},
        }

    def compile_from_config(self, config: dict[str, Tensor]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(with_new_names(config)))
