"""Gradients of a loss with respect to one of its inputs, on each backend."""

import numpy as np
from keras import ops

from keras_mpat import backend

_SCALE = 1024.0  # undoes that of `backend.input_gradient`: float16 ends at 65504


def gradient_of(values_of, point, dtype="float32"):
    """d sum(values_of(point)) / d point as a float64 array.

    `values_of` maps a tensor of this dtype to a scalar or values (B,).
    """

    def goal(x):
        values = ops.reshape(values_of(x), (-1,)) / _SCALE
        return values, values

    x = ops.convert_to_tensor(np.asarray(point, dtype))
    gradient, _, _ = backend.input_gradient(goal, x)
    return _SCALE * ops.convert_to_numpy(gradient).astype("float64")
