"""The N-pair formulas: each anchor finds its positive among those of all anchors.

Shapes: B pairs, D features. Everything is computed in float32.

References:
    Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", NIPS
    2016, equations 6 and 7.
"""

from keras import ops

from keras_mpat.losses.directions import unit
from keras_mpat.losses.masked import masked_logsumexp


def n_pair(anchors, positives, labels, *, used=None, normalize=False):
    """Cross-entropy of the products a_i . p_j against the classes that agree.

    The target of row i is spread over all columns j with y_j = y_i, so that a class may
    occur in several pairs, as in TensorFlow Addons. With one pair per class this is
    Sohn's loss, log(1 + sum_{j != i} exp(a_i . p_j - a_i . p_i)).

    Args:
        anchors: (B, D).
        positives: (B, D); row i has the class of anchor i.
        labels: (B,) integers.
        used: (B,) bool, the pairs that take part, as rows and as columns; default
            all. `one_pair_per_class` gives the choice of pytorch-metric-learning.
        normalize: whether the products are cosines.

    Returns:
        (B,), 0 for pairs that are not used: divide their sum by the number of those
        that are.
    """
    anchors, positives = ops.cast(anchors, "float32"), ops.cast(positives, "float32")
    if normalize:
        anchors, positives = unit(anchors), unit(positives)
    labels = ops.convert_to_tensor(labels)
    if used is None:
        used = ops.ones_like(labels, dtype="bool")
    products = ops.matmul(anchors, ops.transpose(positives))
    same = ops.logical_and(labels[:, None] == labels[None, :], used[None, :])
    targets = ops.cast(same, "float32")
    count = ops.maximum(ops.sum(targets, axis=-1), 1.0)
    own = ops.sum(targets * products, axis=-1) / count
    losses = masked_logsumexp(products, used[None, :], axis=-1) - own
    return ops.where(used, losses, 0.0)


def one_pair_per_class(labels, exists=None):
    """The first pair of each class, as pytorch-metric-learning chooses them.

    Of a batch with two classes it keeps two pairs, however large the batch is.

    Args:
        labels: (B,) integers.
        exists: (B,) bool, the rows that have a positive; default all.

    Returns:
        (B,) bool, for `n_pair(..., used=...)`.
    """
    labels = ops.convert_to_tensor(labels)
    if exists is None:
        exists = ops.ones_like(labels, dtype="bool")
    rows = ops.arange(ops.shape(labels)[0])
    earlier = ops.logical_and(rows[None, :] < rows[:, None], exists[None, :])
    repeated = ops.logical_and(labels[:, None] == labels[None, :], earlier)
    return ops.logical_and(exists, ops.logical_not(ops.any(repeated, axis=-1)))


def n_pair_l2(anchors, positives, weight=0.002):
    """weight / 4 * (||a_i||^2 + ||p_i||^2) of each pair: (B,).

    Products of vectors that are not normalised grow with the vectors; this keeps those
    short. 0.002 and the quarter are those of TensorFlow Addons.

    Args:
        anchors, positives: (B, D).
        weight: factor; >= 0.
    """
    squares = [
        ops.sum(ops.square(ops.cast(vectors, "float32")), axis=-1)
        for vectors in (anchors, positives)
    ]
    return 0.25 * weight * sum(squares)
