"""The two optimizers of a GAN: which ones are valid, their loss scales, and what Keras' callbacks see of them."""

from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf

from gan.distributed.replicas import has_several_workers
from gan.errors import InputError
from gan.models.networks.inspect import layers_of
from gan.utils.types import Tensor

LossScaleOptimizer = keras.optimizers.LossScaleOptimizer


def get(name: str, optimizer: object) -> keras.optimizers.Optimizer:
    """Returns a Keras optimizer as it is, or makes one from its name or configuration.

    Raises `InputError` for anything else; `name` is the option that the message names.
    """
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return optimizer
    expected = "a Keras optimizer, such as keras.optimizers.Adam(1e-3), its name or its configuration"
    if isinstance(optimizer, type) and issubclass(optimizer, keras.optimizers.Optimizer):
        expected = f"an object, not a class: keras.optimizers.{optimizer.__name__}(...)"
    if isinstance(optimizer, str | dict):
        try:
            return keras.optimizers.get(optimizer)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"Bad `{name}`", expected=expected, received=f"{name}={optimizer!r}") from error
    raise InputError(f"Bad `{name}`", expected=expected, received=f"{name}={optimizer!r}")


def inner_optimizers(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers that update variables: those inside a `LossScaleOptimizer` or a `MultiOptimizer`."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return list(getattr(optimizer, "optimizers", [optimizer]))


def resolve(
    optimizers: tuple[object, object],
    networks: tuple[keras.Model, keras.Model],
    trained: tuple[Sequence[keras.Variable], Sequence[keras.Variable]],
    auto_scale_loss: bool,
    strategy: tf.distribute.Strategy,
) -> tuple[keras.optimizers.Optimizer, keras.optimizers.Optimizer]:
    """Returns the optimizers of a generator and a discriminator, in this order, not yet built.

    `trained` are the variables that each of them updates.

    With `auto_scale_loss`, an optimizer gets a dynamic loss scale if its gradients pass through layers that compute in
    float16. The gradients of G also pass through D.

    Raises `InputError` for an optimizer that cannot be used, and for a network without trainable variables.
    """
    names = ("g_optimizer", "d_optimizer")
    g, d = (get(name, optimizer) for name, optimizer in zip(names, optimizers))
    shared = {id(part) for part in inner_optimizers(g)} & {id(part) for part in inner_optimizers(d)}
    if shared:
        raise InputError(
            "Each network needs its own optimizer", expected="two optimizers", received="the same object twice"
        )
    for name, optimizer, variables, network, role in zip(
        names, (g, d), trained, networks, ("generator", "discriminator")
    ):
        _check_trainable(network, role)
        _check_unused(name, optimizer, variables)
    if auto_scale_loss:
        g, d = _loss_scaled(g, networks), _loss_scaled(d, networks[1:])
    for name, optimizer in zip(names, (g, d)):
        _check_replicas(name, optimizer, strategy)
    return g, d


def _loss_scaled(optimizer: keras.optimizers.Optimizer, networks: Iterable[keras.Model]) -> keras.optimizers.Optimizer:
    layers = [layer for network in networks for layer in layers_of(network)]
    half = any(layer.compute_dtype == "float16" for layer in layers)
    return LossScaleOptimizer(optimizer) if half and not isinstance(optimizer, LossScaleOptimizer) else optimizer


def _check_trainable(network: keras.Model, role: str) -> None:
    """Raises `InputError` for a network without a trainable variable."""
    if not network.trainable_variables:
        raise InputError(
            f"The {role} {network.name!r} has no trainable variable, so it would never learn",
            expected=f"{role}.trainable = True: a GAN never needs trainable = False, because the update of one network "
            "does not change the other",
            received=f"{len(network.variables)} variables, none of them trainable",
        )


def _check_unused(name: str, optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]) -> None:
    """Raises `InputError` for an optimizer that already updates other variables than these."""
    inner = inner_optimizers(optimizer)
    for part in (optimizer, *inner):
        # Private in Keras: the variables that an optimizer was built for.
        known = {id(variable) for variable in part._trainable_variables}
        ours = {id(variable) for variable in variables}
        several = part is not optimizer and len(inner) > 1  # each one updates some of the variables
        if part.built and not (known <= ours if several else known == ours):
            raise InputError(
                f"`{name}` was used before",
                expected="a new optimizer: the state of an optimizer belongs to the variables that it was built for",
                received=f"{part.name}: {len(known)} variables, {len(known - ours)} of them not of this network",
            )


def _check_replicas(name: str, optimizer: keras.optimizers.Optimizer, strategy: tf.distribute.Strategy) -> None:
    """Raises `InputError` for options that Keras applies to one replica's part of a gradient, or that fail there."""
    replicas = strategy.num_replicas_in_sync
    options = ("clipnorm", "clipvalue", "global_clipnorm", "ema_overwrite_frequency", "gradient_accumulation_steps")
    parts = inner_optimizers(optimizer)
    given = [f"{option}={getattr(part, option)}" for part in parts for option in options if getattr(part, option)]
    if has_several_workers(strategy) and isinstance(optimizer, LossScaleOptimizer):
        given.append("a dynamic loss scale, which layers in float16 need")
    if replicas > 1 and given:
        raise InputError(
            f"`{name}` has options that several replicas cannot use",
            expected=f"one device, or an optimizer without {', '.join(given)}",
            received=f"{replicas} replicas",
        )


class TwoOptimizersError(InputError, AttributeError):
    """`GAN.optimizer` has no attribute of a single optimizer. `hasattr` is then False, as Keras' callbacks expect."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "A GAN has two optimizers",
            expected=f"gan.g_optimizer.{name} and gan.d_optimizer.{name}",
            received=f"gan.optimizer.{name}",
        )


class OptimizerPair:
    """`GAN.optimizer`: the two optimizers, as Keras' callbacks expect several optimizers in `model.optimizer`.

    Like `keras.optimizers.MultiOptimizer`, it has `optimizers` and `iterations`, but no learning rate of its own.

    Args:
        gan: the GAN, whose `g_optimizer` and `d_optimizer` are built here, if they are new.
        g_variables, d_variables: the variables that each optimizer updates.
    """

    built = True

    def __init__(
        self, gan: keras.Model, g_variables: Sequence[keras.Variable], d_variables: Sequence[keras.Variable]
    ) -> None:
        trainable = [list(network.trainable_variables) for network in (gan.generator, gan.discriminator)]
        self.__dict__.update(
            gan=gan, g_variables=list(g_variables), d_variables=list(d_variables), trainable_at_compile=trainable
        )
        for optimizer, variables in ((gan.g_optimizer, g_variables), (gan.d_optimizer, d_variables)):
            if not optimizer.built:
                optimizer.build(variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers of G, then of D, without their loss scales."""
        return [*inner_optimizers(self.gan.g_optimizer), *inner_optimizers(self.gan.d_optimizer)]

    @property
    def iterations(self) -> keras.Variable:
        """Number of train steps: `GAN.step`."""
        return self.gan.step

    @property
    def variables(self) -> list[keras.Variable]:
        """The variables of both optimizers."""
        return [*self.gan.g_optimizer.variables, *self.gan.d_optimizer.variables]

    @property
    def finalizes(self) -> bool:
        """Whether an optimizer changes weights at the end of `fit`, as one with `use_ema=True` does."""
        plain = keras.optimizers.Optimizer.finalize_variable_values
        return any(one.use_ema or type(one).finalize_variable_values is not plain for one in self.optimizers)

    def finalize_variable_values(self) -> None:
        """Lets both optimizers set the final values of their variables, as `keras.Model.fit` does at its end."""
        self.gan.g_optimizer.finalize_variable_values(self.g_variables)
        self.gan.d_optimizer.finalize_variable_values(self.d_variables)

    def check_trainable(self) -> None:
        """Raises `InputError` if other variables are trainable than when the GAN was compiled."""
        networks = {"generator": self.gan.generator, "discriminator": self.gan.discriminator}
        for (role, network), compiled in zip(networks.items(), self.trainable_at_compile):
            if {id(one) for one in network.trainable_variables} != {id(one) for one in compiled}:
                raise InputError(
                    f"`trainable` of the {role} {network.name!r} was changed after compile",
                    expected="another call of compile, with new optimizers. A GAN never needs trainable = False: the "
                    "update of one network does not change the other",
                    received=f"{len(network.trainable_variables)} trainable variables, {len(compiled)} at compile",
                )

    def __getattr__(self, name: str) -> Tensor:
        raise TwoOptimizersError(name)

    def __setattr__(self, name: str, value: object) -> None:
        raise TwoOptimizersError(name)
