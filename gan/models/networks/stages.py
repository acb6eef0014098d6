"""The layers of a discriminator in order from its images, of which a fine-tuning may keep the first (FreezeD)."""

import keras

from gan.errors import InputError
from gan.models.networks.conditioning import LABEL_EMBEDDING
from gan.models.networks.graph import calls
from gan.models.networks.inputs import named_inputs


def list_stages(discriminator: keras.Model) -> list[list[keras.Layer]]:
    """Returns the layers with trainable weights that images pass through, in order, grouped to stages.

    A stage starts at a convolution or dense layer whose output has another height and width than the stage before it,
    or no height and width. Layers without a matrix of weights, such as normalizations, belong to the stage before them.
    The last stage makes the logits. A nested model is one layer. The embedding of labels belongs to no stage.

    So the stages of the architectures are, before the last one:

    * `dcgan`, `tf_tutorial`: each convolution, with the normalization after it.
    * `resnet`: at each size, the convolution that changes the number of channels and the residual block.
    * `mlp`: each dense layer, with the normalization after it.
    """
    found: list[list[keras.Layer]] = []
    reached = {id(named_inputs(discriminator, main="images")["images"])}
    seen: set[int] = set()
    size: tuple[int | None, ...] = ()
    for operation, inputs, outputs in calls(discriminator):
        if reached.isdisjoint(map(id, inputs)):
            continue
        reached.update(map(id, outputs))
        is_new = isinstance(operation, keras.Layer) and id(operation) not in seen
        if not is_new or operation.name == LABEL_EMBEDDING or not operation.trainable_variables:
            continue
        seen.add(id(operation))
        has_matrix = any(len(variable.shape) > 1 for variable in operation.trainable_variables)
        of_output = tuple(outputs[0].shape[1:-1])
        if not found or (has_matrix and (of_output != size or not of_output or None in of_output)):
            found.append([])
        found[-1].append(operation)
        size = of_output if has_matrix else size
    return found


def trained_variables(discriminator: keras.Model, freeze_d: int) -> list[keras.Variable]:
    """Returns the variables that training changes if the first `freeze_d` stages keep their weights.

    Raises `InputError` if D has fewer stages before its logits.
    """
    variables = list(discriminator.trainable_variables)
    if not freeze_d:
        return variables
    stages = list_stages(discriminator)
    if freeze_d >= len(stages):
        depth = max(len(stages) - 1, 0)
        raise InputError(
            "`freeze_d` is deeper than the discriminator",
            expected=f"at most {depth}: it has {depth} layers before its logits",
            received=f"freeze_d={freeze_d}",
        )
    frozen = {id(one) for stage in stages[:freeze_d] for layer in stage for one in layer.trainable_variables}
    return [variable for variable in variables if id(variable) not in frozen]
