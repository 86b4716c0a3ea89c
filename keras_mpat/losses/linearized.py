"""An objective on outputs of a network, as a linear one that no precision overflows.

An attack follows the direction of a gradient. Where an objective is steep (a cosine of
short vectors, a discriminator of logits that hardly differ) its gradient is infinite in
float16, and the attack's image NaN; where it is flat, the gradient vanishes.
"""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_mpat import backend


def linearized(outputs, objective: Callable) -> tuple[Any, Any]:
    """Values whose gradient at `outputs` has the direction of the objective's.

    Of each example the largest entry of that gradient is 1 (0 where it has none), so
    only its direction is right: not for losses.

    Args:
        outputs: (B, D) of a network, of any precision.
        objective: maps float32 (B, D) to (values, an auxiliary tensor); what is raised
            is the sum of the values.

    Returns:
        (values (B,), the auxiliary tensor).
    """
    outputs = ops.cast(outputs, "float32")
    gradient, _, auxiliary = backend.input_gradient(
        objective, ops.stop_gradient(outputs)
    )
    size = ops.max(ops.abs(gradient), axis=-1, keepdims=True)
    direction = ops.stop_gradient(gradient / ops.where(size > 0, size, 1.0))
    return ops.sum(direction * outputs, axis=-1), auxiliary
