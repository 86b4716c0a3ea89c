"""The SoftTriple formulas: similarities of a class, their loss, their regulariser.

Shapes: B examples, C classes, K prototypes per class, D features.

References:
    Qian et al., arXiv:1909.05235, equations 5-10; MPAT, Sensors 23(13):6173, equations
    3 and 4 (where the sum of Eq. 4 must run over the C classes).
"""

import keras
from keras import ops

from keras_mpat.configurable import check_not_negative, check_positive
from keras_mpat.objectives import class_ids

_EPSILON = 1e-5  # inside the root of the regulariser, so that its gradient is finite


def unit(vectors):
    """Vectors (..., D) of length 1; zero stays zero, and its gradient is zero.

    An embedding whose units are all dead has no direction to learn.
    """
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    long = squared > 1e-24
    inverse = ops.rsqrt(ops.where(long, squared, 1.0))
    return vectors * ops.where(long, inverse, 0.0)


def soft_similarities(embeddings, prototypes, active, gamma, counts=None):
    """S_ic = sum_k q_ick s_ick with q the softmax of s / gamma over active prototypes.

    With counts n, q is the softmax of s / gamma + log n: a prototype weighs as much as
    n equal ones, so that merging duplicates leaves S as it is.

    Args:
        embeddings: (B, D); normalised here.
        prototypes: (C, K, D); normalised here.
        active: (C, K), 1 for prototypes in use, 0 for the others.
        gamma: temperature; 0 < gamma. Small: the nearest prototype alone counts.
        counts: (C, K), how many prototypes each one stands for; None: one.

    Returns:
        (B, C), between -1 and 1.
    """
    similarities = ops.einsum("bd,ckd->bck", unit(embeddings), unit(prototypes))
    if prototypes.shape[1] == 1:  # the softmax of one score is 1; Keras warns of it
        return similarities[:, :, 0]
    scores = similarities / gamma
    if counts is not None:
        scores = scores + ops.log(ops.maximum(counts, 1.0))
    scores = ops.where(active > 0, scores, -1e9)
    return ops.sum(ops.softmax(scores, axis=-1) * similarities, axis=-1)


def prototype_regularizer(prototypes, active):
    """Half the mean distance of the active prototype pairs of a class, mean over C.

    A class with one active prototype adds 0.
    """
    directions = unit(prototypes)
    cosines = ops.einsum("ckd,cld->ckl", directions, directions)
    distances = ops.sqrt(ops.maximum(2.0 - 2.0 * cosines, 0.0) + _EPSILON)
    size = prototypes.shape[1]
    upper = ops.triu(ops.ones((size, size), dtype=prototypes.dtype), k=1)
    pairs = active[:, :, None] * active[:, None, :] * upper
    count = ops.sum(active, axis=-1)
    divisor = ops.maximum(count * (count - 1.0), 1.0)
    return ops.mean(ops.sum(pairs * distances, axis=(1, 2)) / divisor)


@keras.saving.register_keras_serializable("keras_mpat")
class SoftTriple(keras.losses.Loss):
    """Cross-entropy of SoftTriple logits with a margin on the true class.

    Use it with a `SoftTripleHead` as the last layer; the head adds its regulariser by
    itself. `AdversarialModel` does all of this for its `head`.

    Args:
        margin: delta, subtracted from the similarity of the true class; >= 0.
        scale: lambda, by which the head multiplied the similarities; the same number as
            the head's.
        reduction, name, dtype: as in `keras.losses.Loss`.

    Call arguments:
        y_true: labels (B,), (B, 1) or one-hot (B, C).
        y_pred: scaled similarities (B, C), the output of the head.

    Raises:
        ValueError: a negative margin or a scale that is not positive.

    References:
        Qian et al., arXiv:1909.05235, equation 6.
    """

    def __init__(
        self,
        margin=0.01,
        scale=20.0,
        reduction="sum_over_batch_size",
        name="soft_triple",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        check_not_negative(
            "margin", margin, "cosine similarity", "The paper uses 0.01."
        )
        check_positive(
            "scale", scale, "a factor", "The paper uses 20; pass that of the head."
        )
        self.margin = margin
        self.scale = scale

    def call(self, y_true, y_pred):
        num_classes = y_pred.shape[-1]
        labels = class_ids(y_true, num_classes)  # Keras casts labels to float
        own = ops.one_hot(labels, num_classes, dtype=y_pred.dtype)
        logits = y_pred - self.scale * self.margin * own
        return keras.losses.sparse_categorical_crossentropy(
            labels, logits, from_logits=True
        )

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}
