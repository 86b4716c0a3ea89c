"""Sums of exponentials over the part of a matrix that a mask keeps."""

from keras import ops

_NEVER = -1e30  # a float32 stand-in for minus infinity that keeps gradients finite


def masked_logsumexp(values, kept, axis):
    """log of the sum of exp(values) over an axis, where `kept`; -1e30 if nothing is.

    Args:
        values: float32 tensor.
        kept: bool, broadcasts with `values`. What it leaves out has gradient zero.
        axis: int.
    """
    return ops.logsumexp(ops.where(kept, values, _NEVER), axis=axis)
