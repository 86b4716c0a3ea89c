"""Gradients with respect to weights, for what is not the update of Keras."""

import itertools
import math
from collections.abc import Callable

import keras
from keras import ops

from keras_mpat import backend


def weight_gradients(loss: Callable, weights, others=(), counters=()) -> list:
    """Gradients of a loss with respect to weights, beside the update of Keras.

    What `loss` writes to variables is dropped.

    Args:
        loss: without arguments, returns a scalar; may use `add_loss`.
        weights: float variables.
        others: all further variables that it reads, which JAX needs to be told.
        counters: those that it counts in, of metrics, whose values do not matter: on
            JAX they have none where a step of training is traced.
    """
    known = [(variable, variable.value) for variable in others]
    known += [
        (variable, ops.zeros(variable.shape, variable.dtype)) for variable in counters
    ]

    def objective(values):
        own = zip(weights, _parts(values, weights), strict=True)
        with keras.StatelessScope(state_mapping=[*known, *own], collect_losses=True):
            total = loss()
        return total[None], total

    flat = ops.concatenate([ops.reshape(weight, (-1,)) for weight in weights])
    gradient, *_ = backend.input_gradient(objective, flat)
    return _parts(gradient, weights)


def _parts(values, weights) -> list:
    """One vector as arrays of the shapes of the weights."""
    ends = itertools.accumulate(math.prod(weight.shape) for weight in weights)
    ranges = itertools.pairwise([0, *ends])
    return [
        ops.reshape(values[start:end], weight.shape)
        for (start, end), weight in zip(ranges, weights, strict=True)
    ]
