"""Lengths and directions per example, for threat models and attacks.

x (B, ...) of any rank; a norm keeps the rank, (B, 1, ..., 1), so that it broadcasts.
"""

import math

import numpy as np
from keras import ops


def flat(x):
    """x (B, ...) as (B, features)."""
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


def largest(x):
    """The largest magnitude per example, (B, 1, ..., 1)."""
    return ops.max(ops.abs(x), axis=_features(x), keepdims=True)


def euclidean(x):
    """Euclidean norm per example, (B, 1, ..., 1)."""
    return ops.sqrt(ops.sum(ops.square(x), axis=_features(x), keepdims=True))


def unit_largest(x):
    """x / max |x| per example; 0 where x is 0."""
    size = largest(x)
    return x / ops.where(size > 0, size, 1.0)


def unit(x):
    """x / ||x|| per example, 0 where x is 0; exact for gradients of 1e-30, too."""
    x = unit_largest(x)  # its norm is 0, or at least 1
    return x / ops.maximum(euclidean(x), 1.0)


def divide(x, radius):
    """x / radius; 0 / 0 is 0, and a feature of radius 0 that moved is far outside."""
    if ops.is_tensor(radius) or np.any(np.asarray(radius) <= 0):
        radius = ops.maximum(radius, 1e-30)
    return x / radius


def _features(x):
    return tuple(range(1, len(x.shape)))
