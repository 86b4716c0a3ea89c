"""Logit pairing: two inputs of one image should get the same logits.

Shapes: B examples, C classes. Everything is computed in float32.

References:
    Kannan et al., "Adversarial Logit Pairing", arXiv:1803.06373, section 3.
"""

from keras import ops

from keras_mpat.choices import check_choice

REDUCTIONS = ("mean", "sum_classes")


def logit_pairing(first, second, *, reduction="mean"):
    """Squared difference of two sets of logits, per example.

    Gradients pass to both; apply `stop_gradient` to hold one still.

    Args:
        first, second: (B, C).
        reduction: over the classes: `"mean"`, as in the published code, or
            `"sum_classes"`, C times as much.

    Returns:
        (B,), 0 where the logits are equal.

    Raises:
        ValueError: an unknown reduction.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    difference = ops.cast(first, "float32") - ops.cast(second, "float32")
    squares = ops.square(difference)
    if reduction == "mean":
        return ops.mean(squares, axis=-1)
    return ops.sum(squares, axis=-1)
