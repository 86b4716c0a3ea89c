"""The triplet formulas of TLA: angular distance, mining, hinge and feature norms.

Shapes: B anchors, P rows in the pool, D features. Everything is computed in float32.

References:
    Mao et al. (TLA), arXiv:1909.00900, equations 1 and 2.
"""

from keras import ops

from keras_mpat.choices import check_choice
from keras_mpat.losses.directions import lengths, unit

NORM_FORMS = ("paper", "code")


def angular_distance(first, second):
    """1 - |cos| of each pair of rows: (B, D), (B, D) -> (B,), in [0, 1].

    The absolute value is TLA's: opposite vectors are as near as equal ones. A zero
    vector is at distance 1 from everything, with gradient zero.
    """
    products = _directions(first) * _directions(second)
    return 1.0 - ops.abs(ops.sum(products, axis=-1))


def hardest_negatives(anchors, pool, labels, pool_labels):
    """For each anchor the row of another class with the smallest angular distance.

    Rows of the anchor's class get minus infinity. Multiplying them by zero, as the
    published code does, lets one of them win where all other cosines are negative.

    Args:
        anchors: (B, D).
        pool: (P, D), the candidates; P >= 1.
        labels: (B,) integers >= 0, classes of the anchors.
        pool_labels: (P,) integers, classes of the pool; below 0: an empty slot, which
            is never chosen.

    Returns:
        (indices, exists): rows of the pool, int32 (B,), and whether there was one,
        bool (B,). Where there was none, the index is 0 and means nothing.
    """
    cosines = ops.matmul(_directions(anchors), ops.transpose(_directions(pool)))
    labels, pool_labels = ops.cast(labels, "int32"), ops.cast(pool_labels, "int32")
    allowed = ops.logical_and(
        pool_labels[None, :] != labels[:, None], pool_labels[None, :] >= 0
    )
    likeness = ops.where(allowed, ops.abs(cosines), -float("inf"))
    indices = ops.cast(ops.argmax(likeness, axis=-1), "int32")
    return indices, ops.any(allowed, axis=-1)


def angular_triplet(anchors, positives, negatives, margin, exists):
    """Hinge max(D(a, p) - D(a, n) + margin, 0) of each triplet, D the angular distance.

    Args:
        anchors, positives, negatives: (B, D).
        margin: by how much the negative should be further away than the positive;
            0.03 for CIFAR-10 and 0.05 for MNIST in TLA.
        exists: (B,) bool; where False there is no negative.

    Returns:
        (B,), 0 where satisfied or where no negative exists.
    """
    gap = angular_distance(anchors, positives) - angular_distance(anchors, negatives)
    return ops.where(exists, ops.maximum(gap + margin, 0.0), 0.0)


def feature_norms(anchors, positives, negatives, *, form="paper"):
    """TLA's L_norm, which keeps embeddings short, per example: (B,).

    Args:
        anchors, positives, negatives: (B, D), the three roles of the triplets.
        form: `"paper"`: Euclidean lengths, summed over the roles (equation 1).
            `"code"`: squares, summed over the roles, mean over the features, as the
            published code has it.

    Raises:
        ValueError: an unknown form.
    """
    check_choice("form", form, NORM_FORMS)
    total = 0.0
    for role in (anchors, positives, negatives):
        role = ops.cast(role, "float32")
        if form == "paper":
            total += lengths(role)
        else:
            total += ops.mean(ops.square(role), axis=-1)
    return total


def _directions(vectors):
    return unit(ops.cast(vectors, "float32"))
