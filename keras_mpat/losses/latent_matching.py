"""ATLD's terms: the discriminator's loss, and the balance of the classifier's two.

z_nat = [2, 0, -1], z_adv = [1, .5, 0], smoothing .5: cross-entropy 1.05526967, mean
square .75; with a factor of .105235 / 2 on the latter, 1.09473280.
"""

from keras import ops

_LIMIT = 1e4


def binary_divergence(natural, perturbed):
    """BCE of "natural" for logits of natural inputs, and of "not" for the others.

    Args:
        natural, perturbed: discriminator logits (B,).

    Returns:
        (B,): 2 log 2 where the two cannot be told apart, less where they can.
    """
    return ops.softplus(-natural) + ops.softplus(perturbed)


def jensen_shannon(values):
    """The bound on the Jensen-Shannon divergence (nats) that a discriminator shows.

    Args:
        values: of `binary_divergence`, (B,).
    """
    return ops.log(2.0) - ops.mean(values) / 2


def logit_distance(logits, reference):
    """Mean over the classes of the squared difference, (B,)."""
    difference = ops.cast(logits, "float32") - ops.cast(reference, "float32")
    return ops.mean(ops.square(difference), axis=-1)


def balance(of_cross_entropy, of_distance, *, absolute: bool = False):
    """The factor s that gives both terms input gradients of one size.

    Args:
        of_cross_entropy, of_distance: gradients (B, ...) with respect to the inputs.
        absolute: largest absolute entries in place of the largest ones, as published.

    Returns:
        The ratio of the largest entries, in [0, 1e4]; 0 where there is none.
    """
    if absolute:
        of_cross_entropy, of_distance = map(ops.abs, (of_cross_entropy, of_distance))
    top, bottom = ops.max(of_cross_entropy), ops.max(of_distance)
    ratio = top / ops.where(bottom > 0, bottom, 1.0)
    return ops.clip(ops.where(bottom > 0, ratio, 0.0), 0.0, _LIMIT)
