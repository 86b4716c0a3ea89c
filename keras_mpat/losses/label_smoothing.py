"""Label smoothing that leaves the true class a probability of exactly 1 - smoothing.

Shapes: B examples, C classes. Everything is computed in float32.

References:
    Zhang and Wang, arXiv:1907.10764, section 5; the form of its published code. Keras'
    `label_smoothing` spreads over all classes, the true one included.
"""

from keras import ops

from keras_mpat.configurable import numbers
from keras_mpat.objectives import own_and_others


def smoothed(labels, num_classes: int, smoothing: float):
    """Targets (B, C): 1 - smoothing for the class, smoothing / (C - 1) for each other.

    Args:
        labels: class ids (B,).
        num_classes: C >= 2.
        smoothing: see `check_smoothing`.

    Raises:
        ValueError: a smoothing that is out of range.
    """
    check_smoothing("smoothing", smoothing, num_classes)
    one_hot = ops.one_hot(labels, num_classes, dtype="float32")
    other = smoothing / (num_classes - 1)
    return other + (1.0 - smoothing - other) * one_hot


def smoothing_term(labels, logits, smoothing: float):
    """What smoothing adds to the cross-entropy of the labels, per example.

    smoothing * (z_y - mean of the other logits), which is linear in the logits. It is
    negative where the classifier is wrong.

    Args:
        labels: class ids (B,).
        logits: (B, C).
        smoothing: see `check_smoothing`.

    Returns:
        (B,).

    Raises:
        ValueError: a smoothing that is out of range.
    """
    check_smoothing("smoothing", smoothing, logits.shape[-1])
    logits = ops.cast(logits, "float32")
    own, _ = own_and_others(labels, logits)
    lead = own[:, None] - logits  # 0 for the own class
    return smoothing * ops.sum(lead, axis=-1) / (logits.shape[-1] - 1)


def check_smoothing(name: str, smoothing, num_classes: int | None) -> None:
    """Raises unless the smoothed target still favors the true class.

    That is 0 <= smoothing < (C - 1) / C: below 0.9 with ten classes, 0.5 with two.

    Args:
        name: of the argument.
        smoothing: its value.
        num_classes: C; `None`: not known yet.
    """
    share, limit, where = numbers(smoothing), 1.0, ""
    if num_classes is not None:
        limit, where = 1 - 1 / num_classes, f" with {num_classes} classes"
    if share.ndim or not 0 <= share < limit:
        raise ValueError(
            f"`{name}` must lie in [0, {limit:.3g}){where} (a probability), or the "
            f"smoothed target does not favor the true class. Received: {name}="
            f"{smoothing!r}. Published is 0.5 for ten classes; for two pass 0.1."
        )


def usual_smoothing(given: float | None, num_classes: int) -> float:
    """What is given, or 0.5 as published; for two classes 0.1.

    With two, 0.5 leaves no label. With 0.1 the true class is nine times as likely as
    the other, as with 0.5 and ten classes.
    """
    if given is not None:
        return given
    return 0.5 if num_classes > 2 else 0.1


def soft_cross_entropy(targets, logits):
    """-sum_c t_c log softmax(z)_c, (B,), of targets and logits (B, C)."""
    logits = ops.cast(logits, "float32")
    return -ops.sum(targets * ops.log_softmax(logits, axis=-1), axis=-1)
