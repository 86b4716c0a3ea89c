"""Lengths and directions of vectors, with gradients that are finite at zero.

Shapes: D features; any shape before them.
"""

from keras import ops

_TINY = 1e-24  # squared length below which float32 has no direction left


def unit(vectors):
    """Vectors (..., D) of length 1; zero stays zero, and its gradient is zero.

    An embedding whose units are all dead has no direction to learn.
    """
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    long = squared > _TINY
    inverse = ops.rsqrt(ops.where(long, squared, 1.0))
    return vectors * ops.where(long, inverse, 0.0)


def lengths(vectors):
    """Euclidean lengths (...,) of vectors (..., D); at zero the gradient is zero."""
    squared = ops.sum(ops.square(vectors), axis=-1)
    long = squared > _TINY
    return ops.where(long, ops.sqrt(ops.where(long, squared, 1.0)), 0.0)
