"""Cross-entropy with smoothed labels, as Feature Scattering and ATLD smooth them.

Of the true class, 1 - smoothing; the rest in equal parts to the C - 1 others. Keras'
`label_smoothing` gives a part of it to the true class, too.
"""

from keras import ops

from keras_mpat.configurable import numbers


def usual_smoothing(num_classes: int) -> float:
    """0.5 as published for ten classes and more; as far from uniform with fewer.

    With 0.5 the labels of two classes would say nothing.
    """
    return min(0.5, 5 / 9 * (num_classes - 1) / num_classes)


def check_smoothing(smoothing: float | None, num_classes: int | None = None) -> None:
    """Raises unless the true class keeps the largest share.

    Raises:
        ValueError: it is no number in [0, 1), or too much for so many classes.
    """
    if smoothing is None:
        return
    limit = 1.0 if num_classes is None else (num_classes - 1) / num_classes
    array = numbers(smoothing)
    if array.ndim or not 0 <= array < limit:
        classes = "" if num_classes is None else f" of {num_classes} classes"
        raise ValueError(
            f"`smoothing` must lie in [0, {limit:.3g}) (share of the label{classes} "
            f"that others get). Received: smoothing={smoothing!r}. Leave it out for "
            "the usual one."
        )


def smoothed(labels, num_classes: int, smoothing: float):
    """Targets, float32 (B, C).

    Args:
        labels: int32 (B,).
        num_classes: C, >= 2.
        smoothing: share that the true class gives away, in [0, 1).
    """
    hot = ops.one_hot(labels, num_classes, dtype="float32")
    rest = smoothing / (num_classes - 1)
    return (1 - smoothing - rest) * hot + rest


def soft_cross_entropy(targets, logits):
    """-sum_c t_c log softmax(z)_c, (B,), of targets and logits (B, C)."""
    logits = ops.cast(logits, "float32")
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)


def smoothing_term(labels, logits, smoothing: float):
    """What smoothing adds to the plain cross-entropy, (B,).

    Args:
        labels: int32 (B,).
        logits: (B, C).
        smoothing: as of `smoothed`.
    """
    classes = logits.shape[-1]
    change = smoothed(labels, classes, smoothing) - smoothed(labels, classes, 0.0)
    return soft_cross_entropy(change, logits)
