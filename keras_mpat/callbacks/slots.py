"""What an optimizer remembers of a weight, after some rows of it were set by hand.

Keras names each of its variables after the weight that it belongs to
(`Optimizer.add_variable_from_reference`), and `optimizer.variables` has those of the
inner optimizer of a `LossScaleOptimizer`, too.
"""

import keras
import numpy as np

from keras_mpat import backend


def forget_rows(optimizer, weight, rows: np.ndarray) -> None:
    """Momenta, velocities and gathered gradients of the rows are 0 from now on.

    A slot that holds a point instead of a step (the moving average of `use_ema`, the
    iterate of `ScheduleFreeAdamW`) gets the rows of the weight itself.

    Args:
        optimizer: a built Keras optimizer that trains `weight`.
        weight: variable (C, K, D).
        rows: bool (C, K).
    """
    value = backend.value(weight)
    prefix = weight.path.replace("/", "_") + "_"
    for slot in optimizer.variables:
        own = slot.name.startswith(prefix)
        if not own or tuple(slot.shape) != tuple(weight.shape):
            continue
        changed = backend.value(slot)
        point = slot.name.removeprefix(prefix) in _points(optimizer)
        changed[rows] = value[rows] if point else 0.0
        slot.assign(changed)


def _points(optimizer) -> tuple[str, ...]:
    """Names of the slots that hold a point of the space of weights."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    if isinstance(optimizer, keras.optimizers.ScheduleFreeAdamW):
        return ("average", "momentum")
    return ("average",)
