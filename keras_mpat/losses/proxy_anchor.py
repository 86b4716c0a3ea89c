"""Proxy-Anchor: each proxy gathers its examples and sends those of other classes away.

Shapes: B examples, C classes with one proxy each.

References:
    Kim et al., "Proxy Anchor Loss for Deep Metric Learning", arXiv:2003.13911,
    equation 4.
"""

import keras
from keras import ops

from keras_mpat.configurable import check_not_negative, check_positive
from keras_mpat.losses.masked import masked_logsumexp
from keras_mpat.objectives import class_ids


def proxy_anchor(similarities, labels, weights, *, scale=32.0, margin=0.1):
    """The mean over proxies with examples, plus the mean over all proxies: a scalar.

    mean_{p in P+} log(1 + sum_{x in X_p} w_x exp(-(s_xp - alpha delta)))
    + mean_{p in P} log(1 + sum_{x not in X_p} w_x exp(s_xp + alpha delta))

    Args:
        similarities: (B, C), alpha times the cosines s_xp to the proxies.
        labels: (B,) integers.
        weights: (B,), how often each example counts: 2 is the example twice, 0 is a
            batch without it, for P+ too. Below 0 is read as 0.
        scale: alpha, by which the cosines are multiplied already; > 0.
        margin: delta, a cosine; >= 0.

    Returns:
        A scalar. Without any example it is 0.
    """
    similarities = ops.cast(similarities, "float32")
    weights = ops.cast(weights, "float32")
    own = ops.one_hot(labels, similarities.shape[-1], dtype="bool")
    present = (weights > 0)[:, None]
    log_weights = ops.log(ops.where(present, weights[:, None], 1.0))
    shift = scale * margin
    near = ops.logical_and(own, present)
    far = ops.logical_and(ops.logical_not(own), present)
    pull = _log_one_plus_sum(log_weights + shift - similarities, near)
    push = _log_one_plus_sum(log_weights + shift + similarities, far)
    occupied = ops.cast(ops.any(near, axis=0), "float32")  # P+
    return ops.sum(pull) / ops.maximum(ops.sum(occupied), 1.0) + ops.mean(push)


def _log_one_plus_sum(exponents, kept):
    """log(1 + sum over the kept rows of exp(exponents)): (B, C) -> (C,).

    softplus(logsumexp) is that sum without overflow, and keeps values below 1e-7.
    """
    return ops.softplus(masked_logsumexp(exponents, kept, axis=0))


@keras.saving.register_keras_serializable("keras_mpat")
class ProxyAnchor(keras.losses.Loss):
    """Proxy-Anchor on the scaled cosines that a `ProxyAnchorHead` gives.

    Use it with the head as the last layer; `AdversarialModel` does all of this for its
    `head`. The loss belongs to a batch, not to an example: examples of a class share
    one logarithm. So `reduction="none"` gives (1,), and `sample_weight` counts examples
    inside the sums (`proxy_anchor`) instead of multiplying their losses.

    Args:
        margin: delta, >= 0: positives should have a cosine above it, negatives one
            below its opposite.
        scale: alpha, by which the head multiplied the cosines; the same number as the
            head's.
        reduction, name, dtype: as in `keras.losses.Loss`.

    Call arguments:
        y_true: labels (B,), (B, 1) or one-hot (B, C).
        y_pred: scaled cosines (B, C), the output of the head.

    Raises:
        ValueError: a negative margin or a scale that is not positive.

    References:
        Kim et al., arXiv:2003.13911, equation 4.
    """

    def __init__(
        self,
        margin=0.1,
        scale=32.0,
        reduction="sum_over_batch_size",
        name="proxy_anchor",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        check_not_negative("margin", margin, "a cosine", "The paper uses 0.1.")
        check_positive(
            "scale", scale, "a factor", "The paper uses 32; pass that of the head."
        )
        self.margin = margin
        self.scale = scale

    def __call__(self, y_true, y_pred, sample_weight=None):
        # As part of the labels, the weights reach `call` and not Keras' own product.
        y_pred = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        weights = ops.ones_like(y_pred[:, 0])
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight, dtype=self.dtype)
            weights = weights * ops.reshape(sample_weight, (-1,))
        return super().__call__({"labels": y_true, "weights": weights}, y_pred)

    def call(self, y_true, y_pred):
        labels = class_ids(y_true["labels"], y_pred.shape[-1])
        value = proxy_anchor(
            y_pred, labels, y_true["weights"], scale=self.scale, margin=self.margin
        )
        # Keras divides by the number of replicas what has an axis, and nothing else.
        return ops.reshape(value, (1,))

    def get_config(self):
        return {**super().get_config(), "margin": self.margin, "scale": self.scale}
